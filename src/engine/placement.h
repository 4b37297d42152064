// Where a task goes, and what decided it.
#pragma once

#include <array>
#include <cstdint>

#include "berth/ids.h"
#include "berth/reserve.h"
#include "engine/plugin_set.h"

namespace berth::engine {

struct Placement {
  // kNoSlot: no node passes every filter; then all else is 0 or empty.
  Slot slot = kNoSlot;
  // Sum of score x weight over the score plugins.
  int64_t total = 0;
  // The node that would have won without the winner; kNoSlot when there is none.
  Slot runner_up = kNoSlot;
  int64_t runner_up_total = 0;
  // Nodes that passed every filter.
  int64_t nodes_feasible = 0;
  // The winner's score by plugin, before weights, in the order of PluginSet::scores. Entries past
  // their number, and those of plugins that skip the task, are 0.
  std::array<int32_t, kMaxScorePlugins> plugin_scores{};
  // What the task takes of the winner besides its countable requests.
  Reservation reservation;
};

}  // namespace berth::engine
