// berth.v1.JobService.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "api/admission.h"
#include "api/batch_call.h"
#include "api/open_batches.h"
#include "api/relay_call.h"
#include "api/service_parts.h"
#include "api/watch_call.h"
#include "base/mutex.h"
#include "berth/v1/scheduler.grpc.pb.h"
#include "wire/data_source.h"

namespace berth::api {

// Content by its address. Called on the answering thread; may read a disk.
using BlobReader =
    std::function<absl::StatusOr<std::shared_ptr<const std::string>>(const std::string& hash)>;

// Every method on raw buffers: see wire/message_buffer.h.
template <typename Service>
using RawJobCalls = v1::JobService::WithRawCallbackMethod_SubmitJob<
    v1::JobService::WithRawCallbackMethod_SubmitJobs<
        v1::JobService::WithRawCallbackMethod_GetJob<v1::JobService::WithRawCallbackMethod_ListJobs<
            v1::JobService::WithRawCallbackMethod_GetTask<
                v1::JobService::WithRawCallbackMethod_ListTasks<
                    v1::JobService::WithRawCallbackMethod_Watch<
                        v1::JobService::WithRawCallbackMethod_Cancel<
                            v1::JobService::WithRawCallbackMethod_Explain<
                                v1::JobService::WithRawCallbackMethod_Plan<
                                    v1::JobService::WithRawCallbackMethod_Logs<
                                        v1::JobService::WithRawCallbackMethod_Exec<
                                            v1::JobService::WithRawCallbackMethod_Attach<
                                                v1::JobService::WithRawCallbackMethod_Forward<
                                                    v1::JobService::WithRawCallbackMethod_ReadFile<
                                                        v1::JobService::
                                                            WithRawCallbackMethod_WriteFile<
                                                                Service>>>>>>>>>>>>>>>>;

// Each call is parsed, attributed and checked on gRPC's thread, posted, and answered when the loop
// has the answer; no thread of gRPC's waits for the loop.
//
// Threading: gRPC's.
class JobService final : public RawJobCalls<v1::JobService::Service> {
 public:
  struct Options {
    AdmissionOptions admission;
    BatchLimits batches;
    WatchLimits watches;
  };

  JobService(const ServiceParts& parts, wire::DataSource& data, BlobReader blobs,
             const Options& options);

  // For submissions from now on, as after a reload.
  void SetAdmission(const AdmissionOptions& options);

  grpc::ServerUnaryReactor* SubmitJob(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* SubmitJobs(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context, const grpc::ByteBuffer* in,
                                   grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* GetTask(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* ListTasks(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Watch(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* in) override;
  grpc::ServerUnaryReactor* Cancel(grpc::CallbackServerContext* context, const grpc::ByteBuffer* in,
                                   grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* Explain(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* Plan(grpc::CallbackServerContext* context, const grpc::ByteBuffer* in,
                                 grpc::ByteBuffer* out) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Logs(grpc::CallbackServerContext* context,
                                                   const grpc::ByteBuffer* in) override;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Exec(
      grpc::CallbackServerContext* context) override;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Attach(
      grpc::CallbackServerContext* context) override;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Forward(
      grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* ReadFile(grpc::CallbackServerContext* context,
                                                       const grpc::ByteBuffer* in) override;
  grpc::ServerReadReactor<grpc::ByteBuffer>* WriteFile(grpc::CallbackServerContext* context,
                                                       grpc::ByteBuffer* out) override;

 private:
  AdmissionOptions admission() const;
  RelayCall::Surroundings AroundRelays();
  // Fills in what only the blob has. Anything but OK is an error of the store's.
  absl::Status FillInSpec(const state::JobSpec& spec, v1::Job& job) const;

  const ServiceParts parts_;
  wire::DataSource& data_;
  const BlobReader blobs_;
  const Options options_;
  OpenBatches batches_;

  mutable base::Mutex mutex_;
  AdmissionOptions admission_ BERTH_GUARDED_BY(mutex_);
};

}  // namespace berth::api
