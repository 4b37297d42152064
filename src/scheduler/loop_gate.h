// What waits at the loop's two doors: commands before a turn, outcomes before the disk.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "scheduler/reply.h"
#include "scheduler/turn.h"
#include "scheduler/turn_budget.h"
#include "state/commands.h"

namespace berth::scheduler {

// Called once the answer is durable.
using ReplyCallback = std::function<void(Reply)>;

// Somebody who waits for changed profiles; told that berthd ends when nothing else came.
class ProfileWaiter {
 public:
  explicit ProfileWaiter(ProfileChange wanted) : change(std::move(wanted)) {}
  ProfileWaiter(const ProfileWaiter&) = delete;
  ProfileWaiter& operator=(const ProfileWaiter&) = delete;
  ~ProfileWaiter() {
    if (!told_) Tell(absl::UnavailableError("berthd is shutting down"));
  }

  void Tell(absl::Status status) {
    told_ = true;
    done_.set_value(std::move(status));
  }
  std::future<absl::Status> answer() { return done_.get_future(); }

  ProfileChange change;

 private:
  std::promise<absl::Status> done_;
  bool told_ = false;
};

// A turn's outcome on its way to the disk and then out.
struct Outcome {
  TurnOutput output;
  std::vector<ReplyCallback> callbacks;  // callbacks[token - 1]
  std::vector<std::unique_ptr<ProfileWaiter>> profile_waiters;
};

// Decides when a turn runs and what it takes, and keeps outcomes in order of epoch. At most
// kMostOutstanding of them are on their way to the disk; with that many no turn runs.
//
// Threading: none; whoever shares it holds a lock over it.
class LoopGate {
 public:
  static constexpr size_t kMostOutstanding = 2;

  enum class Next { kRun, kWait, kDone };

  // Most commands that wait, by class.
  explicit LoopGate(const std::array<size_t, state::kCommandClasses>& capacity)
      : capacity_(capacity) {}

  // RESOURCE_EXHAUSTED: that class is full, nothing was taken and `reply` is not called.
  // UNAVAILABLE: shutting down.
  absl::Status Post(state::CommandClass command_class, state::Command command, ReplyCallback reply);
  // UNAVAILABLE: shutting down; the waiter is not told.
  absl::Status Post(std::unique_ptr<ProfileWaiter> waiter);

  // Takes no further commands; those taken are still worked off.
  void Stop() { stopping_ = true; }
  // A commit has failed: nothing runs any more.
  void Fail() {
    failed_ = true;
    profile_waiters_.clear();  // tells them
  }

  // What the loop does now. `more_work`: the last turn left some; `is_due`: its deadline has come.
  Next Decide(bool more_work, bool is_due) const;
  // More outcomes are on their way than let a turn run.
  bool is_full() const { return outstanding_ >= kMostOutstanding; }

  // Moves what a turn is to work on into `input` and `outcome`: agents' facts first, for they end
  // what holds resources, then operators', then submissions; at most allowance.commands of them.
  void Take(const TurnBudget::Allowance& allowance, TurnInput& input, Outcome& outcome);

  // A turn is over: its outcome waits for the disk.
  void Pass(Outcome outcome);
  bool has_outcome() const { return !to_commit_.empty(); }
  // REQUIRES: has_outcome().
  Outcome TakeOutcome();
  // The last outcome taken is durable and released.
  void Released() { --outstanding_; }

  size_t depth(size_t command_class) const { return inbox_[command_class].size(); }
  const std::array<uint64_t, state::kCommandClasses>& refused() const { return refused_; }
  const std::array<uint64_t, state::kCommandClasses>& taken() const { return taken_; }

 private:
  struct Posted {
    state::Command command;
    ReplyCallback reply;
  };

  bool InboxEmpty() const;

  const std::array<size_t, state::kCommandClasses> capacity_;
  std::array<std::deque<Posted>, state::kCommandClasses> inbox_;
  std::array<uint64_t, state::kCommandClasses> refused_{};
  std::array<uint64_t, state::kCommandClasses> taken_{};
  std::vector<std::unique_ptr<ProfileWaiter>> profile_waiters_;
  std::deque<Outcome> to_commit_;
  size_t outstanding_ = 0;
  bool stopping_ = false;
  bool failed_ = false;
};

}  // namespace berth::scheduler
