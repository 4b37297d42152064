#include "agentd/usage_delta.h"

#include <cstdlib>
#include <utility>

namespace berth::agentd {
namespace {

constexpr int64_t kTenth = 10;

// Moves the fields of `now` that differ from those of `told` to `told`, and copies them to the
// result: what is absent there is as it was.
v1::NodeUsage TakeChanged(v1::NodeUsage now, v1::NodeUsage& told) {
  v1::NodeUsage changed;
  const auto* reflection = now.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(now, &fields);
  for (const auto* field : fields) {  // each is a message
    const std::string bytes = reflection->GetMessage(now, field).SerializeAsString();
    if (reflection->HasField(told, field) &&
        reflection->GetMessage(told, field).SerializeAsString() == bytes) {
      continue;
    }
    reflection->MutableMessage(&changed, field)->CopyFrom(reflection->GetMessage(now, field));
  }
  told = std::move(now);
  return changed;
}

}  // namespace

void UsageDelta::Fill(v1::NodeUsage parts, std::vector<std::pair<AttemptKey, v1::Usage>> attempts,
                      std::vector<v1::PeerLatency> latencies, v1::Heartbeat& heartbeat) {
  std::map<std::string, int64_t> told_us = std::exchange(latencies_us_, {});
  for (v1::PeerLatency& latency : latencies) {
    const int64_t now = latency.round_trip_us();
    const auto before = told_us.extract(latency.node());
    const bool same = !before.empty() && (now == 0) == (before.mapped() == 0) &&
                      std::abs(now - before.mapped()) * kTenth <= before.mapped();
    latencies_us_.emplace(latency.node(), same ? before.mapped() : now);
    if (!same) *heartbeat.add_latencies() = std::move(latency);
  }
  for (const auto& [node, before_us] : told_us) {  // not measured any more
    if (before_us != 0) heartbeat.add_latencies()->set_node(node);
  }
  if (v1::NodeUsage changed = TakeChanged(std::move(parts), parts_); changed.ByteSizeLong() > 0) {
    *heartbeat.mutable_parts() = std::move(changed);
  }
  std::map<AttemptKey, std::string> told = std::exchange(attempts_, {});
  for (auto& [key, usage] : attempts) {
    std::string bytes = usage.SerializeAsString();
    const auto before = told.find(key);
    if (before == told.end() ? !bytes.empty() : before->second != bytes) {
      v1::AttemptUsage& added = *heartbeat.add_attempts();
      *added.mutable_key() = ToProto(key);
      *added.mutable_usage() = std::move(usage);
    }
    attempts_.emplace(key, std::move(bytes));
  }
}

}  // namespace berth::agentd
