#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/unique_fd.h"

namespace berth::agentd {

// The agent's one thread: descriptors, work from other threads, and times.
//
// Sleeps in epoll_wait(2) until something happens; an idle loop costs nothing. After each batch of
// happenings it calls `end_of_turn`, so that what they caused can be done at once.
//
// Threading: Post() and Stop() from any thread; everything else from the loop's own, or before
// Run(). Errors: a kernel that gives no epoll descriptor ends the process.
class EventLoop {
 public:
  using Callback = std::function<void()>;

  explicit EventLoop(const base::Clock& clock);
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Calls `on_readable` whenever `fd` has something to read, until Unwatch(). The callback may
  // unwatch any descriptor. One watch of either kind for a descriptor at a time.
  void Watch(int fd, Callback on_readable);
  // The same whenever it takes something to write, or never will again.
  void WatchWritable(int fd, Callback on_writable);
  void Unwatch(int fd);

  // Calls `work` on the loop's thread, in the order of posting. Cost: a lock, and a write(2) when
  // the loop sleeps.
  void Post(Callback work);

  // Calls `work` once, at `at_ms` of the clock's monotonic time or soon after.
  void At(int64_t at_ms, Callback work);

  void set_end_of_turn(Callback callback) { end_of_turn_ = std::move(callback); }
  // What else to wake up for; asked before each sleep. INT64_MAX: nothing.
  void set_next_deadline(std::function<int64_t()> deadline) {
    next_deadline_ = std::move(deadline);
  }

  // Runs until Stop(); may run again after it.
  void Run();
  void Stop();

 private:
  struct Watcher {
    Callback callback;
    uint32_t generation = 0;
  };

  void Add(int fd, uint32_t events, Callback callback);
  void Turn();
  [[nodiscard]] int SleepMs() const;
  bool TakePosted(std::vector<Callback>& work);

  const base::Clock& clock_;
  base::UniqueFd epoll_;
  base::UniqueFd wake_;
  std::vector<Watcher> watchers_;  // by descriptor
  std::multimap<int64_t, Callback> timed_;
  Callback end_of_turn_;
  std::function<int64_t()> next_deadline_;

  base::Mutex mutex_;
  std::vector<Callback> posted_ BERTH_GUARDED_BY(mutex_);
  bool stopping_ BERTH_GUARDED_BY(mutex_) = false;
};

}  // namespace berth::agentd
