// berth.v1.AdminService.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "api/service_parts.h"
#include "api/snapshot_call.h"
#include "berth/v1/admin.grpc.pb.h"

namespace berth::api {

// What the program around the services knows. The functions are called on the answering thread and
// may take their time.
struct AdminParts {
  std::string version;     // "0.1.0"
  std::string build;       // compiler and build type
  std::string cluster_id;  // uuid
  // The configuration in force, as YAML, secrets masked.
  std::function<std::string()> config;
  // Reads the configuration again. Keys whose change takes a restart; on an error nothing changed.
  std::function<absl::StatusOr<std::vector<std::string>>(const state::Principal&)> reload;
  // Called on the snapshots' thread.
  SnapshotSource save_snapshot;
};

template <typename Service>
using RawAdminCalls = v1::AdminService::WithRawCallbackMethod_GetVersion<
    v1::AdminService::WithRawCallbackMethod_GetConfig<
        v1::AdminService::WithRawCallbackMethod_ReloadConfig<
            v1::AdminService::WithRawCallbackMethod_SaveSnapshot<
                v1::AdminService::WithRawCallbackMethod_Reconcile<Service>>>>>;

// For operators, but for GetVersion.
//
// Threading: gRPC's.
class AdminService final : public RawAdminCalls<v1::AdminService::Service> {
 public:
  // `snapshots` outlives the service.
  AdminService(const ServiceParts& parts, AdminParts admin, base::WorkThread& snapshots);

  grpc::ServerUnaryReactor* GetVersion(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* GetConfig(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* ReloadConfig(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* in,
                                         grpc::ByteBuffer* out) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* SaveSnapshot(grpc::CallbackServerContext* context,
                                                           const grpc::ByteBuffer* in) override;
  grpc::ServerUnaryReactor* Reconcile(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;

 private:
  const ServiceParts parts_;
  const AdminParts admin_;
  base::WorkThread& snapshots_;
  std::atomic<bool> snapshot_busy_ = false;
};

}  // namespace berth::api
