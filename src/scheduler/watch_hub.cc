#include "scheduler/watch_hub.h"

#include <algorithm>
#include <utility>

namespace berth::scheduler {

uint64_t WatchHub::Subscribe(std::shared_ptr<WatchSink> sink) {
  base::MutexLock lock(mutex_);
  const uint64_t id = next_id_++;
  sinks_.emplace(id, std::move(sink));
  return id;
}

void WatchHub::Unsubscribe(uint64_t id) {
  std::shared_ptr<WatchSink> sink;  // outlives the lock, so that its end is not under it
  base::MutexLock lock(mutex_);
  if (const auto it = sinks_.find(id); it != sinks_.end()) {
    sink = std::move(it->second);
    sinks_.erase(it);
  }
}

void WatchHub::Publish(const std::shared_ptr<const state::ChangeBatch>& batch) {
  // Sinks only queue what they are given, so the lock is held for all of them: that is what lets
  // Unsubscribe promise that none is called afterwards.
  base::MutexLock lock(mutex_);
  for (const auto& [id, sink] : sinks_) sink->OnChanges(batch);
}

size_t WatchHub::size() const {
  base::MutexLock lock(mutex_);
  return static_cast<size_t>(std::count_if(
      sinks_.begin(), sinks_.end(), [](const auto& each) { return each.second->is_client(); }));
}

}  // namespace berth::scheduler
