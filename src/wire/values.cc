#include "wire/values.h"

#include <algorithm>
#include <string>

#include "wire/names.h"

namespace berth::wire {

v1::Usage ToProto(const state::Usage& usage) {
  v1::Usage out;
  out.set_cpu_time_ms(usage.cpu_time_ms);
  out.set_memory_bytes(usage.memory_bytes);
  out.set_memory_peak_bytes(usage.memory_peak_bytes);
  out.set_device_memory_bytes(usage.device_memory_bytes);
  out.set_device_utilisation_percent(usage.device_utilisation_percent);
  out.set_io_read_bytes(usage.io_read_bytes);
  out.set_io_written_bytes(usage.io_written_bytes);
  out.set_scratch_bytes(usage.scratch_bytes);
  return out;
}

state::Usage FromProto(const v1::Usage& usage) {
  return {.cpu_time_ms = std::max<int64_t>(0, usage.cpu_time_ms()),
          .memory_bytes = std::max<int64_t>(0, usage.memory_bytes()),
          .memory_peak_bytes = std::max<int64_t>(0, usage.memory_peak_bytes()),
          .device_memory_bytes = std::max<int64_t>(0, usage.device_memory_bytes()),
          .device_utilisation_percent = std::max(0, usage.device_utilisation_percent()),
          .io_read_bytes = std::max<int64_t>(0, usage.io_read_bytes()),
          .io_written_bytes = std::max<int64_t>(0, usage.io_written_bytes()),
          .scratch_bytes = std::max<int64_t>(0, usage.scratch_bytes())};
}

v1::Taint ToProto(const state::TaintSpec& taint) {
  v1::Taint out;
  out.set_key(taint.key);
  out.set_value(taint.value);
  out.set_effect(static_cast<v1::TaintEffect>(static_cast<int>(taint.effect) + 1));
  return out;
}

state::TaintSpec ReadTaint(const v1::Taint& taint, const FieldPath& path, Violations& violations) {
  CheckName(kLabelKey, taint.key(), FieldPath(path, "key"), violations);
  CheckText(taint.value(), kMostValueBytes, FieldPath(path, "value"), violations);
  if (taint.effect() < v1::TAINT_EFFECT_NO_SCHEDULE ||
      taint.effect() > v1::TAINT_EFFECT_NO_EXECUTE) {
    violations.Add(FieldPath(path, "effect"),
                   "is required: NO_SCHEDULE, PREFER_NO_SCHEDULE or NO_EXECUTE");
    return {};
  }
  return {.key = taint.key(),
          .value = taint.value(),
          .effect = static_cast<TaintEffect>(static_cast<int>(taint.effect()) - 1)};
}

void CheckLabels(const google::protobuf::Map<std::string, std::string>& labels,
                 const FieldPath& parent, std::string_view field, Violations& violations) {
  if (labels.size() > static_cast<size_t>(kMostLabels)) {
    violations.Add(FieldPath(parent, field), "has " + std::to_string(labels.size()) +
                                                 " entries; at most " +
                                                 std::to_string(kMostLabels) + " are allowed");
    return;
  }
  for (const auto& [key, value] : labels) {
    const FieldPath entry(parent, field, key);
    CheckName(kLabelKey, key, entry, violations);
    CheckText(value, kMostValueBytes, entry, violations);
  }
}

v1::AttemptKey ToProto(const state::AgentAttempt& attempt) {
  v1::AttemptKey out;
  out.set_job_id(attempt.job.value);
  out.set_group(attempt.group);
  out.set_index(attempt.index);
  out.set_attempt(attempt.attempt);
  return out;
}

state::AgentAttempt FromProto(const v1::AttemptKey& key) {
  return {.job = JobId{key.job_id()},
          .group = key.group(),
          .index = key.index(),
          .attempt = key.attempt()};
}

}  // namespace berth::wire
