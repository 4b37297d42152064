// How long each node has been silent, and when that matters.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "base/planted_fault.h"
#include "berth/ids.h"

namespace berth::scheduler {

// A node that is heard from has a lease. When it ends, the node counts as away; when the silence
// lasts `lost_after`, what ran there is given up. Times are loop time.
//
// An attempt may be fenced: its node ends it by itself, at the latest its grace after the lease.
// The node counts the lease from when it sent what it was answered, and it is answered only after
// it was heard; so the attempt has surely ended kFenceMarginMs after that time as it is counted
// here.
//
// Whoever holds this says when each deadline has come. If that is itself long overdue, this process
// stood still, and what the agents said meanwhile lies unread: every lease starts anew.
//
// Threading: none. Cost: O(1) for Hear() from a node with a lease; O(log nodes) for each deadline,
// O(log fences) for each fence.
class Leases {
 public:
  // For a shim that wakes late, and for killing what does not end at once.
  static constexpr int64_t kFenceMarginMs = 5'000;

  struct Fence {
    TaskKey task;
    uint32_t attempt = 0;
    bool operator==(const Fence&) const = default;
  };
  struct Silence {
    Slot slot = kNoSlot;
    bool is_lost = false;        // neither this nor the next: its lease has ended
    std::optional<Fence> fence;  // the node has ended this attempt by itself
  };

  // REQUIRES: 0 < lease_ms <= lost_after_ms.
  Leases(int64_t lease_ms, int64_t lost_after_ms)
      : lease_ms_(lease_ms),
        lost_after_ms_(lost_after_ms),
        stall_ms_(std::min<int64_t>(lease_ms / 8, 5'000)) {}

  void Hear(Slot slot, int64_t now_ms) {
    if (slot >= contacts_.size()) contacts_.resize(size_t{slot} + 1);
    Contact& contact = contacts_[slot];
    if (BERTH_PLANTED(kKeepOldLease) && contact.stage == Stage::kAway) return Begin(slot);
    contact.heard_ms = now_ms;
    if (contact.stage == Stage::kFresh) return;
    DropFences(slot);
    Begin(slot);
  }

  // When an attempt of this grace has surely ended by itself, if the node stays silent.
  // REQUIRES: the node was heard from once.
  int64_t FencedBy(Slot slot, int64_t grace_ms) const {
    if (BERTH_PLANTED(kFenceWithoutGrace)) return heard_ms(slot) + lease_ms_;
    return heard_ms(slot) + lease_ms_ + grace_ms + kFenceMarginMs;
  }

  // To be told when the attempt has surely ended; not any more once the node is heard from.
  // REQUIRES: the node's lease has ended; it has no fence for this task yet.
  void AddFence(Slot slot, const Fence& fence, int64_t grace_ms) {
    const int64_t due_ms = FencedBy(slot, grace_ms);
    fences_[slot].emplace(fence.task, std::pair(due_ms, fence.attempt));
    fences_due_.emplace(due_ms, slot, fence.task);
  }

  // Whether TakeDue() has still to tell of this task's fence.
  bool HasFence(Slot slot, const TaskKey& task) const {
    const auto fences = fences_.find(slot);
    return fences != fences_.end() && fences->second.contains(task);
  }

  // Whether the node's lease runs.
  bool is_fresh(Slot slot) const {
    return slot < contacts_.size() && contacts_[slot].stage == Stage::kFresh;
  }

  bool HasHeard(Slot slot) const { return slot < contacts_.size(); }
  // Since when the node has been silent. REQUIRES: it was heard from once.
  int64_t heard_ms(Slot slot) const { return contacts_[slot].heard_ms; }

  // The next node that has ended a fenced attempt, else whose lease has ended or that is lost; each
  // in order of time. nullopt: none is.
  std::optional<Silence> TakeDue(int64_t now_ms) {
    // What was left from the last time on purpose is not overdue since before that.
    const auto next = next_ms();
    if (next && now_ms - std::max(*next, asked_ms_) > stall_ms_) StartAnew(now_ms);
    asked_ms_ = now_ms;
    if (auto fenced = TakeFence(now_ms)) return fenced;
    while (!due_.empty() && due_.begin()->first <= now_ms) {
      const Slot slot = due_.begin()->second;
      Contact& contact = contacts_[slot];
      if (contact.stage == Stage::kFresh && contact.heard_ms + lease_ms_ > now_ms) {
        Plan(slot, contact.heard_ms + lease_ms_);
      } else if (contact.stage == Stage::kFresh) {
        contact.stage = Stage::kAway;
        Plan(slot, contact.heard_ms + lost_after_ms_);
        return Silence{.slot = slot};
      } else {
        contact.stage = Stage::kLost;
        due_.erase(due_.begin());
        return Silence{.slot = slot, .is_lost = true};
      }
    }
    return std::nullopt;
  }

  // When TakeDue() may have something to say.
  std::optional<int64_t> next_ms() const {
    std::optional<int64_t> next;
    if (!due_.empty()) next = due_.begin()->first;
    if (!fences_due_.empty()) {
      const int64_t fence = std::get<int64_t>(*fences_due_.begin());
      next = std::min(next.value_or(fence), fence);
    }
    return next;
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
  // Fences of lost nodes stay: no lease of theirs has been renewed.
  void StartAnew(int64_t now_ms) {
    due_.clear();
    for (size_t at = 0; at < contacts_.size(); ++at) {
      if (contacts_[at].stage == Stage::kLost) continue;
      const Slot slot = static_cast<Slot>(at);
      contacts_[slot].heard_ms = std::max(contacts_[slot].heard_ms, now_ms);
      DropFences(slot);
      Begin(slot);
    }
  }
  std::optional<Silence> TakeFence(int64_t now_ms) {
    if (fences_due_.empty() || std::get<int64_t>(*fences_due_.begin()) > now_ms)
      return std::nullopt;
    const auto [due_ms, slot, task] = *fences_due_.begin();
    fences_due_.erase(fences_due_.begin());
    const auto fences = fences_.find(slot);
    const auto fence = fences->second.extract(task);
    if (fences->second.empty()) fences_.erase(fences);
    return Silence{.slot = slot, .fence = Fence{task, fence.mapped().second}};
  }
  void DropFences(Slot slot) {
    const auto fences = fences_.find(slot);
    if (fences == fences_.end()) return;
    for (const auto& [task, fence] : fences->second) {
      fences_due_.erase({fence.first, slot, task});
    }
    fences_.erase(fences);
  }

  const int64_t lease_ms_;
  const int64_t lost_after_ms_;
  const int64_t stall_ms_;  // a deadline later than this was missed because the process stood still
  std::vector<Contact> contacts_;           // by slot
  std::set<std::pair<int64_t, Slot>> due_;  // (loop time, slot); one for each that is not lost
  // Only of nodes whose lease has ended.
  std::map<Slot, std::map<TaskKey, std::pair<int64_t, uint32_t>>> fences_;  // → (due, attempt)
  std::set<std::tuple<int64_t, Slot, TaskKey>> fences_due_;
  int64_t asked_ms_ = std::numeric_limits<int64_t>::min();
};

}  // namespace berth::scheduler
