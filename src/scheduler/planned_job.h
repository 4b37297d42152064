// A job as if it were submitted now.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "state/cluster_state.h"

namespace berth::scheduler {

// A job that is there only to be asked about: it has shapes, and rules between tasks concern it,
// but nobody else sees it. One at a time, and nothing is placed meanwhile.
class PlannedJob {
 public:
  // `traits` are one for each group. `state` and `spec` outlive it.
  PlannedJob(state::ClusterState& state, const state::JobSpec& spec,
             std::vector<state::TaskTraits> traits)
      : state_(state), spec_(spec), traits_(std::move(traits)) {}
  PlannedJob(const PlannedJob&) = delete;
  PlannedJob& operator=(const PlannedJob&) = delete;
  ~PlannedJob() {
    for (const state::ShapeId shape : shapes_) {
      state_.requirements().Release(shape, state_.nodes());
    }
    if (visits_) state_.EndVisit(spec_);
  }

  // An error names the first group that cannot have a shape.
  absl::Status Begin(uint32_t profile, size_t& group) {
    std::vector<state::ShapeId> without_rules;
    absl::Status status;
    for (group = 0; group < spec_.groups.size() && status.ok(); ++group) {
      auto shape =
          state_.requirements().Acquire(*spec_.groups[group].needs, profile, state_.nodes(),
                                        /*intern_unknown=*/false, traits_[group]);
      if (shape.ok()) {
        without_rules.push_back(*shape);
      } else {
        status = shape.status();
        break;
      }
    }
    if (status.ok()) {
      const std::vector<state::TaskRules> rules = state_.BeginVisit(spec_);
      visits_ = true;
      for (size_t g = 0; g < rules.size(); ++g) {
        shapes_.push_back(
            state_.requirements().AcquireUnder(rules[g], without_rules[g], state_.nodes()));
      }
    }
    for (const state::ShapeId shape : without_rules) {
      state_.requirements().Release(shape, state_.nodes());
    }
    return status;
  }
  state::ShapeId shape(size_t group) const { return shapes_[group]; }

 private:
  state::ClusterState& state_;
  const state::JobSpec& spec_;
  const std::vector<state::TaskTraits> traits_;
  std::vector<state::ShapeId> shapes_;
  bool visits_ = false;
};

}  // namespace berth::scheduler
