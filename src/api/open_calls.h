// Streaming calls that last, so that they can be ended when the daemon stops.
#pragma once

#include <memory>
#include <set>

#include "base/mutex.h"
#include "wire/refusal.h"

namespace berth::api {

// A call that goes on until somebody ends it.
class StreamingCall {
 public:
  virtual ~StreamingCall() = default;
  // Ends the call with this error as soon as it can. Any thread; must not block.
  virtual void End(const wire::Refusal& refusal) = 0;
};

// Threading: any thread.
class OpenCalls {
 public:
  // After EndAll a call that is added is ended at once.
  void Add(const std::shared_ptr<StreamingCall>& call);
  void Remove(const std::shared_ptr<StreamingCall>& call);
  // Ends all there are with UNAVAILABLE.
  void EndAll();
  size_t size() const;

 private:
  mutable base::Mutex mutex_;
  bool ended_ BERTH_GUARDED_BY(mutex_) = false;
  std::set<std::shared_ptr<StreamingCall>> calls_ BERTH_GUARDED_BY(mutex_);
};

}  // namespace berth::api
