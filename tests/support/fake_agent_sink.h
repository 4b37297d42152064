// The loop as the agents' link sees it, under a test's thumb.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "agents/agent_link.h"
#include "base/mutex.h"
#include "base/work_thread.h"

namespace berth::testing {

// Takes commands in order and says that each was applied, on a releasing thread of its own. It can
// be full, and hold back what it says.
//
// Threading: any thread.
class FakeAgentSink final : public agents::AgentCommandSink {
 public:
  ~FakeAgentSink() override { releasing_.Stop(); }

  void BeFull(int commands) {
    base::MutexLock lock(mutex_);
    full_ = commands;
  }
  void Hold() {
    base::MutexLock lock(mutex_);
    holding_ = true;
  }
  void LetGo() {
    base::MutexLock lock(mutex_);
    holding_ = false;
    for (auto& applied : held_) releasing_.Post(std::move(applied));
    held_.clear();
  }
  // Does `work` where the loop would deliver effects.
  void OnReleasingThread(std::function<void()> work) { releasing_.Post(std::move(work)); }

  // Returns when that thread has done all that it was given.
  void Settle() {
    base::Mutex mutex;
    base::CondVar changed;
    bool done = false;
    OnReleasingThread([&] {
      base::MutexLock lock(mutex);
      done = true;
      changed.NotifyAll();
    });
    base::MutexLock lock(mutex);
    while (!done) changed.Wait(mutex);
  }

  // The commands taken, once there are that many.
  std::vector<state::Command> Await(size_t count) {
    base::MutexLock lock(mutex_);
    while (taken_.size() < count) changed_.Wait(mutex_);
    return taken_;
  }
  // The first command of one sort behind the first `passed`, once there is one.
  template <typename Body>
  Body AwaitOne(size_t passed = 0) {
    base::MutexLock lock(mutex_);
    while (true) {
      for (size_t i = passed; i < taken_.size(); ++i) {
        if (const auto* body = std::get_if<Body>(&taken_[i].body)) return *body;
      }
      changed_.Wait(mutex_);
    }
  }
  size_t taken() const {
    base::MutexLock lock(mutex_);
    return taken_.size();
  }

  absl::Status Post(state::Command command, std::function<void()> applied) override {
    base::MutexLock lock(mutex_);
    if (full_ > 0) {
      --full_;
      return absl::ResourceExhaustedError("the inbox is full");
    }
    taken_.push_back(std::move(command));
    changed_.NotifyAll();
    if (holding_) {
      held_.push_back(std::move(applied));
    } else {
      releasing_.Post(std::move(applied));
    }
    return absl::OkStatus();
  }

 private:
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  int full_ BERTH_GUARDED_BY(mutex_) = 0;
  bool holding_ BERTH_GUARDED_BY(mutex_) = false;
  std::deque<std::function<void()>> held_ BERTH_GUARDED_BY(mutex_);
  std::vector<state::Command> taken_ BERTH_GUARDED_BY(mutex_);

  base::WorkThread releasing_{"releasing"};
};

}  // namespace berth::testing
