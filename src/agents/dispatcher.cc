#include "agents/dispatcher.h"

#include "base/status_macros.h"
#include "wire/amounts.h"
#include "wire/values.h"

namespace berth::agents {

absl::StatusOr<Dispatcher::ParsedSpec> Dispatcher::SpecOf(const std::string& hash) {
  if (const auto it = by_hash_.find(hash); it != by_hash_.end()) {
    recent_.splice(recent_.begin(), recent_, it->second);
    return recent_.front().second;
  }
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<const std::string> content, blobs_(hash));
  auto spec = std::make_shared<v1::JobSpec>();
  if (!spec->ParseFromString(*content)) {
    return absl::DataLossError("blob " + hash + ": it is no job specification");
  }
  recent_.emplace_front(hash, std::move(spec));
  by_hash_[hash] = recent_.begin();
  if (recent_.size() > kMostSpecs) {
    by_hash_.erase(recent_.back().first);
    recent_.pop_back();
  }
  return recent_.front().second;
}

absl::Status Dispatcher::Fill(const state::Directive& directive, v1::Directive& message) {
  if (const auto* start = std::get_if<state::StartTask>(&directive)) {
    message.set_sequence(start->sequence);
    return Fill(*start, *message.mutable_start());
  }
  if (const auto* stop = std::get_if<state::StopTask>(&directive)) {
    message.set_sequence(stop->sequence);
    *message.mutable_stop()->mutable_key() = wire::ToProto(stop->attempt);
    message.mutable_stop()->set_end(static_cast<v1::AttemptEnd>(stop->end));
    return absl::OkStatus();
  }
  const auto& forget = std::get<state::ForgetAttempt>(directive);
  message.set_sequence(forget.sequence);
  *message.mutable_forget()->mutable_key() = wire::ToProto(forget.attempt);
  return absl::OkStatus();
}

absl::Status Dispatcher::Fill(const state::StartTask& start, v1::StartTask& message) {
  const std::string task =
      state::TaskIdText(start.job.value, *start.spec, start.group, start.position);
  const auto spec = SpecOf(start.spec->blob.Hex());
  if (!spec.ok()) {
    return absl::Status(spec.status().code(),
                        "task " + task + ": " + std::string(spec.status().message()));
  }
  if (static_cast<int>(start.group) >= (*spec)->groups_size()) {
    return absl::DataLossError("task " + task + ": blob " + start.spec->blob.Hex() +
                               ": it has no such group: it is another job's, or damaged");
  }
  const state::GroupSpec& group = start.spec->groups[start.group];
  const v1::TaskTemplate& tmpl = (*spec)->groups(static_cast<int>(start.group)).template_();
  *message.mutable_key() = wire::ToProto(start.attempt);
  message.set_task_id(task);
  message.set_job_name(start.spec->name);
  message.set_namespace_(start.spec->ns);
  *message.mutable_payload() = tmpl.payload();
  *message.mutable_resources() = wire::ToResources(group.needs->requests);
  if (start.memory_mib != 0) {
    message.mutable_resources()->set_memory_bytes(int64_t{start.memory_mib} << 20);
  }
  for (const std::string& id : start.device_ids) message.add_device_ids(id);
  message.set_device_share_milli(start.device_share_milli);
  message.set_device_memory_bytes(int64_t{start.device_memory_mib} << 20);
  message.set_time_limit_ms(group.time_limit_ms);
  message.set_grace_ms(group.grace_ms);
  message.set_max_processes(group.max_processes);
  message.mutable_run_as()->set_verified(start.run_as.verified);
  message.mutable_run_as()->set_uid(start.run_as.uid);
  message.mutable_run_as()->set_gid(start.run_as.gid);
  message.set_on_partition(group.kill_on_partition ? v1::ON_PARTITION_KILL : v1::ON_PARTITION_KEEP);
  message.set_world_size(group.count());
  message.set_rank(start.position);
  message.set_in_array(group.in_array);
  message.set_cpu_limit_milli(tmpl.cpu_limit_milli());
  message.set_cpu_placement(tmpl.cpu_placement());
  message.set_io_weight(tmpl.io_weight());
  message.set_network(tmpl.network());
  if (tmpl.has_health_check()) *message.mutable_health_check() = tmpl.health_check();
  if (tmpl.has_readiness_check()) *message.mutable_readiness_check() = tmpl.readiness_check();
  return absl::OkStatus();
}

}  // namespace berth::agents
