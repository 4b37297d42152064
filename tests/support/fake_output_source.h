// Output of attempts, as a test writes it.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/work_thread.h"
#include "state/output_source.h"

namespace berth::testing {

// Hands out pieces as they are asked for, on a thread of its own, and counts how many were.
//
// Threading: any thread.
class FakeOutputSource final : public state::OutputSource {
 public:
  ~FakeOutputSource() override { thread_.Stop(); }

  // What the next transfers have. Without an end, a transfer waits for one when its pieces are
  // through, as `follow` does.
  void Write(bool is_error, int64_t offset, std::string data) {
    base::MutexLock lock(mutex_);
    pieces_.push_back({is_error, offset, std::move(data)});
  }
  void EndWith(absl::Status status, Reason reason) {
    base::MutexLock lock(mutex_);
    end_ = {std::move(status), reason};
  }

  void AwaitClosed(int count) {
    base::MutexLock lock(mutex_);
    while (closed_ < count) changed_.Wait(mutex_);
  }
  int asked() const {
    base::MutexLock lock(mutex_);
    return asked_;
  }
  std::vector<state::OutputRequest> requests() const {
    base::MutexLock lock(mutex_);
    return requests_;
  }

  std::shared_ptr<state::OutputTransfer> Open(
      const state::OutputRequest& request,
      std::shared_ptr<state::OutputReceiver> receiver) override {
    base::MutexLock lock(mutex_);
    requests_.push_back(request);
    return std::make_shared<Transfer>(*this, std::move(receiver));
  }

 private:
  class Transfer final : public state::OutputTransfer,
                         public std::enable_shared_from_this<Transfer> {
   public:
    Transfer(FakeOutputSource& source, std::shared_ptr<state::OutputReceiver> receiver)
        : source_(source), receiver_(std::move(receiver)) {}
    void Next() override {
      source_.thread_.Post([self = shared_from_this()] { self->source_.Serve(*self); });
    }
    void Close() override {
      base::MutexLock lock(source_.mutex_);
      ++source_.closed_;
      source_.changed_.NotifyAll();
    }

    FakeOutputSource& source_;
    const std::shared_ptr<state::OutputReceiver> receiver_;
    size_t next_ = 0;  // the source's thread's
  };

  void Serve(Transfer& transfer) {
    std::optional<state::OutputPiece> piece;
    std::optional<std::pair<absl::Status, Reason>> end;
    {
      base::MutexLock lock(mutex_);
      ++asked_;
      if (transfer.next_ < pieces_.size()) {
        piece = pieces_[transfer.next_++];
      } else {
        end = end_;
      }
    }
    if (piece) transfer.receiver_->OnPiece(*std::move(piece));
    if (end) transfer.receiver_->OnEnd(end->first, end->second);
  }

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<state::OutputPiece> pieces_ BERTH_GUARDED_BY(mutex_);
  std::optional<std::pair<absl::Status, Reason>> end_ BERTH_GUARDED_BY(mutex_);
  std::vector<state::OutputRequest> requests_ BERTH_GUARDED_BY(mutex_);
  int asked_ BERTH_GUARDED_BY(mutex_) = 0;
  int closed_ BERTH_GUARDED_BY(mutex_) = 0;

  base::WorkThread thread_{"output"};
};

}  // namespace berth::testing
