#include "state/latency_matrix.h"

#include <algorithm>

namespace berth::state {

void LatencyMatrix::Set(Slot from, Slot to, int64_t round_trip_us) {
  if (round_trip_us > 0) {
    measured_[from][to] = round_trip_us;
    return;
  }
  const auto found = measured_.find(from);
  if (found == measured_.end()) return;
  found->second.erase(to);
  if (found->second.empty()) measured_.erase(found);
}

void LatencyMatrix::Forget(Slot from) { measured_.erase(from); }

const std::map<Slot, int64_t>& LatencyMatrix::From(Slot from) const {
  static const std::map<Slot, int64_t> kNone;
  const auto found = measured_.find(from);
  return found == measured_.end() ? kNone : found->second;
}

std::optional<int64_t> LatencyMatrix::Between(const NodeTable& nodes, LabelId one,
                                              LabelId other) const {
  std::vector<int64_t> found;
  Collect(nodes, one, other, found);
  if (one != other) Collect(nodes, other, one, found);
  if (found.empty()) return std::nullopt;
  std::sort(found.begin(), found.end());
  return found[found.size() / 2];
}

void LatencyMatrix::Collect(const NodeTable& nodes, LabelId from, LabelId to,
                            std::vector<int64_t>& found) const {
  const NodeMask& there = nodes.with_label(to);
  const NodeMask& here = nodes.with_label(from);
  for (const auto& [slot, measured] : measured_) {
    if (!here.Test(slot)) continue;
    for (const auto& [peer, round_trip_us] : measured) {
      if (there.Test(peer)) found.push_back(round_trip_us);
    }
  }
}

}  // namespace berth::state
