#include "base/work_thread.h"

#include <pthread.h>

#include <algorithm>

namespace berth::base {

WorkThread::WorkThread(std::string name) : thread_([this] { Run(); }) {
  name.resize(std::min<size_t>(name.size(), 15));  // the kernel's limit
  ::pthread_setname_np(thread_.native_handle(), name.c_str());
}

WorkThread::~WorkThread() { Stop(); }

void WorkThread::Post(Work work) {
  MutexLock lock(mutex_);
  if (stopping_) return;  // `work` is the caller's: it goes after the lock
  ready_.push_back(std::move(work));
  if (ready_.size() == 1) changed_.NotifyOne();
}

void WorkThread::PostAfter(std::chrono::milliseconds delay, Work work) {
  const Time at = std::chrono::steady_clock::now() + delay;
  MutexLock lock(mutex_);
  if (stopping_) return;
  const auto added = later_.emplace(std::pair(at, next_later_++), std::move(work)).first;
  if (added == later_.begin()) changed_.NotifyOne();
}

void WorkThread::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
  // Destroyed here and not under the lock: what a piece of work owns may post again as it goes.
  std::map<std::pair<Time, uint64_t>, Work> dropped;
  {
    MutexLock lock(mutex_);
    dropped.swap(later_);
  }
}

void WorkThread::Run() {
  std::vector<Work> batch;
  while (true) {
    {
      MutexLock lock(mutex_);
      while (true) {
        const Time now = std::chrono::steady_clock::now();
        while (!later_.empty() && !stopping_ && later_.begin()->first.first <= now) {
          ready_.push_back(std::move(later_.begin()->second));
          later_.erase(later_.begin());
        }
        if (!ready_.empty()) break;
        if (stopping_) return;
        if (later_.empty()) {
          changed_.Wait(mutex_);
        } else {
          changed_.WaitUntil(mutex_, later_.begin()->first.first);
        }
      }
      batch.swap(ready_);
    }
    for (Work& work : batch) {
      work();
      work = nullptr;  // what it owns goes now, not when the batch is through
    }
    batch.clear();
  }
}

}  // namespace berth::base
