// The last attempts that each node could not start.
#pragma once

#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "berth/ids.h"
#include "scheduler/reply.h"

namespace berth::scheduler {

// What another task on the same node would meet too: no fault of the task's own.
inline bool IsNodesFault(Reason reason) {
  switch (reason) {
    case Reason::kIsolationFailed:
    case Reason::kDriverError:
    case Reason::kAgentJournalFull:
    case Reason::kPrologFailed:
    case Reason::kDeviceMissing:
    case Reason::kNetworkFailed:
      return true;
    default:
      return false;
  }
}

// For people who ask what is wrong with a node; not kept over a restart.
//
// Threading: none. Cost: a few records for each node that has had any.
class StartFailures {
 public:
  using Failure = NodeHealthReply::FailedStart;
  static constexpr size_t kMost = 5;  // of a node

  void Note(Slot slot, Failure failure) {
    std::deque<Failure>& failures = of_[slot];
    failures.push_front(std::move(failure));
    if (failures.size() > kMost) failures.pop_back();
  }
  // The slot is another node's from now on.
  void Forget(Slot slot) { of_.erase(slot); }

  // The latest first.
  std::vector<Failure> Of(Slot slot) const {
    const auto found = of_.find(slot);
    if (found == of_.end()) return {};
    return {found->second.begin(), found->second.end()};
  }

 private:
  std::map<Slot, std::deque<Failure>> of_;
};

}  // namespace berth::scheduler
