#include "scheduler/turn.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted_fault.h"
#include "pipeline/table_context.h"

namespace berth::scheduler {
namespace {

// What a node measured so many heartbeats ago says nothing of it any more.
constexpr int64_t kUsageHeartbeats = 6;

constexpr int64_t kDayMs = 24 * 60 * 60 * 1000;

}  // namespace

using pipeline::Profile;
using state::Command;
using state::Principal;

Turn::Turn(const TurnOptions& options, std::unique_ptr<state::ClusterState> state,
           const PluginRegistry& registry)
    : options_(options),
      state_(std::move(state)),
      registry_(registry),
      engine_(state_->nodes()),
      parked_shapes_(state_->nodes()),
      scoring_(*state_, engine_),
      leases_(options.lease_ms, options.lost_after_ms),
      usage_meters_(kUsageHeartbeats * options.heartbeat_interval_ms) {}

absl::StatusOr<std::unique_ptr<Turn>> Turn::Create(
    const TurnOptions& options, std::unique_ptr<state::ClusterState> state,
    const PluginRegistry& registry, const std::vector<pipeline::ProfileOptions>& profiles) {
  std::unique_ptr<Turn> turn(new Turn(options, std::move(state), registry));
  // Recovered shapes carry profile numbers by the order in which their names were given to
  // ClusterState; that order is the configuration's.
  turn->task_mix_ = turn->TaskMixOf(state::DayOf(turn->state_->meta().now_ms));
  if (auto status = turn->LoadProfiles(profiles); !status.ok()) return status;
  turn->RebuildQueue();
  return turn;
}

absl::Status Turn::LoadProfiles(const std::vector<pipeline::ProfileOptions>& options) {
  pipeline::TableContext context(state_->nodes().names(), &task_mix_);
  auto compiled = pipeline::CompileProfiles(options, registry_, context);
  if (!compiled.ok()) return compiled.status();
  profile_options_ = options;
  // What they keep is of the plugins that go.
  WakeAllParked();
  engine_.Reset();
  ever_fits_.clear();
  for (Profile& profile : *compiled) {
    state::ScoreSheet sheet;
    sheet.profile = profile.name();
    for (const engine::WeightedScore& score : profile.scores()) {
      sheet.plugins.emplace_back(score.name());
      sheet.weights.push_back(score.weight);
    }
    LoadedProfile loaded{std::move(profile),
                         std::make_shared<const state::ScoreSheet>(std::move(sheet))};
    for (const std::string& plugin : loaded.sheet->plugins) counters_.plugin_errors[plugin];
    for (const FilterPlugin* filter : loaded.profile.filters()) {
      counters_.plugin_errors[std::string(filter->name())];
    }
    const std::string name = loaded.profile.name();
    // A number stays with its name, since the requirements of live jobs hold it.
    const auto [it, is_new] = profile_index_.emplace(name, static_cast<uint32_t>(profiles_.size()));
    if (is_new) {
      profiles_.push_back(std::move(loaded));
    } else {
      profiles_[it->second] = std::move(loaded);
    }
  }
  scoring_.Configure(FindScored(options));
  return absl::OkStatus();
}

// A job is kept for some days after its end, so those of the window are all there until the next
// count: whoever counts again, after a restart, gets the same.
state::TaskMix Turn::TaskMixOf(int64_t day) const {
  const int64_t window_ms = std::max(options_.finished_jobs_age_ms - kDayMs, kDayMs);
  return state::CountTaskMix(state_->jobs(), day, window_ms);
}

void Turn::CountTaskMix() {
  const int64_t day = state::DayOf(now_ms_);
  if (day == task_mix_.day) return;
  const state::TaskMix before = std::exchange(task_mix_, TaskMixOf(day));
  if (task_mix_.sorts == before.sorts) return;
  const std::vector<pipeline::ProfileOptions> options = profile_options_;
  if (const absl::Status status = LoadProfiles(options); !status.ok()) {
    task_mix_ = before;
    task_mix_.day = day;
    warnings_.push_back("profiles are kept with the mix of tasks of the day before: " +
                        std::string(status.message()));
  }
}

absl::Status Turn::Do(const ProfileChange& change) {
  const absl::Status status = ReplaceProfiles(change.profiles);
  if (status.ok() && change.shared_resources) {
    state_->nodes().SetSharedResources(*change.shared_resources);
  }
  std::string names;
  for (const auto& profile : change.profiles) names += (names.empty() ? "" : ", ") + profile.name;
  Audit(change.principal, "replace_profiles", "profiles " + names, status.ok() ? "ok" : "refused",
        std::string(status.message()));
  return status;
}

absl::Status Turn::ReplaceProfiles(const std::vector<pipeline::ProfileOptions>& options) {
  for (const auto& [id, job] : state_->jobs()) {
    const bool known = std::any_of(options.begin(), options.end(), [&](const auto& profile) {
      return profile.name == job->spec->profile;
    });
    if (!known && !job->ended()) {
      return absl::FailedPreconditionError("profile \"" + job->spec->profile + "\": job " +
                                           std::to_string(id.value) +
                                           " uses it; keep it until that job has ended");
    }
  }
  if (auto status = LoadProfiles(options); !status.ok()) return status;
  for (auto it = profile_index_.begin(); it != profile_index_.end();) {
    const bool kept = std::any_of(options.begin(), options.end(),
                                  [&](const auto& profile) { return profile.name == it->first; });
    it = kept ? std::next(it) : profile_index_.erase(it);
  }
  RebuildQueue();
  return absl::OkStatus();
}

void Turn::RebuildQueue() {
  WakeAllParked();
  queue_ = {};
  backing_off_.clear();
  finished_.clear();
  for (const auto& [id, const_job] : state_->jobs()) {
    state::JobRow& job = *state_->FindJob(id);
    if (job.ended()) {
      finished_.emplace(job.ended_at_ms, id);
      continue;
    }
    for (uint32_t g = 0; g < job.groups.size(); ++g) {
      state::GroupRow& group = job.groups[g];
      group.queue_key = QueueKeyOf(job, g);
      for (const auto& [position, row] : group.rows) {
        if (row.state == state::TaskState::kQueued && row.not_before_ms != 0 &&
            !BERTH_PLANTED(kForgetBackoff)) {
          backing_off_.emplace(row.not_before_ms, TaskKey{id, g, position});
        }
      }
      SyncQueue(job, g);
    }
  }
}

TurnOutput Turn::Run(TurnInput input) {
  now_ms_ = std::max(input.now_ms, state_->meta().now_ms);
  wall_ms_ = input.wall_ms;
  effects_.clear();
  warnings_.clear();
  directives_of_.clear();
  work_units_ = 0;

  TurnOutput output;
  RunTimers();
  for (const ProfileChange& change : input.profile_changes) {
    output.profile_answers.push_back(Do(change));
  }
  for (Command& command : input.commands) {
    work_units_ += kUnitsOfCommand;
    Reply reply = std::visit([&](auto& body) { return Do(command.principal, body); }, command.body);
    if (command.token != 0) output.replies.emplace_back(command.token, std::move(reply));
  }
  output.command_work_units = work_units_;
  WakeParked();
  Schedule(input.work_units);
  output.work_units = work_units_;

  output.batch = state_->TakeChanges(now_ms_);
  output.agent_effects = std::move(effects_);
  output.warnings = std::move(warnings_);
  // What this turn has placed may be what others wait to be with.
  output.more_work = queue_.Front().has_value() || parked_shapes_.MayWake();
  output.next_deadline_ms = NextDeadline();
  return output;
}

Reply Turn::Answer(ReplyBody body) {
  Reply reply;
  // The last whole epoch, not the running one: a watch from here sees again what this turn does
  // after the answer was made.
  reply.epoch = state_->meta().epoch;
  reply.body = std::move(body);
  return reply;
}

Reply Turn::Refuse(absl::Status status, Reason reason, std::string field) {
  Reply reply;
  reply.status = std::move(status);
  reply.reason = reason;
  reply.field = std::move(field);
  reply.epoch = state_->meta().epoch;
  return reply;
}

Reply Turn::RefuseReused(const std::string& request_id) {
  return Refuse(absl::AlreadyExistsError("request_id \"" + request_id +
                                         "\": it was used for another request before; give each "
                                         "request its own"),
                Reason::kRequestIdReused, "request_id");
}

void Turn::Audit(const Principal& who, std::string action, std::string object, std::string outcome,
                 std::string detail) {
  state_->Audit({.unix_ms = wall_ms_,
                 .principal = who.name,
                 .action = std::move(action),
                 .object = std::move(object),
                 .outcome = std::move(outcome),
                 .detail = std::move(detail)});
}

const Turn::LoadedProfile& Turn::ProfileOf(state::ShapeId shape) const {
  return profiles_[state_->requirements().Get(shape).profile];
}

}  // namespace berth::scheduler
