#include "agentd/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "base/check.h"

namespace berth::agentd {
namespace {

constexpr int kMostEvents = 256;

// What epoll gives back: a descriptor, and which of its uses.
uint64_t Token(int fd, uint32_t generation) {
  return (uint64_t{generation} << 32) | static_cast<uint32_t>(fd);
}

}  // namespace

EventLoop::EventLoop(const base::Clock& clock)
    : clock_(clock),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  BERTH_CHECK(epoll_.valid() && wake_.valid())
      << "no descriptors for the event loop: errno " << errno;
  Watch(wake_.get(), [this] {
    uint64_t count = 0;
    if (read(wake_.get(), &count, sizeof(count)) < 0) return;
  });
}

void EventLoop::Watch(int fd, Callback on_readable) { Add(fd, EPOLLIN, std::move(on_readable)); }

void EventLoop::WatchWritable(int fd, Callback on_writable) {
  Add(fd, EPOLLOUT, std::move(on_writable));
}

void EventLoop::Add(int fd, uint32_t events, Callback callback) {
  BERTH_CHECK(fd >= 0);
  if (watchers_.size() <= static_cast<size_t>(fd)) watchers_.resize(static_cast<size_t>(fd) + 1);
  Watcher& watcher = watchers_[static_cast<size_t>(fd)];
  watcher.callback = std::move(callback);
  epoll_event event = {};
  event.events = events;
  event.data.u64 = Token(fd, ++watcher.generation);
  BERTH_CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0)
      << "cannot watch descriptor " << fd << ": errno " << errno;
}

void EventLoop::Unwatch(int fd) {
  Watcher& watcher = watchers_.at(static_cast<size_t>(fd));
  watcher.callback = nullptr;
  ++watcher.generation;  // what epoll has already given back for it is stale
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void EventLoop::Post(Callback work) {
  bool first;
  {
    base::MutexLock lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(work));
  }
  if (!first) return;  // whoever was first woke the loop
  const uint64_t one = 1;
  BERTH_CHECK(write(wake_.get(), &one, sizeof(one)) == sizeof(one));
}

void EventLoop::At(int64_t at_ms, Callback work) { timed_.emplace(at_ms, std::move(work)); }

void EventLoop::Stop() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
  }
  const uint64_t one = 1;
  BERTH_CHECK(write(wake_.get(), &one, sizeof(one)) == sizeof(one));
}

void EventLoop::Run() {
  for (;;) {
    {
      base::MutexLock lock(mutex_);
      if (std::exchange(stopping_, false)) return;
    }
    Turn();
  }
}

void EventLoop::Turn() {
  epoll_event events[kMostEvents];
  const int count = epoll_wait(epoll_.get(), events, kMostEvents, SleepMs());
  BERTH_CHECK(count >= 0 || errno == EINTR) << "epoll_wait: errno " << errno;
  for (int i = 0; i < count; ++i) {
    const auto fd = static_cast<size_t>(events[i].data.u64 & 0xffffffff);
    const Watcher& watcher = watchers_[fd];
    if (watcher.generation != static_cast<uint32_t>(events[i].data.u64 >> 32)) continue;
    // A copy: the callback may unwatch itself, or make the table grow.
    const Callback callback = watcher.callback;
    callback();
  }
  std::vector<Callback> work;
  if (TakePosted(work)) {
    for (const Callback& each : work) each();
  }
  const int64_t now = clock_.MonotonicMs();
  while (!timed_.empty() && timed_.begin()->first <= now) {
    const Callback due = std::move(timed_.begin()->second);
    timed_.erase(timed_.begin());
    due();
  }
  if (end_of_turn_) end_of_turn_();
}

bool EventLoop::TakePosted(std::vector<Callback>& work) {
  base::MutexLock lock(mutex_);
  work.swap(posted_);
  return !work.empty();
}

int EventLoop::SleepMs() const {
  int64_t deadline = timed_.empty() ? std::numeric_limits<int64_t>::max() : timed_.begin()->first;
  if (next_deadline_) deadline = std::min(deadline, next_deadline_());
  if (deadline == std::numeric_limits<int64_t>::max()) return -1;
  const int64_t left = deadline - clock_.MonotonicMs();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 3'600'000));
}

}  // namespace berth::agentd
