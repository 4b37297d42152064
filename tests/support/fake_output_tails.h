// The ends of output, in memory.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/mutex.h"
#include "state/output_tails.h"

namespace berth::testing {

// Threading: any thread.
class FakeOutputTails final : public state::OutputTails {
 public:
  void Put(const std::string& node, std::vector<state::OutputTail> tails,
           std::function<void()> taken) override {
    {
      base::MutexLock lock(mutex_);
      for (state::OutputTail& tail : tails) {
        kept_[std::tuple(node, tail.attempt, tail.is_error)] = std::move(tail);
      }
      changed_.NotifyAll();
    }
    taken();
  }
  std::optional<state::OutputTail> Get(const std::string& node, const state::AgentAttempt& attempt,
                                       bool is_error) override {
    base::MutexLock lock(mutex_);
    const auto found = kept_.find(std::tuple(node, attempt, is_error));
    if (found == kept_.end()) return std::nullopt;
    return found->second;
  }
  // Waits until so many are kept.
  void Await(size_t count) {
    base::MutexLock lock(mutex_);
    while (kept_.size() < count) changed_.Wait(mutex_);
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  std::map<std::tuple<std::string, state::AgentAttempt, bool>, state::OutputTail> kept_
      BERTH_GUARDED_BY(mutex_);
};

}  // namespace berth::testing
