// What agents hand on, as a test writes it.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/work_thread.h"
#include "wire/data_source.h"

namespace berth::testing {

// Hands out frames as they are asked for, on a thread of its own, and counts how many were.
//
// Threading: any thread.
class FakeDataSource final : public wire::DataSource {
 public:
  ~FakeDataSource() override { thread_.Stop(); }

  // What the next transfers have. Without an end, a transfer waits for one when its frames are
  // through, as `follow` does.
  void Write(bool is_error, int64_t offset, std::string data) {
    v1::DataFromAgent frame;
    frame.mutable_output()->set_is_stderr(is_error);
    frame.mutable_output()->set_offset(offset);
    frame.mutable_output()->set_data(std::move(data));
    Write(std::move(frame));
  }
  void Write(v1::DataFromAgent frame) {
    base::MutexLock lock(mutex_);
    frames_.push_back(std::move(frame));
  }
  void EndWith(absl::Status status, Reason reason) {
    base::MutexLock lock(mutex_);
    end_ = {std::move(status), reason};
  }

  void AwaitClosed(int count) {
    base::MutexLock lock(mutex_);
    while (closed_ < count) changed_.Wait(mutex_);
  }
  // Returns when `count` channels have been opened.
  void AwaitOpened(size_t count) {
    base::MutexLock lock(mutex_);
    while (requests_.size() < count) changed_.Wait(mutex_);
  }
  // What callers have said to agents, once there are `count` frames of it.
  std::vector<v1::DataFromDaemon> AwaitSent(size_t count) {
    base::MutexLock lock(mutex_);
    while (sent_.size() < count) changed_.Wait(mutex_);
    return sent_;
  }
  int asked() const {
    base::MutexLock lock(mutex_);
    return asked_;
  }
  std::vector<wire::DataRequest> requests() const {
    base::MutexLock lock(mutex_);
    return requests_;
  }

  std::shared_ptr<wire::DataChannel> Open(const wire::DataRequest& request,
                                          std::shared_ptr<wire::DataReceiver> receiver) override {
    base::MutexLock lock(mutex_);
    requests_.push_back(request);
    changed_.NotifyAll();
    return std::make_shared<Transfer>(*this, std::move(receiver));
  }

 private:
  class Transfer final : public wire::DataChannel, public std::enable_shared_from_this<Transfer> {
   public:
    Transfer(FakeDataSource& source, std::shared_ptr<wire::DataReceiver> receiver)
        : source_(source), receiver_(std::move(receiver)) {}
    void Next() override {
      source_.thread_.Post([self = shared_from_this()] { self->source_.Serve(*self); });
    }
    void Send(v1::DataFromDaemon frame) override {
      source_.thread_.Post([self = shared_from_this(), frame = std::move(frame)] {
        {
          base::MutexLock lock(self->source_.mutex_);
          self->source_.sent_.push_back(frame);
          self->source_.changed_.NotifyAll();
        }
        self->receiver_->OnSent();
      });
    }
    void Close() override {
      base::MutexLock lock(source_.mutex_);
      ++source_.closed_;
      source_.changed_.NotifyAll();
    }

    FakeDataSource& source_;
    const std::shared_ptr<wire::DataReceiver> receiver_;
    size_t next_ = 0;  // the source's thread's
  };

  void Serve(Transfer& transfer) {
    std::optional<v1::DataFromAgent> frame;
    std::optional<std::pair<absl::Status, Reason>> end;
    {
      base::MutexLock lock(mutex_);
      ++asked_;
      if (transfer.next_ < frames_.size()) {
        frame = frames_[transfer.next_++];
      } else {
        end = end_;
      }
    }
    if (frame) transfer.receiver_->OnFrame(*std::move(frame));
    if (end) transfer.receiver_->OnEnd(end->first, end->second);
  }

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<v1::DataFromAgent> frames_ BERTH_GUARDED_BY(mutex_);
  std::optional<std::pair<absl::Status, Reason>> end_ BERTH_GUARDED_BY(mutex_);
  std::vector<wire::DataRequest> requests_ BERTH_GUARDED_BY(mutex_);
  std::vector<v1::DataFromDaemon> sent_ BERTH_GUARDED_BY(mutex_);
  int asked_ BERTH_GUARDED_BY(mutex_) = 0;
  int closed_ BERTH_GUARDED_BY(mutex_) = 0;

  base::WorkThread thread_{"output"};
};

}  // namespace berth::testing
