// Keys of records: how each is made, read, and said to a person.
//
// Numbers are big-endian, so that the order of keys is the order of numbers.
//   meta        "cluster"
//   jobs        job (8 bytes)
//   tasks       job (8), group (4), position (4)
//   nodes, node links          slot (4)
//   requests, batches          length of the principal's name (4), the name, the id
//   score sheets               FixedHash of the sheet's message (8)
//   blobs       SHA-256, 64 lower-case hexadecimal digits
//   change log  epoch (8)
//   audit, history             epoch (8), position in the epoch's batch (4)
//   features    job (8), group (4), part (1)
//   learned     the piece's name
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "berth/ids.h"
#include "state/changes.h"
#include "store/tables.h"

namespace berth::store {

inline constexpr std::string_view kMetaKey = "cluster";

std::string JobKey(JobId job);  // of its record; the prefix of its tasks' keys
std::string TaskRecordKey(const TaskKey& task);
std::string SlotKey(Slot slot);
std::string PrincipalKey(std::string_view principal, std::string_view id);
std::string SheetKey(uint64_t hash);
std::string EpochKey(uint64_t epoch);  // of the change log; the prefix of journal keys
std::string JournalKey(uint64_t epoch, uint32_t position);

std::string FeaturesKey(JobId job, uint32_t group, state::FeaturePart part);

struct PrincipalAndId {
  std::string principal;
  std::string id;
};
struct JournalPosition {
  uint64_t epoch = 0;
  uint32_t position = 0;

  bool operator==(const JournalPosition&) const = default;
};

struct FeaturesPlace {
  JobId job;
  uint32_t group = 0;
  state::FeaturePart part = state::FeaturePart::kHints;

  bool operator==(const FeaturesPlace&) const = default;
};

// nullopt: not a key of that form.
std::optional<JobId> ParseJobKey(std::string_view key);
std::optional<TaskKey> ParseTaskRecordKey(std::string_view key);
std::optional<Slot> ParseSlotKey(std::string_view key);
std::optional<PrincipalAndId> ParsePrincipalKey(std::string_view key);
std::optional<uint64_t> ParseEpochKey(std::string_view key);
std::optional<JournalPosition> ParseJournalKey(std::string_view key);
std::optional<FeaturesPlace> ParseFeaturesKey(std::string_view key);

// In words, whatever the bytes: "job 12", "a task of job 12 (group 0, position 3)", "slot 4",
// "epoch 77", "key 00ff1c" when it has not the table's form.
std::string DescribeKey(Table table, std::string_view key);

}  // namespace berth::store
