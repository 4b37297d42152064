#include "store/record_keys.h"

#include <bit>
#include <concepts>
#include <cstring>

namespace berth::store {
namespace {

static_assert(std::endian::native == std::endian::little,
              "a big-endian machine must not swap these bytes");

void AppendBig(std::string& key, uint64_t number) {
  const uint64_t big = __builtin_bswap64(number);
  key.append(reinterpret_cast<const char*>(&big), sizeof big);
}

void AppendBig(std::string& key, uint32_t number) {
  const uint32_t big = __builtin_bswap32(number);
  key.append(reinterpret_cast<const char*>(&big), sizeof big);
}

template <std::unsigned_integral Number>
Number TakeBig(std::string_view& key) {
  Number number = 0;
  std::memcpy(&number, key.data(), sizeof number);
  key.remove_prefix(sizeof number);
  if constexpr (sizeof number == 8) return __builtin_bswap64(number);
  return static_cast<Number>(__builtin_bswap32(static_cast<uint32_t>(number)));
}

std::string Hexadecimal(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return text;
}

std::string DescribeWellFormed(Table table, std::string_view key) {
  switch (table) {
    case Table::kMeta:
      if (key == kMetaKey) return "the cluster's own record";
      break;
    case Table::kJobs:
      if (const auto job = ParseJobKey(key)) return "job " + std::to_string(job->value);
      break;
    case Table::kTasks:
      if (const auto task = ParseTaskRecordKey(key)) {
        return "a task of job " + std::to_string(task->job.value) + " (group " +
               std::to_string(task->group) + ", position " + std::to_string(task->position) + ")";
      }
      break;
    case Table::kNodes:
    case Table::kNodeLinks:
      if (const auto slot = ParseSlotKey(key)) return "slot " + std::to_string(*slot);
      break;
    case Table::kRequests:
    case Table::kBatches:
      if (const auto parts = ParsePrincipalKey(key)) {
        return (table == Table::kRequests ? "request \"" : "batch \"") + parts->id + "\" of " +
               parts->principal;
      }
      break;
    case Table::kSheets:
      if (key.size() == 8) return "sheet " + Hexadecimal(key);
      break;
    case Table::kBlobs:
      return "blob " + std::string(key);
    case Table::kChangeLog:
      if (const auto epoch = ParseEpochKey(key)) return "epoch " + std::to_string(*epoch);
      break;
    case Table::kAudit:
    case Table::kHistory:
      if (const auto at = ParseJournalKey(key)) {
        return "entry " + std::to_string(at->position) + " of epoch " + std::to_string(at->epoch);
      }
      break;
    case Table::kFeatures:
      if (const auto place = ParseFeaturesKey(key)) {
        return "features of job " + std::to_string(place->job.value) + " (group " +
               std::to_string(place->group) + ", part " +
               std::to_string(static_cast<int>(place->part)) + ")";
      }
      break;
    case Table::kLearned:
      return "piece \"" + std::string(key) + "\"";
  }
  return {};
}

}  // namespace

std::string JobKey(JobId job) {
  std::string key;
  AppendBig(key, job.value);
  return key;
}

std::string TaskRecordKey(const TaskKey& task) {
  std::string key;
  key.reserve(16);
  AppendBig(key, task.job.value);
  AppendBig(key, task.group);
  AppendBig(key, task.position);
  return key;
}

std::string SlotKey(Slot slot) {
  std::string key;
  AppendBig(key, slot);
  return key;
}

std::string PrincipalKey(std::string_view principal, std::string_view id) {
  std::string key;
  AppendBig(key, static_cast<uint32_t>(principal.size()));
  return key.append(principal).append(id);
}

std::string SheetKey(uint64_t hash) {
  std::string key;
  AppendBig(key, hash);
  return key;
}

std::string EpochKey(uint64_t epoch) {
  std::string key;
  AppendBig(key, epoch);
  return key;
}

std::string JournalKey(uint64_t epoch, uint32_t position) {
  std::string key;
  AppendBig(key, epoch);
  AppendBig(key, position);
  return key;
}

std::string FeaturesKey(JobId job, uint32_t group, state::FeaturePart part) {
  std::string key;
  AppendBig(key, job.value);
  AppendBig(key, group);
  key += static_cast<char>(part);
  return key;
}

std::optional<JobId> ParseJobKey(std::string_view key) {
  if (key.size() != 8) return std::nullopt;
  return JobId{TakeBig<uint64_t>(key)};
}

std::optional<TaskKey> ParseTaskRecordKey(std::string_view key) {
  if (key.size() != 16) return std::nullopt;
  TaskKey task;
  task.job.value = TakeBig<uint64_t>(key);
  task.group = TakeBig<uint32_t>(key);
  task.position = TakeBig<uint32_t>(key);
  return task;
}

std::optional<Slot> ParseSlotKey(std::string_view key) {
  if (key.size() != 4) return std::nullopt;
  return TakeBig<uint32_t>(key);
}

std::optional<PrincipalAndId> ParsePrincipalKey(std::string_view key) {
  if (key.size() < 4) return std::nullopt;
  const uint32_t length = TakeBig<uint32_t>(key);
  if (length > key.size()) return std::nullopt;
  return PrincipalAndId{std::string(key.substr(0, length)), std::string(key.substr(length))};
}

std::optional<uint64_t> ParseEpochKey(std::string_view key) {
  if (key.size() != 8) return std::nullopt;
  return TakeBig<uint64_t>(key);
}

std::optional<JournalPosition> ParseJournalKey(std::string_view key) {
  if (key.size() != 12) return std::nullopt;
  JournalPosition at;
  at.epoch = TakeBig<uint64_t>(key);
  at.position = TakeBig<uint32_t>(key);
  return at;
}

std::optional<FeaturesPlace> ParseFeaturesKey(std::string_view key) {
  if (key.size() != 13 || static_cast<uint8_t>(key.back()) >= state::kFeatureParts) {
    return std::nullopt;
  }
  FeaturesPlace place;
  place.job.value = TakeBig<uint64_t>(key);
  place.group = TakeBig<uint32_t>(key);
  place.part = static_cast<state::FeaturePart>(key.front());
  return place;
}

std::string DescribeKey(Table table, std::string_view key) {
  std::string words = DescribeWellFormed(table, key);
  return words.empty() ? "key " + Hexadecimal(key) : words;
}

}  // namespace berth::store
