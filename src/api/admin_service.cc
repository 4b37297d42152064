#include "api/admin_service.h"

#include <utility>

#include "api/errors.h"
#include "api/pending_call.h"
#include "api/refused_call.h"
#include "base/logging.h"
#include "base/strings.h"

namespace berth::api {

using grpc::ByteBuffer;
using grpc::CallbackServerContext;
using state::Principal;

AdminService::AdminService(const ServiceParts& parts, AdminParts admin, base::WorkThread& snapshots)
    : parts_(parts), admin_(std::move(admin)), snapshots_(snapshots) {}

grpc::ServerUnaryReactor* AdminService::GetVersion(CallbackServerContext* context,
                                                   const ByteBuffer* in, ByteBuffer* out) {
  return ReceiveCall<v1::GetVersionRequest>(
      parts_.authorizer, context, in, out,
      [&](const Principal&, const v1::GetVersionRequest&, PendingCallPtr call) {
        const auto snapshot = parts_.loop.snapshot();
        v1::GetVersionResponse response;
        response.set_version(admin_.version);
        response.set_cluster_id(admin_.cluster_id);
        response.set_generation(snapshot->generation);
        response.set_term(snapshot->term);
        response.set_epoch(snapshot->durable_epoch);
        response.set_build(admin_.build);
        call->Answer(response);
      });
}

grpc::ServerUnaryReactor* AdminService::GetConfig(CallbackServerContext* context,
                                                  const ByteBuffer* in, ByteBuffer* out) {
  return ReceiveCall<v1::GetConfigRequest>(
      parts_.authorizer, context, in, out,
      [&](const Principal& principal, const v1::GetConfigRequest&, PendingCallPtr call) {
        const absl::Status allowed = RequireOperator(principal, "read the configuration");
        if (!allowed.ok()) return call->Refuse(wire::RefusalOf(allowed));
        parts_.answers.Post([this, call] {
          v1::GetConfigResponse response;
          response.set_yaml(admin_.config());
          call->Answer(response);
        });
      });
}

grpc::ServerUnaryReactor* AdminService::ReloadConfig(CallbackServerContext* context,
                                                     const ByteBuffer* in, ByteBuffer* out) {
  return ReceiveCall<v1::ReloadConfigRequest>(
      parts_.authorizer, context, in, out,
      [&](const Principal& principal, const v1::ReloadConfigRequest&, PendingCallPtr call) {
        const absl::Status allowed = RequireOperator(principal, "reload the configuration");
        if (!allowed.ok()) return call->Refuse(wire::RefusalOf(allowed));
        parts_.answers.Post([this, call, principal] {
          const std::string& who = principal.name;
          const auto needs_restart = admin_.reload(principal);
          if (!needs_restart.ok()) {
            BERTH_LOG_WARN("configuration not reloaded, asked for by {}: {}", who,
                           base::S(needs_restart.status().message()));
            return call->Refuse(wire::RefusalOf(needs_restart.status()));
          }
          BERTH_LOG_INFO("configuration reloaded, asked for by {}", who);
          v1::ReloadConfigResponse response;
          for (const std::string& key : *needs_restart) response.add_needs_restart(key);
          call->Answer(response);
        });
      });
}

grpc::ServerWriteReactor<ByteBuffer>* AdminService::SaveSnapshot(CallbackServerContext* context,
                                                                 const ByteBuffer* in) {
  return SnapshotCall::Start({.loop = parts_.loop,
                              .authorizer = parts_.authorizer,
                              .snapshots = snapshots_,
                              .open_calls = parts_.open_calls,
                              .source = admin_.save_snapshot,
                              .busy = snapshot_busy_},
                             context, in);
}

grpc::ServerUnaryReactor* AdminService::Reconcile(CallbackServerContext* context, const ByteBuffer*,
                                                  ByteBuffer*) {
  return RefuseCall(context, CallNotHonoured("Reconcile"));
}

}  // namespace berth::api
