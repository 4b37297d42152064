// One SubmitJobs call.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "api/admission.h"
#include "api/authorize.h"
#include "api/loop_port.h"
#include "api/open_batches.h"
#include "api/open_calls.h"
#include "api/submission.h"
#include "base/mutex.h"
#include "base/work_thread.h"
#include "berth/v1/scheduler.pb.h"
#include "scheduler/reply.h"
#include "state/commands.h"
#include "wire/refusal.h"

namespace berth::api {

struct BatchLimits {
  // Items, and bytes of them, that are under way at once; the stream is not read beyond that.
  size_t most_items = 256;
  size_t most_bytes = 8 << 20;
};

// Takes items one after another, posts each, and acknowledges them in order: the loop answers one
// class of commands in the order in which they were posted, refused items included.
//
// The first message names the batch and is answered with the first offset that has no durable
// answer. Items before that offset are skipped, so that a client may simply begin again. A later
// stream that names the batch takes it over: this one then posts nothing more and ends.
//
// Lifetime: as WatchCall. Reactions, the loop's replies and End may come on different threads; each
// takes the mutex, changes what it changes, and calls Move, which alone reads, writes and finishes.
class BatchCall final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                        public StreamingCall,
                        public std::enable_shared_from_this<BatchCall> {
 public:
  struct Surroundings {
    LoopPort& loop;
    const Authorizer& authorizer;
    base::WorkThread& answers;  // outlives the server
    OpenCalls& open_calls;
    OpenBatches& batches;
    AdmissionOptions admission;
    BatchLimits limits;
  };

  static grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Start(
      const Surroundings& surroundings, grpc::CallbackServerContext* context);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void End(const wire::Refusal& refusal) override;

 private:
  // A command that stands for one item, and what to say when it was refused here.
  struct Item {
    state::Command command;
    int64_t offset = 0;
    size_t bytes = 0;
    std::optional<wire::Refusal> refused;
    SubmissionNotes notes;
  };

  explicit BatchCall(const Surroundings& surroundings) : around_(surroundings) {}

  // One message of the client's; the refusal that ends the stream.
  std::optional<wire::Refusal> Take(grpc::ByteBuffer& bytes);
  std::optional<wire::Refusal> TakeFirst(v1::SubmitJobsRequest request) BERTH_REQUIRES(mutex_);
  std::optional<wire::Refusal> TakeItem(v1::SubmitJobsRequest request);
  // Where the batch stands; on the answering thread, as it may take the first item.
  void OnPlace(const scheduler::Reply& reply, v1::SubmitJobsRequest first);
  void OnItemAnswered(const Item& item, const scheduler::Reply& reply);
  // Posts `held_`. Ends the call when that cannot be and nothing is under way to wait for.
  void PostHeld() BERTH_REQUIRES(mutex_);
  void EndWith(const wire::Refusal& refusal) BERTH_REQUIRES(mutex_);
  // Writes, reads or finishes, as far as that can be done now.
  void Move() BERTH_REQUIRES(mutex_);

  const Surroundings around_;
  state::Principal principal_;  // constant after Start

  base::Mutex mutex_;
  std::shared_ptr<BatchCall> self_ BERTH_GUARDED_BY(mutex_);  // until OnDone
  std::string batch_id_ BERTH_GUARDED_BY(mutex_);
  bool placing_ BERTH_GUARDED_BY(mutex_) = false;  // the batch's place was asked for
  int64_t resume_offset_ BERTH_GUARDED_BY(mutex_) = 0;
  int64_t next_offset_ BERTH_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<const Item> held_ BERTH_GUARDED_BY(mutex_);  // the inbox had no room for it
  size_t items_under_way_ BERTH_GUARDED_BY(mutex_) = 0;
  size_t bytes_under_way_ BERTH_GUARDED_BY(mutex_) = 0;

  grpc::ByteBuffer incoming_;  // gRPC's, or the reader's, while reading_
  bool reading_ BERTH_GUARDED_BY(mutex_) = false;
  bool reads_done_ BERTH_GUARDED_BY(mutex_) = false;
  std::deque<grpc::ByteBuffer> outgoing_ BERTH_GUARDED_BY(mutex_);
  grpc::ByteBuffer message_;  // gRPC's while writing_
  bool writing_ BERTH_GUARDED_BY(mutex_) = false;
  bool has_written_ BERTH_GUARDED_BY(mutex_) = false;
  bool gone_ BERTH_GUARDED_BY(mutex_) = false;  // nobody reads what is written
  std::optional<grpc::Status> ending_ BERTH_GUARDED_BY(mutex_);
  bool finished_ BERTH_GUARDED_BY(mutex_) = false;
};

}  // namespace berth::api
