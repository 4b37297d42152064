#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/support/async_stream.h>

#include <functional>
#include <memory>
#include <utility>

namespace berth::cli {

// Something in flight on a completion queue; its address is the tag.
class Event {
 public:
  virtual ~Event() = default;
  // One step is done. `ok` as grpc::CompletionQueue::Next gave it.
  virtual void Proceed(bool ok) = 0;
};

// One server stream, read message by message by whoever turns the queue.
//
// Threading: the thread that turns the queue. May be destroyed only when finished().
template <typename Response>
class EventStream final : public Event {
 public:
  using Reader = std::unique_ptr<grpc::ClientAsyncReader<Response>>;
  using OnMessage = std::function<void(Response&)>;
  using OnEnd = std::function<void(const grpc::Status&)>;

  // `dial` begins the call (a stub's PrepareAsync method); `on_end` is called once, last.
  EventStream(grpc::CompletionQueue* queue, std::unique_ptr<grpc::ClientContext> context,
              const std::function<Reader(grpc::ClientContext*, grpc::CompletionQueue*)>& dial,
              OnMessage on_message, OnEnd on_end)
      : context_(std::move(context)),
        reader_(dial(context_.get(), queue)),
        on_message_(std::move(on_message)),
        on_end_(std::move(on_end)) {
    reader_->StartCall(tag());
  }

  // Ends the call soon; on_end is still called.
  void Cancel() { context_->TryCancel(); }
  bool finished() const { return step_ == Step::kFinished; }

  void Proceed(bool ok) override {
    switch (step_) {
      case Step::kDialling:
        step_ = Step::kReading;
        break;
      case Step::kReading:
        if (ok) on_message_(message_);
        break;
      case Step::kClosing:
        step_ = Step::kFinished;
        on_end_(status_);
        return;
      case Step::kFinished:
        return;
    }
    if (ok) {
      reader_->Read(&message_, tag());
      return;
    }
    step_ = Step::kClosing;
    reader_->Finish(&status_, tag());
  }

 private:
  void* tag() { return static_cast<Event*>(this); }

  enum class Step { kDialling, kReading, kClosing, kFinished };

  const std::unique_ptr<grpc::ClientContext> context_;
  const Reader reader_;
  const OnMessage on_message_;
  const OnEnd on_end_;
  Step step_ = Step::kDialling;
  Response message_;
  grpc::Status status_;
};

}  // namespace berth::cli
