// One Logs call.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "api/authorize.h"
#include "api/loop_port.h"
#include "api/open_calls.h"
#include "base/mutex.h"
#include "base/work_thread.h"
#include "berth/v1/scheduler.pb.h"
#include "scheduler/reply.h"
#include "state/output_tails.h"
#include "wire/data_source.h"

namespace berth::api {

// Asks the loop where the output is, and then hands on one piece after another: the next is asked
// for when the last was written, so a slow reader slows the node and nothing piles up here. What
// the node cannot give from the start, the end that berthd keeps stands in for.
//
// Lifetime: as WatchCall.
class LogsCall final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                       public wire::DataReceiver,
                       public StreamingCall,
                       public std::enable_shared_from_this<LogsCall> {
 public:
  struct Surroundings {
    LoopPort& loop;
    const Authorizer& authorizer;
    base::WorkThread& answers;  // outlives the server
    OpenCalls& open_calls;
    wire::DataSource& data;
    state::OutputTails* tails = nullptr;  // null: none are kept
  };

  static grpc::ServerWriteReactor<grpc::ByteBuffer>* Start(const Surroundings& surroundings,
                                                           grpc::CallbackServerContext* context,
                                                           const grpc::ByteBuffer* request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void OnFrame(v1::DataFromAgent frame) override;
  void OnEnd(absl::Status status, Reason reason) override;
  void End(const wire::Refusal& refusal) override;

 private:
  explicit LogsCall(const Surroundings& surroundings) : around_(surroundings) {}

  std::optional<wire::Refusal> Begin(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request);
  void OnLocated(const scheduler::Reply& reply);
  // Hands out what is kept, and ends with `otherwise` when that is nothing, or when more may come
  // once the node is back. Reads a disk.
  void ServeKept(const grpc::Status& otherwise);
  // The kept ends that the request asks for.
  std::deque<v1::LogsResponse> ReadKept() const;
  // REQUIRES: kept_ is not empty, nothing is being written.
  void WriteKept() BERTH_REQUIRES(mutex_);
  void EndWith(grpc::Status status) BERTH_REQUIRES(mutex_);
  // Finishes when it is time to; closes the transfer then.
  void Move();

  const Surroundings around_;
  v1::LogsRequest request_;  // constant after Start
  // Constant from before the transfer is opened.
  scheduler::OutputReply where_;
  grpc::ByteBuffer message_;  // gRPC's while writing_

  base::Mutex mutex_;
  std::shared_ptr<LogsCall> self_ BERTH_GUARDED_BY(mutex_);  // until OnDone
  std::shared_ptr<wire::DataChannel> transfer_ BERTH_GUARDED_BY(mutex_);
  bool writing_ BERTH_GUARDED_BY(mutex_) = false;
  bool any_written_ BERTH_GUARDED_BY(mutex_) = false;
  std::deque<v1::LogsResponse> kept_ BERTH_GUARDED_BY(mutex_);  // still to be written
  grpc::Status after_kept_ BERTH_GUARDED_BY(mutex_);
  std::optional<grpc::Status> ending_ BERTH_GUARDED_BY(mutex_);
  bool finished_ BERTH_GUARDED_BY(mutex_) = false;
};

}  // namespace berth::api
