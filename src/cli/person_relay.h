#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <atomic>
#include <deque>
#include <functional>
#include <list>
#include <thread>

#include "base/mutex.h"
#include "base/unique_fd.h"
#include "cli/event_stream.h"

namespace berth::cli {

// Waits for interrupts and, while somebody is asked, for keys beside a completion queue, and puts
// an event on the queue for each.
//
// Threading: made, asked and stopped by the thread that turns the queue, which is told there.
class PersonRelay final : public Event {
 public:
  struct Said {
    bool interrupt = false;
    bool termination = false;  // by another signal than Ctrl-C's
    char key = 0;
  };

  // `interrupt_fd`: readable for each interrupt; -1: there are none, and nothing is said.
  PersonRelay(int interrupt_fd, int key_fd, grpc::CompletionQueue* queue,
              std::function<void(const Said&)> on_said);
  ~PersonRelay() override { Stop(); }

  // Keys are taken from now on, or no more.
  void Ask(bool ask);
  // After it no new event is put on the queue.
  void Stop();

  void Proceed(bool ok) override;

 private:
  void Wake();
  void Wait();
  void Say(const Said& said);

  const int interrupt_fd_;
  const int key_fd_;
  grpc::CompletionQueue* const queue_;
  const std::function<void(const Said&)> on_said_;
  base::UniqueFd wake_;
  std::atomic<bool> asks_ = false;
  std::atomic<bool> stopping_ = false;
  std::list<grpc::Alarm> alarms_;  // the waiting thread's
  base::Mutex mutex_;
  std::deque<Said> said_ BERTH_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace berth::cli
