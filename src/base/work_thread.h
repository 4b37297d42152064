#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace berth::base {

// One thread that does pieces of work one after another, in the order in which they were given, or
// at a later time.
//
// For work that is too long for the thread it arises on, and for deadlines. It sleeps while there
// is nothing to do. Whoever gives it work keeps that work's objects alive through what the function
// owns (a shared_ptr), or stops the thread before they go.
//
// Threading: any thread. Errors: none of its own; a piece of work handles its own.
class WorkThread {
 public:
  using Work = std::function<void()>;

  // `name` is shown by ps and top; at most 15 bytes of it.
  explicit WorkThread(std::string name);
  WorkThread(const WorkThread&) = delete;
  WorkThread& operator=(const WorkThread&) = delete;
  ~WorkThread();

  // After Stop the work is destroyed at once, undone, on the caller's thread.
  void Post(Work work);
  // Not before `delay` from now.
  void PostAfter(std::chrono::milliseconds delay, Work work);

  // Does what was posted without a delay before this call, drops what was to be done later, and
  // ends the thread. Idempotent. REQUIRES: not called from a piece of work.
  void Stop();

 private:
  using Time = std::chrono::steady_clock::time_point;

  void Run();

  Mutex mutex_;
  CondVar changed_;
  bool stopping_ BERTH_GUARDED_BY(mutex_) = false;
  std::vector<Work> ready_ BERTH_GUARDED_BY(mutex_);
  // By time, then by order of arrival.
  std::map<std::pair<Time, uint64_t>, Work> later_ BERTH_GUARDED_BY(mutex_);
  uint64_t next_later_ BERTH_GUARDED_BY(mutex_) = 0;

  std::thread thread_;  // last: it uses what is above
};

}  // namespace berth::base
