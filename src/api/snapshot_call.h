// One SaveSnapshot call.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "api/authorize.h"
#include "api/loop_port.h"
#include "api/open_calls.h"
#include "base/mutex.h"
#include "base/work_thread.h"
#include "scheduler/reply.h"

namespace berth::api {

// Writes a snapshot of the store into a sink, whose errors end it and are its result. Blocks for as
// long as that takes.
using SnapshotSource =
    std::function<absl::Status(const std::function<absl::Status(std::string_view)>& sink)>;

// Has the loop leave an audit record, and when that is durable reads the store and sends what
// comes, one message at a time, on a thread that does nothing else. A reader that takes nothing for
// a minute is cut off: what it keeps of the store cannot be reclaimed meanwhile.
//
// Lifetime: gRPC holds the call until OnDone, which comes after Finish and the last reaction; the
// loop's reply and the work hold it by shared_ptr.
class SnapshotCall final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                           public StreamingCall,
                           public std::enable_shared_from_this<SnapshotCall> {
 public:
  struct Surroundings {
    LoopPort& loop;
    const Authorizer& authorizer;
    base::WorkThread& snapshots;  // outlives the server
    OpenCalls& open_calls;
    const SnapshotSource& source;
    std::atomic<bool>& busy;  // somebody is being sent one
    std::chrono::milliseconds longest_stall = std::chrono::minutes(1);
  };

  static grpc::ServerWriteReactor<grpc::ByteBuffer>* Start(const Surroundings& surroundings,
                                                           grpc::CallbackServerContext* context,
                                                           const grpc::ByteBuffer* request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void End(const wire::Refusal& refusal) override;

 private:
  SnapshotCall(const Surroundings& surroundings, grpc::CallbackServerContext* context)
      : around_(surroundings), context_(context) {}

  // Reads the request and posts the note; the refusal when that cannot be.
  std::optional<wire::Refusal> Begin(const grpc::ByteBuffer* request);
  void OnNoted(const scheduler::Reply& reply);
  void EndWith(const grpc::Status& status);

  // ---- on the snapshots' thread ----
  void Run();
  absl::Status Take(std::string_view bytes);
  // Waits for the message before, then sends what is gathered.
  absl::Status Send();
  // False: it has ended, or did not move for too long.
  bool WaitForWrite() BERTH_REQUIRES(mutex_);

  const Surroundings around_;
  grpc::CallbackServerContext* const context_;
  bool holds_busy_ = false;   // constant after Start
  std::string gathered_;      // the snapshots' thread's
  grpc::ByteBuffer message_;  // gRPC's while writing_

  base::Mutex mutex_;
  base::CondVar changed_;
  std::shared_ptr<SnapshotCall> self_ BERTH_GUARDED_BY(mutex_);  // until OnDone
  bool running_ BERTH_GUARDED_BY(mutex_) = false;                // Run finishes the call
  bool writing_ BERTH_GUARDED_BY(mutex_) = false;
  bool finished_ BERTH_GUARDED_BY(mutex_) = false;
  std::optional<grpc::Status> ending_ BERTH_GUARDED_BY(mutex_);
};

}  // namespace berth::api
