#include "engine/device_choice.h"

#include <algorithm>

#include "base/planted_fault.h"
#include "base/status_macros.h"
#include "engine/run_plugins.h"

namespace berth::engine {

absl::Status DeviceChoice::Choose(std::span<const DeviceScorer> scorers, const TaskView& task,
                                  const NodeColumns& columns, Slot slot) {
  Clear();
  if (scorers.empty()) return absl::OkStatus();
  std::fill_n(sums_.begin(), scorers.size(), 0);
  for (const DeviceNeed& need : task.needs.devices) {
    BERTH_RETURN_IF_ERROR(ChooseFor(need, scorers, task, columns, slot));
  }
  const auto needs = static_cast<int64_t>(task.needs.devices.size());
  for (size_t i = 0; i < scorers.size(); ++i) {
    means_[i] = static_cast<int32_t>(needs > 1 ? sums_[i] / needs : sums_[i]);
    total_ += means_[i] * scorers[i].weight;
  }
  return absl::OkStatus();
}

absl::Status DeviceChoice::ChooseFor(const DeviceNeed& need, std::span<const DeviceScorer> scorers,
                                     const TaskView& task, const NodeColumns& columns, Slot slot) {
  sets_.Find(need, columns.devices(slot));
  const size_t count = sets_.size();
  if (count == 0) return absl::OkStatus();
  scores_.resize(scorers.size() * count);
  for (size_t i = 0; i < scorers.size(); ++i) {
    BERTH_RETURN_IF_ERROR(RunScoreSets(*scorers[i].plugin, task, columns, slot, need, sets_,
                                       std::span(scores_).subspan(i * count, count)));
  }
  size_t best = 0;
  int64_t most = -1;
  for (size_t set = 0; set < count; ++set) {
    int64_t sum = 0;
    for (size_t i = 0; i < scorers.size(); ++i) {
      sum += int64_t{scorers[i].weight} * scores_[i * count + set];
    }
    if (sum > most || (BERTH_PLANTED(kLastOfEqualSets) && sum == most)) {
      most = sum;
      best = set;
    }
  }
  for (size_t i = 0; i < scorers.size(); ++i) sums_[i] += scores_[i * count + best];
  if (BERTH_PLANTED(kReserveFirstSet)) best = 0;
  devices_.insert(devices_.end(), sets_[best].begin(), sets_[best].end());
  return absl::OkStatus();
}

}  // namespace berth::engine
