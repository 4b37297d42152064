// Where durable changes go out to watchers.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "base/mutex.h"
#include "state/changes.h"

namespace berth::scheduler {

// Receives every durable batch from its subscription on, in order of epoch.
class WatchSink {
 public:
  virtual ~WatchSink() = default;
  // Called on the releasing thread; must not block and must not call the hub.
  virtual void OnChanges(const std::shared_ptr<const state::ChangeBatch>& batch) = 0;
  // False: it is berthd's own, and no client's.
  virtual bool is_client() const { return true; }
};

// Threading: any thread. A sink that subscribes within the callback of its CatchUp reply misses
// nothing: replies of an epoch are released before the epoch's batch is published. It may see
// changes that the reply showed already.
class WatchHub {
 public:
  uint64_t Subscribe(std::shared_ptr<WatchSink> sink);
  // On return the sink is not called any more. REQUIRES: not called from OnChanges.
  void Unsubscribe(uint64_t id);
  void Publish(const std::shared_ptr<const state::ChangeBatch>& batch);
  // Of clients.
  size_t size() const;

 private:
  mutable base::Mutex mutex_;
  uint64_t next_id_ BERTH_GUARDED_BY(mutex_) = 1;
  std::map<uint64_t, std::shared_ptr<WatchSink>> sinks_ BERTH_GUARDED_BY(mutex_);
};

}  // namespace berth::scheduler
