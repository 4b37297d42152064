// berth.v1.FeatureService.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "absl/status/statusor.h"
#include "api/service_parts.h"
#include "berth/v1/features.grpc.pb.h"
#include "state/job_spec.h"

namespace berth::api {

// What is kept of jobs' features. Threading: any thread; may read a disk.
class FeatureBooks {
 public:
  virtual ~FeatureBooks() = default;
  // Of a job that is kept. Groups of which nothing is known have no values.
  virtual absl::StatusOr<v1::ShowFeaturesResponse> Show(JobId job, const state::JobSpec& spec) = 0;
  virtual v1::GetFeatureReportResponse Report() = 0;
};

template <typename Service>
using RawFeatureCalls = v1::FeatureService::WithRawCallbackMethod_ShowFeatures<
    v1::FeatureService::WithRawCallbackMethod_CorrectFeatures<
        v1::FeatureService::WithRawCallbackMethod_RateJob<
            v1::FeatureService::WithRawCallbackMethod_GetFeatureReport<Service>>>>;

// Whoever may see a job may see its features. Without `books` (features are off) every call is
// refused, and says so.
//
// Threading: gRPC's.
class FeatureService final : public RawFeatureCalls<v1::FeatureService::Service> {
 public:
  // `books` outlives it; may be null. `now` gives the time of day in milliseconds since 1970.
  FeatureService(const ServiceParts& parts, FeatureBooks* books, std::function<int64_t()> now)
      : parts_(parts), books_(books), now_(std::move(now)) {}

  grpc::ServerUnaryReactor* ShowFeatures(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* in,
                                         grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* CorrectFeatures(grpc::CallbackServerContext* context,
                                            const grpc::ByteBuffer* in,
                                            grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* RateJob(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* GetFeatureReport(grpc::CallbackServerContext* context,
                                             const grpc::ByteBuffer* in,
                                             grpc::ByteBuffer* out) override;

 private:
  const ServiceParts parts_;
  FeatureBooks* const books_;
  const std::function<int64_t()> now_;
};

}  // namespace berth::api
