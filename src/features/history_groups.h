// A bounded table of groups of alike tasks, each with the last values that were measured of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "features/recent_values.h"
#include "features/script_signature.h"

namespace berth::features {

// What is measured of a task.
enum class HistoryField : uint8_t { kDuration, kMemory, kCpu, kGpu };
inline constexpr size_t kHistoryFields = 4;

// Which tasks a group holds, from the most alike to all. The numbers are stored.
enum class HistoryLevel : uint8_t {
  kProgram = 0,    // same user, name, resources asked for, and queue
  kScript = 1,     // same user, a script like this one
  kName = 2,       // same user and name
  kShape = 3,      // same user, resources asked for, and queue
  kUserQueue = 4,  // same user and queue
  kUser = 5,
  kQueue = 6,
  kAll = 7,
};
inline constexpr size_t kHistoryLevels = 8;

// Names a group: of a SHA-256 the first half, so that nobody can make two groups meet on purpose.
struct GroupKey {
  uint64_t high = 0, low = 0;

  bool operator==(const GroupKey&) const = default;
  template <typename H>
  friend H AbslHashValue(H hash, const GroupKey& key) {
    return H::combine(std::move(hash), key.low);
  }
};

// What holds a group of alike scripts together.
struct ScriptFamily {
  GroupKey user;
  ScriptSignature signature;  // of its first member
};

struct HistoryGroup {
  GroupKey key;
  HistoryLevel level = HistoryLevel::kAll;
  int64_t last_end_s = 0;
  // Grows from each use of any group to the next.
  uint64_t used = 0;
  // Of its newest 32 ends, newest lowest: which failed by themselves; and how many there are.
  uint32_t failed_bits = 0;
  uint8_t ends = 0;
  std::array<RecentValues, kHistoryFields> values;
  std::unique_ptr<ScriptFamily> family;  // level kScript only
};

// At most `most` groups; when another is needed, the one that was used longest ago makes room.
//
// Slots are positions below `most` and stay with their group until it makes room: an owner may keep
// a group under its slot's number, and what is kept never grows beyond the table.
//
// Threading: one thread at a time. Cost: O(1) each, no allocation but the table's own growth.
class HistoryGroups {
 public:
  using Slot = uint32_t;

  // REQUIRES: most > 0.
  explicit HistoryGroups(size_t most) : most_(most) {}

  [[nodiscard]] std::optional<Slot> Find(const GroupKey& key) const;

  // The group of scripts of `user` that is most like `signature`, if one is alike enough.
  [[nodiscard]] std::optional<Slot> FindFamily(const GroupKey& user,
                                               const ScriptSignature& signature) const;

  // The group of this key, made if there is none, which counts as its use. May remove another
  // group, never one that was used later. REQUIRES: `family` given where level is kScript.
  Slot Use(const GroupKey& key, HistoryLevel level, const ScriptFamily* family = nullptr);

  // Puts a group where it was before. False: the slot is taken or beyond the table, the key is
  // there already, or a group is there that was used later. So groups come in order of their use.
  bool Restore(Slot slot, HistoryGroup group);

  [[nodiscard]] const HistoryGroup& At(Slot slot) const { return entries_[slot].group; }
  [[nodiscard]] HistoryGroup& At(Slot slot) { return entries_[slot].group; }
  [[nodiscard]] bool Holds(Slot slot) const {
    return slot < entries_.size() && entries_[slot].in_use;
  }
  [[nodiscard]] size_t size() const { return slot_of_.size(); }
  [[nodiscard]] size_t most() const { return most_; }
  [[nodiscard]] size_t slots() const { return entries_.size(); }

  // What the table takes, nearly. Cost: a look at every group.
  [[nodiscard]] size_t bytes() const;

 private:
  static constexpr Slot kNone = UINT32_MAX;

  struct Entry {
    HistoryGroup group;
    Slot older = kNone, newer = kNone;
    bool in_use = false;
  };

  Slot TakeSlot();
  void ClaimBands(Slot slot);
  void Enter(Slot slot, HistoryGroup group);
  void Remove(Slot slot);
  void Unlink(Slot slot);
  void LinkNewest(Slot slot);

  size_t most_;
  std::vector<Entry> entries_;
  // Slots that Restore() passed over; some may have been taken since.
  std::vector<Slot> free_;
  absl::flat_hash_map<GroupKey, Slot> slot_of_;
  // From a band of a user's script to the group with it that was used last. Only asked, never gone
  // through: its order differs from run to run.
  absl::flat_hash_map<uint64_t, Slot> family_of_band_;
  Slot oldest_ = kNone, newest_ = kNone;
  uint64_t uses_ = 0;
};

}  // namespace berth::features
