// Plans: where the tasks of a job would go if it were submitted now. Nothing is changed by one.
#include <string>
#include <utility>
#include <vector>

#include "engine/trial.h"
#include "scheduler/planned_job.h"
#include "scheduler/turn.h"

namespace berth::scheduler {

using state::Principal;

namespace {

// Tasks of one plan that are placed, and those of them that are told of one by one: a turn and an
// answer have bounds.
constexpr int64_t kMostPlanned = 10'000;
constexpr size_t kMostTold = 1000;

std::string NodesText(int64_t nodes) {
  return std::to_string(nodes) + (nodes == 1 ? " node fits" : " nodes fit");
}

std::string TasksText(int64_t tasks) {
  return std::to_string(tasks) + (tasks == 1 ? " task" : " tasks");
}

// "all 4 tasks would be placed now".
std::string SumText(const PlanReply& plan) {
  if (plan.tasks_planned < plan.tasks_total) {
    return std::to_string(plan.tasks_placed) + " of the first " + TasksText(plan.tasks_planned) +
           " would be placed now; the job has " + std::to_string(plan.tasks_total);
  }
  if (plan.tasks_placed < plan.tasks_total) {
    return std::to_string(plan.tasks_placed) + " of " + TasksText(plan.tasks_total) +
           " would be placed now";
  }
  return plan.tasks_total == 1 ? "the task would be placed now"
                               : "all " + TasksText(plan.tasks_total) + " would be placed now";
}

}  // namespace

absl::Status Turn::PlanGroup(const state::PlanJob& command, uint32_t group, state::ShapeId shape,
                             PlanReply& plan) {
  const state::JobSpec& spec = *command.spec;
  const LoadedProfile& profile = ProfileOf(shape);
  const TaskRequirements& needs = state_->requirements().Get(shape);
  const int64_t count = spec.groups[group].count();
  for (int64_t position = 0; position < count; ++position) {
    if (plan.tasks_planned == kMostPlanned) return absl::OkStatus();
    const TaskKey key{{}, group, static_cast<uint32_t>(position)};
    TaskView view = ViewOf(shape, key);
    if (view.needs.has_data) view.data = command.features[group].hints.data;
    const auto placement = engine_.Place(profile.profile.placing(), KeyOf(shape), view);
    work_units_ += engine_.TakeWork();
    if (!placement.ok()) return placement.status();
    const bool fits = placement->slot != kNoSlot;

    PlanReply::Task task{.group = group,
                         .position = key.position,
                         .node = "",
                         .decision = nullptr,
                         .explanation = {}};
    // The reasons once for the group, and for what does not fit.
    if (position == 0 || !fits) {
      Charge(profile.profile, kLooksOfExplanation);
      auto explanation = pipeline::Explain(profile.profile, view, state_->nodes(),
                                           {.top = static_cast<size_t>(command.top)});
      if (!explanation.ok()) return explanation.status();
      scoring_.Annotate(shape, now_ms_, *explanation);
      task.explanation = *std::move(explanation);
    }
    if (!fits) {
      // Those that follow are like it, and nothing changes in between.
      plan.tasks_planned += count - position;
      task.like_it = count - position;
      plan.tasks.push_back(std::move(task));
      return absl::OkStatus();
    }
    ++plan.tasks_planned;
    ++plan.tasks_placed;
    state_->nodes().Allocate(placement->slot, needs, placement->reservation);
    if (plan.tasks.size() >= kMostTold) continue;
    task.node = state_->nodes().name(placement->slot);
    task.decision = MakeDecision(profile, *placement);
    task.explanation.placeability = pipeline::Placeability::kFitsNow;
    task.explanation.text =
        "it would go to " + task.node + "; " + NodesText(placement->nodes_feasible);
    plan.tasks.push_back(std::move(task));
  }
  return absl::OkStatus();
}

Reply Turn::Do(const Principal& who, const state::PlanJob& command) {
  const state::JobSpec& spec = *command.spec;
  uint32_t profile = 0;
  if (auto refused = RefuseJob(who, spec, profile)) return *std::move(refused);
  std::vector<state::TaskTraits> traits(spec.groups.size());
  for (size_t g = 0; g < command.features.size(); ++g) {
    traits[g] = state::TraitsOf(command.features[g].hints);
  }
  PlannedJob job(*state_, spec, std::move(traits));
  size_t group = 0;
  if (const absl::Status begun = job.Begin(profile, group); !begun.ok()) {
    return Refuse(begun, Reason::kInvalidField, ResourcesField(group));
  }
  PlanReply plan;
  plan.spec = command.spec;
  plan.tasks_total = spec.task_count();
  {
    const engine::Trial trial(state_->nodes(), engine_);
    for (uint32_t g = 0; g < spec.groups.size(); ++g) {
      const absl::Status planned = PlanGroup(command, g, job.shape(g), plan);
      if (!planned.ok()) return Refuse(planned, Reason::kSchedulerError, "");
    }
  }
  plan.text = SumText(plan);
  return Answer(std::move(plan));
}

}  // namespace berth::scheduler
