// One Watch call.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "api/authorize.h"
#include "api/loop_port.h"
#include "api/open_calls.h"
#include "api/watch_queue.h"
#include "base/mutex.h"
#include "base/work_thread.h"
#include "scheduler/reply.h"
#include "scheduler/watch_hub.h"

namespace berth::api {

struct WatchLimits {
  // Objects that may wait for one reader, beyond what its catch-up had.
  size_t most_objects = 65'536;
  // Changes that may wait to be looked at for one reader.
  size_t most_changes = 1'000'000;
  // Size of one message, about.
  size_t message_bytes = 512 << 10;
  // A reader whom nothing concerns hears at least every so many epochs how far it is.
  uint64_t bookmark_epochs = 1000;
};

// Catches up from the asked epoch, then follows the hub. What the hub says is only noted on the
// releasing thread; it is looked at, merged, made into messages and sent on the answering thread,
// one message at a time. A reader that lets too much gather gets ABORTED (TOO_SLOW).
//
// Lifetime: gRPC holds the call until OnDone, which comes after Finish and the last reaction; the
// hub, the loop's reply and pieces of work hold it by shared_ptr. Only Step calls StartWrite and
// Finish, and after Finish it calls nothing.
class WatchCall final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                        public scheduler::WatchSink,
                        public StreamingCall,
                        public std::enable_shared_from_this<WatchCall> {
 public:
  struct Surroundings {
    LoopPort& loop;
    const Authorizer& authorizer;
    base::WorkThread& answers;  // outlives the server
    OpenCalls& open_calls;
    WatchLimits limits;
  };

  // For the service's handler.
  static grpc::ServerWriteReactor<grpc::ByteBuffer>* Start(const Surroundings& surroundings,
                                                           grpc::CallbackServerContext* context,
                                                           const grpc::ByteBuffer* request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void OnChanges(const std::shared_ptr<const state::ChangeBatch>& batch) override;
  void End(const wire::Refusal& refusal) override;

 private:
  explicit WatchCall(const Surroundings& surroundings) : around_(surroundings) {}

  // Reads the request and posts the catch-up; the refusal when that cannot be.
  std::optional<wire::Refusal> Begin(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request);
  // On the releasing thread.
  void OnCaughtUp(scheduler::Reply reply);
  // Has Step called on the answering thread.
  void Wake() BERTH_REQUIRES(mutex_);
  void Step();
  bool SomethingToSay() const;

  const Surroundings around_;

  // The answering thread's own.
  std::optional<WatchQueue> queue_;
  size_t most_objects_ = 0;
  bool established_ = false;  // the first message was sent
  grpc::ByteBuffer message_;  // being written

  base::Mutex mutex_;
  std::shared_ptr<WatchCall> self_ BERTH_GUARDED_BY(mutex_);  // until OnDone
  bool step_posted_ BERTH_GUARDED_BY(mutex_) = false;
  bool writing_ BERTH_GUARDED_BY(mutex_) = false;
  bool finished_ BERTH_GUARDED_BY(mutex_) = false;
  std::optional<grpc::Status> ending_ BERTH_GUARDED_BY(mutex_);
  std::optional<uint64_t> subscription_ BERTH_GUARDED_BY(mutex_);
  std::optional<scheduler::Reply> caught_up_ BERTH_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<const state::ChangeBatch>> noted_ BERTH_GUARDED_BY(mutex_);
  size_t noted_changes_ BERTH_GUARDED_BY(mutex_) = 0;
};

}  // namespace berth::api
