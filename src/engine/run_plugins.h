// The one place from which plugins are called: what they may do wrong ends here as a status.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "berth/node_columns.h"
#include "berth/queue_sort.h"
#include "berth/reserve.h"
#include "berth/slot_span.h"
#include "berth/task_view.h"
#include "engine/device_choice.h"
#include "engine/plugin_set.h"

namespace berth::engine {

// Name of the plugin that an error of the functions below is about; empty: of another error.
std::string PluginAtFault(const absl::Status& error);

// What a plugin answers to the questions of the same names. Errors: it threw; names it.
absl::StatusOr<bool> PassesAll(const FilterPlugin& filter, const TaskRequirements& needs);
absl::StatusOr<bool> ScoresNodes(const WeightedScore& score, const TaskRequirements& needs);
absl::StatusOr<bool> ScoresSets(const WeightedScore& score, const TaskRequirements& needs);
absl::StatusOr<bool> IsLocal(const DomainPlugin& plugin, const TaskRequirements& needs);
absl::StatusOr<int64_t> SortKey(const QueueSortPlugin& plugin, const QueuedGroup& group);

// A plugin that lets no node run a task.
struct Refusal {
  const PreFilterPlugin* plugin = nullptr;
  std::string words;
};
// The first of the set's pre-filters that refuses such a task; nothing: none does. Errors: as
// above.
absl::StatusOr<std::optional<Refusal>> RefusedBy(const PluginSet& plugins,
                                                 const TaskRequirements& needs);

// Appends the keys that matter to such a task. Errors: as above.
absl::Status AppendKeys(const DomainPlugin& plugin, const TaskRequirements& needs,
                        std::vector<DomainKey>& keys);

// Appends the slots that a plugin of scope kSparse has an opinion on. Errors: as above, or one of
// them is no slot of the columns.
absl::Status AppendSlots(const SparsePlugin& plugin, const TaskView& task,
                         const NodeColumns& columns, std::vector<Slot>& slots);

// Has a filter say why it removes each slot of `removed`. Errors: as above; what it has said by
// then stays said.
absl::Status Diagnose(const FilterPlugin& filter, const TaskView& task, const NodeColumns& columns,
                      const NodeMask& removed, RejectionSink& sink);

// Clears from `feasible` every slot that one filter removes.
// Errors: the plugin could not work, or threw; names it.
absl::Status RunFilter(const FilterPlugin& filter, const TaskView& task, const NodeColumns& columns,
                       SlotMask& feasible);

// Writes a plugin's scores of `slots`. Errors: as RunFilter, or a score is not from 0 to kMaxScore.
absl::Status RunScore(const ScorePlugin& plugin, const TaskView& task, const NodeColumns& columns,
                      SlotSpan slots, std::span<int32_t> scores);

// Writes a plugin's scores of the candidate sets of one need on one node. Errors: as RunScore.
absl::Status RunScoreSets(const DeviceScorePlugin& plugin, const TaskView& task,
                          const NodeColumns& columns, Slot slot, const DeviceNeed& need,
                          const DeviceSets& sets, std::span<int32_t> scores);

// Adds weight x score to the total of each position. `scratch` is overwritten.
// REQUIRES: scratch.size() == totals.size() == slots.size(). Errors: as RunScore.
absl::Status AddScore(const WeightedScore& score, const TaskView& task, const NodeColumns& columns,
                      SlotSpan slots, std::span<int32_t> scratch, std::span<int32_t> totals);

// Writes the score of each of the set's score plugins for one node, before weights; 0 where the
// plugin skips the task, and of those of scope kCluster, which cannot be asked about one node
// alone. `choice` has the node's devices, when some plugin scores sets of them; else they are
// empty.
//
// REQUIRES: scores.size() >= plugins.scores.size(). Errors: as RunScore.
absl::Status ScoreSlot(const PluginSet& plugins, const TaskView& task, const NodeColumns& columns,
                       Slot slot, std::span<int32_t> scores, DeviceChoice& choice);

// Adds to `reservation` what the task takes on `slot`. Errors: as RunFilter.
absl::Status RunReserve(const ReservePlugin& plugin, const TaskView& task,
                        const NodeColumns& columns, Slot slot, Reservation& reservation);

}  // namespace berth::engine
