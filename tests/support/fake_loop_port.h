// The loop as services see it, under a test's thumb.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "api/loop_port.h"
#include "base/mutex.h"
#include "base/work_thread.h"

namespace berth::testing {

// Answers each command with what the test's script says, in the order in which they were posted, on
// a releasing thread of its own, as the loop does. It can be full, hold its answers back, and die
// with commands still queued.
//
// Threading: any thread. The script runs on the releasing thread.
class FakeLoopPort final : public api::LoopPort {
 public:
  using Script = std::function<scheduler::Reply(const state::Command&)>;

  ~FakeLoopPort() override { releasing_.Stop(); }

  // Before the first command.
  void set_script(Script script) { script_ = std::move(script); }

  // The next `commands` commands are not taken.
  void BeFull(int commands) {
    base::MutexLock lock(mutex_);
    full_ = commands;
  }
  // Answers stay here until LetGo; Die drops them unanswered.
  void Hold() {
    base::MutexLock lock(mutex_);
    holding_ = true;
  }
  void LetGo() {
    base::MutexLock lock(mutex_);
    holding_ = false;
    for (Posted& posted : held_) Answer(std::move(posted));
    held_.clear();
  }
  void Die() {
    std::deque<Posted> held;
    base::MutexLock lock(mutex_);
    held.swap(held_);
  }

  // Returns when this many commands have been taken in all.
  void AwaitTaken(size_t count) {
    base::MutexLock lock(mutex_);
    while (taken_.size() < count) changed_.Wait(mutex_);
  }
  std::vector<state::Command> taken() const {
    base::MutexLock lock(mutex_);
    return taken_;
  }
  size_t refused() const {
    base::MutexLock lock(mutex_);
    return refused_;
  }

  // Publishes on the releasing thread, after the answers that are under way.
  void Publish(std::shared_ptr<const state::ChangeBatch> batch) {
    releasing_.Post([this, batch = std::move(batch)] { hub_.Publish(batch); });
  }
  // Returns when the releasing thread has done all that it was given, and `last` after it.
  void Settle(const std::function<void()>& last = [] {}) {
    base::Mutex mutex;
    base::CondVar changed;
    bool done = false;
    releasing_.Post([&] {
      last();
      base::MutexLock lock(mutex);
      done = true;
      changed.NotifyAll();
    });
    base::MutexLock lock(mutex);
    while (!done) changed.Wait(mutex);
  }

  void set_snapshot(const scheduler::LoopSnapshot& snapshot) {
    base::MutexLock lock(mutex_);
    snapshot_ = std::make_shared<const scheduler::LoopSnapshot>(snapshot);
  }

  // ---- LoopPort ----
  absl::Status Post(state::CommandClass, state::Command command, ReplyCallback reply) override {
    base::MutexLock lock(mutex_);
    if (full_ > 0) {
      --full_;
      ++refused_;
      changed_.NotifyAll();
      return absl::ResourceExhaustedError("the inbox is full; try again in a moment");
    }
    taken_.push_back(command);
    changed_.NotifyAll();
    Posted posted{std::move(command), std::move(reply)};
    if (holding_) {
      held_.push_back(std::move(posted));
    } else {
      Answer(std::move(posted));
    }
    return absl::OkStatus();
  }
  scheduler::WatchHub& watches() override { return hub_; }
  std::shared_ptr<const scheduler::LoopSnapshot> snapshot() const override {
    base::MutexLock lock(mutex_);
    return snapshot_;
  }

 private:
  struct Posted {
    state::Command command;
    ReplyCallback reply;
  };

  void Answer(Posted posted) {
    releasing_.Post([this, posted = std::move(posted)] { posted.reply(script_(posted.command)); });
  }

  Script script_ = [](const state::Command&) {
    scheduler::Reply reply;
    reply.status = absl::NotFoundError("this loop has nothing");
    return reply;
  };
  scheduler::WatchHub hub_;

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  int full_ BERTH_GUARDED_BY(mutex_) = 0;
  size_t refused_ BERTH_GUARDED_BY(mutex_) = 0;
  bool holding_ BERTH_GUARDED_BY(mutex_) = false;
  std::deque<Posted> held_ BERTH_GUARDED_BY(mutex_);
  std::vector<state::Command> taken_ BERTH_GUARDED_BY(mutex_);
  std::shared_ptr<const scheduler::LoopSnapshot> snapshot_ BERTH_GUARDED_BY(mutex_) =
      std::make_shared<const scheduler::LoopSnapshot>();

  base::WorkThread releasing_{"releasing"};
};

}  // namespace berth::testing
