#include "engine/run_plugins.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <exception>
#include <string>

#include "absl/strings/cord.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "berth/vector_kernel.h"

namespace berth::engine {
namespace {

constexpr char kPlugin[] = "berth.dev/plugin";

absl::Status OfPlugin(const Plugin& plugin, const char* point, const absl::Status& status) {
  const std::string name(plugin.name());
  absl::Status named(status.code(),
                     "plugin \"" + name + "\" cannot " + point + ": " + base::S(status.message()));
  named.SetPayload(kPlugin, absl::Cord(name));
  return named;
}

// A plugin may be somebody else's code: what it throws must not take the daemon along.
template <typename F>
absl::Status Guarded(const Plugin& plugin, const char* point, F&& call) {
  try {
    absl::Status status = call();
    return status.ok() ? status : OfPlugin(plugin, point, status);
  } catch (const std::exception& error) {
    return OfPlugin(plugin, point, absl::InternalError(std::string("it threw: ") + error.what()));
  } catch (...) {
    return OfPlugin(plugin, point, absl::InternalError("it threw something"));
  }
}

// The same of a question with an answer.
template <typename F>
auto Asked(const Plugin& plugin, const char* point, F&& question)
    -> absl::StatusOr<decltype(question())> {
  decltype(question()) answer{};
  absl::Status status = Guarded(plugin, point, [&] {
    answer = question();
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return answer;
}

const Plugin& PluginOf(const WeightedScore& score) {
  if (score.of_devices != nullptr) return *score.of_devices;
  return *score.plugin;
}

// True when all are from 0 to kMaxScore.
BERTH_VECTOR_KERNEL bool InRange(const int32_t* scores, size_t n) {
  uint32_t largest = 0;
  for (size_t i = 0; i < n; ++i) {
    const auto score = static_cast<uint32_t>(scores[i]);
    largest = largest > score ? largest : score;
  }
  return largest <= uint32_t{kMaxScore};
}

absl::Status OutOfRange() {
  return absl::InternalError("it gave a score that is not from 0 to " + std::to_string(kMaxScore));
}

BERTH_VECTOR_KERNEL void AddWeighted(const int32_t* __restrict scores, int32_t weight,
                                     int32_t* __restrict totals, size_t n) {
  for (size_t i = 0; i < n; ++i) totals[i] += scores[i] * weight;
}

// What those plugins say that score sets of devices.
absl::Status ScoreDevices(const PluginSet& plugins, const TaskView& task,
                          const NodeColumns& columns, Slot slot, std::span<int32_t> scores,
                          DeviceChoice& choice) {
  std::array<DeviceScorer, kMaxScorePlugins> scorers;
  size_t count = 0;
  for (size_t i = 0; i < plugins.scores.size(); ++i) {
    const WeightedScore& score = plugins.scores[i];
    BERTH_ASSIGN_OR_RETURN(const bool scores_sets, ScoresSets(score, task.needs));
    if (scores_sets) scorers[count++] = {score.of_devices, score.weight, i};
  }
  BERTH_RETURN_IF_ERROR(choice.Choose(std::span(scorers).first(count), task, columns, slot));
  for (size_t i = 0; i < count; ++i) scores[scorers[i].index] = choice.score(i);
  return absl::OkStatus();
}

}  // namespace

std::string PluginAtFault(const absl::Status& error) {
  const auto name = error.GetPayload(kPlugin);
  return name.has_value() ? std::string(*name) : "";
}

absl::StatusOr<bool> PassesAll(const FilterPlugin& filter, const TaskRequirements& needs) {
  return Asked(filter, "say whether it passes all", [&] { return filter.PassesAll(needs); });
}

absl::StatusOr<bool> ScoresNodes(const WeightedScore& score, const TaskRequirements& needs) {
  return Asked(PluginOf(score), "say whether it skips a task",
               [&] { return score.ScoresNodes(needs); });
}

absl::StatusOr<bool> ScoresSets(const WeightedScore& score, const TaskRequirements& needs) {
  return Asked(PluginOf(score), "say whether it skips a task",
               [&] { return score.ScoresSets(needs); });
}

absl::StatusOr<bool> IsLocal(const DomainPlugin& plugin, const TaskRequirements& needs) {
  return Asked(plugin, "say whether it is local", [&] { return plugin.IsLocal(needs); });
}

absl::StatusOr<int64_t> SortKey(const QueueSortPlugin& plugin, const QueuedGroup& group) {
  return Asked(plugin, "sort", [&] { return plugin.Key(group); });
}

absl::StatusOr<std::optional<Refusal>> RefusedBy(const PluginSet& plugins,
                                                 const TaskRequirements& needs) {
  for (const PreFilterPlugin* plugin : plugins.pre_filters) {
    BERTH_ASSIGN_OR_RETURN(std::string words, Asked(*plugin, "say whether it refuses a task",
                                                    [&] { return plugin->Refuses(needs); }));
    if (words.empty()) continue;
    return Refusal{plugin, std::string(base::CutUtf8(base::ToValidUtf8(words), kMostRefusalBytes))};
  }
  return std::nullopt;
}

absl::Status AppendKeys(const DomainPlugin& plugin, const TaskRequirements& needs,
                        std::vector<DomainKey>& keys) {
  return Guarded(plugin, "name its keys", [&] {
    plugin.AppendKeys(needs, keys);
    return absl::OkStatus();
  });
}

absl::Status AppendSlots(const SparsePlugin& plugin, const TaskView& task,
                         const NodeColumns& columns, std::vector<Slot>& slots) {
  return Guarded(plugin, "name its nodes", [&]() -> absl::Status {
    const auto before = static_cast<std::ptrdiff_t>(slots.size());
    plugin.AppendSlots(task, columns, slots);
    const bool known = std::all_of(slots.begin() + before, slots.end(),
                                   [&](Slot slot) { return slot < columns.size(); });
    return known ? absl::OkStatus() : absl::InternalError("it named a slot that there is not");
  });
}

absl::Status Diagnose(const FilterPlugin& filter, const TaskView& task, const NodeColumns& columns,
                      const NodeMask& removed, RejectionSink& sink) {
  return Guarded(filter, "say why it removes nodes", [&] {
    filter.Diagnose(task, columns, removed, sink);
    return absl::OkStatus();
  });
}

absl::Status RunFilter(const FilterPlugin& filter, const TaskView& task, const NodeColumns& columns,
                       SlotMask& feasible) {
  return Guarded(filter, "filter", [&] { return filter.Filter(task, columns, feasible); });
}

absl::Status RunScore(const ScorePlugin& plugin, const TaskView& task, const NodeColumns& columns,
                      SlotSpan slots, std::span<int32_t> scores) {
  return Guarded(plugin, "score", [&]() -> absl::Status {
    absl::Status status = plugin.Score(task, columns, slots, scores);
    if (status.ok() && !InRange(scores.data(), scores.size())) return OutOfRange();
    return status;
  });
}

absl::Status AddScore(const WeightedScore& score, const TaskView& task, const NodeColumns& columns,
                      SlotSpan slots, std::span<int32_t> scratch, std::span<int32_t> totals) {
  absl::Status status = RunScore(*score.plugin, task, columns, slots, scratch);
  if (status.ok()) AddWeighted(scratch.data(), score.weight, totals.data(), totals.size());
  return status;
}

absl::Status RunScoreSets(const DeviceScorePlugin& plugin, const TaskView& task,
                          const NodeColumns& columns, Slot slot, const DeviceNeed& need,
                          const DeviceSets& sets, std::span<int32_t> scores) {
  return Guarded(plugin, "score sets of devices", [&]() -> absl::Status {
    absl::Status status = plugin.ScoreSets(task, columns, slot, need, sets, scores);
    if (status.ok() && !InRange(scores.data(), scores.size())) return OutOfRange();
    return status;
  });
}

absl::Status ScoreSlot(const PluginSet& plugins, const TaskView& task, const NodeColumns& columns,
                       Slot slot, std::span<int32_t> scores, DeviceChoice& choice) {
  const SlotSpan one = SlotSpan::List({&slot, 1});
  for (size_t i = 0; i < plugins.scores.size(); ++i) {
    const WeightedScore& score = plugins.scores[i];
    scores[i] = 0;
    BERTH_ASSIGN_OR_RETURN(const bool scores_nodes, ScoresNodes(score, task.needs));
    if (!scores_nodes || score.plugin->scope() == Scope::kCluster) continue;
    BERTH_RETURN_IF_ERROR(RunScore(*score.plugin, task, columns, one, scores.subspan(i, 1)));
  }
  choice.Clear();
  if (task.needs.devices.empty()) return absl::OkStatus();
  return ScoreDevices(plugins, task, columns, slot, scores, choice);
}

absl::Status RunReserve(const ReservePlugin& plugin, const TaskView& task,
                        const NodeColumns& columns, Slot slot, Reservation& reservation) {
  return Guarded(plugin, "reserve",
                 [&] { return plugin.Reserve(task, columns, slot, reservation); });
}

}  // namespace berth::engine
