// How long each node has been silent, and when that matters.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "berth/ids.h"

namespace berth::scheduler {

// A node that is heard from has a lease. When it ends, the node counts as away; when the silence
// lasts `lost_after`, what ran there is given up. Times are loop time.
//
// Whoever holds this says when each deadline has come. If that is itself long overdue, this process
// stood still, and what the agents said meanwhile lies unread: every lease starts anew.
//
// Threading: none. Cost: O(1) for Hear() from a node with a lease; O(log nodes) for each deadline.
class Leases {
 public:
  struct Silence {
    Slot slot = kNoSlot;
    bool is_lost = false;  // else its lease has ended
  };

  // REQUIRES: 0 < lease_ms <= lost_after_ms.
  Leases(int64_t lease_ms, int64_t lost_after_ms)
      : lease_ms_(lease_ms),
        lost_after_ms_(lost_after_ms),
        stall_ms_(std::min<int64_t>(lease_ms / 8, 5'000)) {}

  void Hear(Slot slot, int64_t now_ms) {
    if (slot >= contacts_.size()) contacts_.resize(size_t{slot} + 1);
    Contact& contact = contacts_[slot];
    contact.heard_ms = now_ms;
    if (contact.stage != Stage::kFresh) Begin(slot);
  }

  // Whether the node's lease runs.
  bool is_fresh(Slot slot) const {
    return slot < contacts_.size() && contacts_[slot].stage == Stage::kFresh;
  }

  // Since when the node has been silent. REQUIRES: it was heard from once.
  int64_t heard_ms(Slot slot) const { return contacts_[slot].heard_ms; }

  // The next node, in order of time, whose lease has ended or that is lost; nullopt: none is.
  std::optional<Silence> TakeDue(int64_t now_ms) {
    if (!due_.empty() && now_ms - due_.begin()->first > stall_ms_) StartAnew(now_ms);
    while (!due_.empty() && due_.begin()->first <= now_ms) {
      const Slot slot = due_.begin()->second;
      Contact& contact = contacts_[slot];
      if (contact.stage == Stage::kFresh && contact.heard_ms + lease_ms_ > now_ms) {
        Plan(slot, contact.heard_ms + lease_ms_);
      } else if (contact.stage == Stage::kFresh) {
        contact.stage = Stage::kAway;
        Plan(slot, contact.heard_ms + lost_after_ms_);
        return Silence{slot, false};
      } else {
        contact.stage = Stage::kLost;
        due_.erase(due_.begin());
        return Silence{slot, true};
      }
    }
    return std::nullopt;
  }

  // When TakeDue() may have something to say.
  std::optional<int64_t> next_ms() const {
    return due_.empty() ? std::nullopt : std::optional(due_.begin()->first);
  }

 private:
  // kLost is also that of a slot that was never heard from. It has no place in due_.
  enum class Stage : uint8_t { kLost, kFresh, kAway };
  struct Contact {
    int64_t heard_ms = 0;
    int64_t due_ms = 0;  // its place in due_
    Stage stage = Stage::kLost;
  };

  void Begin(Slot slot) {
    contacts_[slot].stage = Stage::kFresh;
    Plan(slot, contacts_[slot].heard_ms + lease_ms_);
  }
  void Plan(Slot slot, int64_t due_ms) {
    due_.erase({contacts_[slot].due_ms, slot});
    contacts_[slot].due_ms = due_ms;
    due_.emplace(due_ms, slot);
  }
  void StartAnew(int64_t now_ms) {
    due_.clear();
    for (size_t slot = 0; slot < contacts_.size(); ++slot) {
      if (contacts_[slot].stage == Stage::kLost) continue;
      contacts_[slot].heard_ms = std::max(contacts_[slot].heard_ms, now_ms);
      Begin(static_cast<Slot>(slot));
    }
  }

  const int64_t lease_ms_;
  const int64_t lost_after_ms_;
  const int64_t stall_ms_;  // a deadline later than this was missed because the process stood still
  std::vector<Contact> contacts_;           // by slot
  std::set<std::pair<int64_t, Slot>> due_;  // (loop time, slot); one for each that is not lost
};

}  // namespace berth::scheduler
