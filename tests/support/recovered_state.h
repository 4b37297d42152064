#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "state/cluster_state.h"
#include "state/generation.h"

namespace berth::testing {

// A state as berthd has it after a start: what a snapshot of `before` is restored as, or, without a
// restore, what a start finds.
inline std::unique_ptr<state::ClusterState> Recovered(const state::ClusterState& before,
                                                      bool restored) {
  state::ClusterMeta meta = before.meta();
  if (restored) {
    ++meta.generation;
    meta.epoch = state::EpochInGeneration(meta.generation, meta.epoch);
    meta.next_job = 1;
    meta.settling = true;
  }
  auto state = std::make_unique<state::ClusterState>(meta, 1000);
  std::vector<state::SharedResourceSpec> shared;
  for (const state::SharedResource& one : before.nodes().shared_resources()) {
    shared.push_back({one.name, one.topology_key, one.capacity});
  }
  state->nodes().SetSharedResources(shared);
  for (const auto& [name, slot] : before.nodes().by_name()) {
    EXPECT_TRUE(state->RestoreNode(before.ViewNode(slot)).ok());
    const state::NodeLink& link = *before.FindLink(slot);
    state->RestoreLink({slot, link.incarnation, link.next_sequence, link.fact_sequence});
  }
  for (const auto& [id, job] : before.jobs()) {
    std::vector<state::ShapeId> shapes;
    for (const state::GroupSpec& group : job->spec->groups) {
      shapes.push_back(*state->requirements().Acquire(*group.needs, 0, state->nodes(), true));
    }
    state->RestoreJob(before.ViewJob(*job), std::move(shapes));
    for (uint32_t g = 0; g < job->groups.size(); ++g) {
      for (const auto& [position, row] : job->groups[g].rows) {
        EXPECT_TRUE(state->RestoreTask(before.ViewTask(*job, {id, g, position})).ok());
      }
    }
  }
  EXPECT_TRUE(state->FinishRestore().ok());
  return state;
}

}  // namespace berth::testing
