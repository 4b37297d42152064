#include "scheduler/recovery.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "base/status_macros.h"

namespace berth::scheduler {
namespace {

absl::StatusOr<uint32_t> ProfileNumber(const RecoveryOptions& options, const state::JobView& job) {
  const auto it = std::find(options.profiles.begin(), options.profiles.end(), job.spec->profile);
  if (it != options.profiles.end()) {
    return static_cast<uint32_t>(it - options.profiles.begin());
  }
  // An ended job is only kept for reading; what would have placed it does not matter any more.
  if (job.ended_at_ms != 0) return 0;
  return absl::FailedPreconditionError("profile \"" + job.spec->profile + "\": job " +
                                       std::to_string(job.id.value) +
                                       " uses it, and the configuration has no such profile; put "
                                       "it back into berthd.yaml until that job has ended");
}

absl::Status RestoreJob(store::RecoveredJob& recovered, const RecoveryOptions& options,
                        state::ClusterState& cluster) {
  BERTH_ASSIGN_OR_RETURN(const uint32_t profile, ProfileNumber(options, recovered.job));
  std::vector<state::ShapeId> shapes;
  for (const state::GroupSpec& group : recovered.job.spec->groups) {
    const size_t number = shapes.size();
    const state::TaskTraits traits =
        recovered.hints.empty() ? state::TaskTraits{} : state::TraitsOf(recovered.hints[number]);
    BERTH_ASSIGN_OR_RETURN(
        const state::ShapeId shape,
        cluster.requirements().Acquire(*group.needs, profile, cluster.nodes(), true, traits));
    shapes.push_back(shape);
  }
  cluster.RestoreJob(recovered.job, std::move(shapes), recovered.hints);
  for (const state::TaskStatusView& task : recovered.tasks) {
    BERTH_RETURN_IF_ERROR(cluster.RestoreTask(task));
  }
  return absl::OkStatus();
}

state::ChangeLogEntry FromStore(const store::ChangeLogEntry& stored) {
  state::ChangeLogEntry entry;
  entry.epoch = stored.epoch;
  entry.jobs = stored.jobs;
  for (const store::TaskRun& run : stored.tasks) {
    for (uint32_t i = 0; i < run.count; ++i) {
      entry.tasks.push_back({run.job, run.group, run.first + i});
    }
  }
  entry.nodes = stored.nodes;
  for (const store::RemovedJob& job : stored.removed_jobs) {
    entry.removed_jobs.emplace_back(job.job, job.ns);
  }
  for (const store::RemovedNode& node : stored.removed_nodes) {
    entry.removed_nodes.push_back(node.name);
  }
  return entry;
}

}  // namespace

absl::StatusOr<std::unique_ptr<state::ClusterState>> BuildState(store::RecoveredState recovered,
                                                                const RecoveryOptions& options) {
  if (recovered.head.epoch == 0) recovered.meta.seed = options.new_seed;
  auto cluster =
      std::make_unique<state::ClusterState>(recovered.meta, options.watch_history_epochs);
  cluster->nodes().SetSharedResources(options.shared_resources);
  for (const state::NodeView& node : recovered.nodes) {
    BERTH_RETURN_IF_ERROR(cluster->RestoreNode(node));
  }
  for (const state::NodeLinkView& link : recovered.links) cluster->RestoreLink(link);
  for (store::RecoveredJob& job : recovered.jobs) {
    BERTH_RETURN_IF_ERROR(RestoreJob(job, options, *cluster));
  }
  for (auto& request : recovered.requests) cluster->RestoreRequest(std::move(request));
  for (auto& batch : recovered.batches) cluster->RestoreBatch(std::move(batch));
  std::deque<state::ChangeLogEntry> log;
  for (const store::ChangeLogEntry& entry : recovered.change_log) log.push_back(FromStore(entry));
  while (log.size() > options.watch_history_epochs) log.pop_front();
  cluster->RestoreChangeLog(std::move(log));
  BERTH_RETURN_IF_ERROR(cluster->FinishRestore());
  cluster->BeginTerm();
  return cluster;
}

}  // namespace berth::scheduler
