#include "queue/scheduling_queue.h"

#include "base/check.h"

namespace berth::queue {

void SchedulingQueue::Add(state::ShapeId shape, const QueuedEntry& entry) {
  auto& entries = by_shape_[shape];
  const bool parked = parked_.contains(shape);
  if (!entries.empty() && !parked) active_.erase({*entries.begin(), shape});
  entries.insert(entry);
  if (!parked) active_.emplace(*entries.begin(), shape);
}

void SchedulingQueue::Remove(state::ShapeId shape, const QueuedEntry& entry) {
  const auto it = by_shape_.find(shape);
  if (it == by_shape_.end() || !it->second.contains(entry)) return;
  const bool parked = parked_.contains(shape);
  if (!parked) active_.erase({*it->second.begin(), shape});
  it->second.erase(entry);
  if (it->second.empty()) {
    by_shape_.erase(it);
    parked_.erase(shape);
  } else if (!parked) {
    active_.emplace(*it->second.begin(), shape);
  }
}

std::optional<SchedulingQueue::Head> SchedulingQueue::Front() const {
  if (active_.empty()) return std::nullopt;
  return Head{active_.begin()->first, active_.begin()->second};
}

void SchedulingQueue::Park(state::ShapeId shape) {
  const auto it = by_shape_.find(shape);
  BERTH_CHECK(it != by_shape_.end()) << "shape " << shape << " has nothing queued";
  active_.erase({*it->second.begin(), shape});
  parked_.insert(shape);
}

void SchedulingQueue::Wake(state::ShapeId shape) {
  BERTH_CHECK(parked_.erase(shape) == 1) << "shape " << shape << " is not parked";
  active_.emplace(*by_shape_.at(shape).begin(), shape);
}

std::vector<state::ShapeId> SchedulingQueue::WakeAll() {
  const std::vector<state::ShapeId> woken(parked_.begin(), parked_.end());
  parked_.clear();
  for (const state::ShapeId shape : woken) {
    active_.emplace(*by_shape_.at(shape).begin(), shape);
  }
  return woken;
}

bool SchedulingQueue::IsParked(state::ShapeId shape) const { return parked_.contains(shape); }

std::optional<std::vector<std::pair<state::ShapeId, QueuedEntry>>> SchedulingQueue::Before(
    state::ShapeId shape, const QueuedEntry& entry) const {
  const auto own = by_shape_.find(shape);
  if (own == by_shape_.end() || !own->second.contains(entry)) return std::nullopt;
  std::vector<std::pair<state::ShapeId, QueuedEntry>> before;
  for (const auto& [other, entries] : by_shape_) {
    for (auto it = entries.begin(); it != entries.end() && *it < entry; ++it) {
      before.emplace_back(other, *it);
    }
  }
  return before;
}

}  // namespace berth::queue
