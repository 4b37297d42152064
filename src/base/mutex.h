#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "base/thread_annotations.h"

namespace berth::base {

// The lock of this project: a std::mutex that clang's thread-safety analysis understands.
//
// Not absl::Mutex: ThreadSanitizer cannot see into Debian's uninstrumented build of it, and reports
// races in code that is right.
//
// Threading: any thread. Not recursive. Fields it guards are declared BERTH_GUARDED_BY(mutex_).
class BERTH_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() BERTH_ACQUIRE() { mutex_.lock(); }
  void Unlock() BERTH_RELEASE() { mutex_.unlock(); }
  // False, without waiting, when another thread holds it.
  [[nodiscard]] bool TryLock() BERTH_TRY_ACQUIRE(true) { return mutex_.try_lock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

// Holds a Mutex for as long as it lives: MutexLock lock(mutex_);
class BERTH_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) BERTH_ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  ~MutexLock() BERTH_RELEASE() { mutex_.Unlock(); }

 private:
  Mutex& mutex_;
};

// A condition that threads wait for, with a Mutex.
//
// No predicate versions: the analysis cannot see which lock a lambda runs under. Write the loop:
//   MutexLock lock(mutex_);
//   while (queue_.empty()) changed_.Wait(mutex_);
//
// Threading: any thread. Wake-ups may be spurious.
class CondVar {
 public:
  CondVar() = default;
  CondVar(const CondVar&) = delete;
  CondVar& operator=(const CondVar&) = delete;

  // Releases `mutex`, waits for a notification, and takes `mutex` again.
  void Wait(Mutex& mutex) BERTH_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }

  // As Wait, until `deadline` at the latest; false when that has passed without a notification.
  bool WaitUntil(Mutex& mutex, std::chrono::steady_clock::time_point deadline)
      BERTH_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const bool notified = condition_.wait_until(lock, deadline) == std::cv_status::no_timeout;
    lock.release();
    return notified;
  }

  // As WaitUntil, for at most `timeout` from now. In a loop use WaitUntil: its deadline does not
  // move.
  bool WaitFor(Mutex& mutex, std::chrono::milliseconds timeout) BERTH_REQUIRES(mutex) {
    return WaitUntil(mutex, std::chrono::steady_clock::now() + timeout);
  }

  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace berth::base
