#include "api/admin_service.h"

#include <optional>
#include <string>
#include <utility>

#include "api/convert.h"
#include "api/errors.h"
#include "api/ids.h"
#include "api/list_request.h"
#include "api/pending_call.h"
#include "base/logging.h"
#include "base/strings.h"
#include "wire/names.h"

namespace berth::api {

using grpc::ByteBuffer;
using grpc::CallbackServerContext;
using state::CommandClass;
using state::Principal;

namespace {

constexpr int kMostReconciled = 1000;

std::optional<wire::Refusal> ReadReconcile(const v1::ReconcileRequest& request,
                                           state::SettleStrays& command) {
  wire::Violations violations;
  if (!v1::ReconcileAction_IsValid(request.action()) ||
      request.action() == v1::RECONCILE_ACTION_UNSPECIFIED) {
    return InvalidField("action", "is required: LIST, KILL or ADOPT");
  }
  if (request.ids_size() > kMostReconciled) {
    return InvalidField("ids", "has " + std::to_string(request.ids_size()) + " entries; at most " +
                                   std::to_string(kMostReconciled) + " are allowed");
  }
  const bool is_narrow = !request.node().empty() || request.ids_size() > 0;
  if (request.all() && is_narrow) {
    return InvalidField("all", "does not go with node or ids: give one of them");
  }
  if (request.action() == v1::RECONCILE_ACTION_KILL && !is_narrow && !request.all()) {
    return InvalidField("all",
                        "is not set, and neither are node and ids: say what is to be killed");
  }
  if (!request.node().empty()) {
    wire::CheckName(wire::kNodeName, request.node(), wire::FieldPath("node"), violations);
  }
  for (int i = 0; i < request.ids_size(); ++i) {
    auto object = ParseObjectRef(request.ids(i), Attempts::kAllowed);
    if (object.ok()) {
      command.objects.push_back(*std::move(object));
    } else {
      violations.Add(wire::FieldPath(wire::FieldPath::Root(), "ids", i),
                     base::S(object.status().message()));
    }
  }
  if (!violations.empty()) return wire::RefusalOf(violations);
  command.action = static_cast<state::StrayAction>(request.action());
  command.node = request.node();
  return std::nullopt;
}

}  // namespace

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

grpc::ServerUnaryReactor* AdminService::Reconcile(CallbackServerContext* context,
                                                  const ByteBuffer* in, ByteBuffer* out) {
  return ReceiveCall<v1::ReconcileRequest>(
      parts_.authorizer, context, in, out,
      [&](Principal principal, v1::ReconcileRequest request, PendingCallPtr call) {
        PageRequest page;
        if (const auto refusal = ReadPage(request, page)) return call->Refuse(*refusal);
        state::SettleStrays command;
        if (const auto refusal = ReadReconcile(request, command)) return call->Refuse(*refusal);
        command.page_size = page.size;
        command.first_epoch = page.token.first_epoch;
        if (!page.first) {
          command.after = {page.token.after_name,
                           {.job = page.token.after.job,
                            .group = page.token.after.group,
                            .index = page.token.after.position,
                            .attempt = page.token.after_attempt}};
        }
        // Who is no operator is refused by the loop, which notes it.
        AskAtLength<scheduler::SettleReply>(
            parts_, CommandClass::kOperators,
            {.principal = std::move(principal), .body = std::move(command)}, std::move(call),
            [list = page.list, ids = request.ids()](const scheduler::Reply& reply,
                                                    const scheduler::SettleReply& body) {
              v1::ReconcileResponse response;
              for (const scheduler::SettleReply::Result& result : body.results) {
                *response.add_results() =
                    ToProto(result, result.stray ? "" : ids[static_cast<int>(result.object)]);
              }
              response.set_epoch(reply.epoch);
              if (body.more) {
                const state::AgentAttempt& after = body.after.attempt;
                response.set_next_page_token(EncodePageToken(
                    {.first_epoch = body.first_epoch,
                     .after = {.job = after.job, .group = after.group, .position = after.index},
                     .after_name = body.after.node,
                     .after_attempt = after.attempt},
                    list));
              }
              return response;
            });
      });
}

}  // namespace berth::api
