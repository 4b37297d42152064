#include "api/node_service.h"

#include <utility>
#include <variant>

#include "api/convert.h"
#include "api/diagnose_call.h"
#include "api/errors.h"
#include "api/list_request.h"
#include "api/node_findings.h"
#include "api/pending_call.h"
#include "api/refused_call.h"
#include "base/build_info.h"
#include "wire/names.h"

namespace berth::api {
namespace {

using grpc::ByteBuffer;
using grpc::CallbackServerContext;
using state::CommandClass;
using state::Principal;

std::optional<wire::Refusal> CheckNodeName(const std::string& name) {
  wire::Violations violations;
  if (wire::CheckName(wire::kNodeName, name, wire::FieldPath("name"), violations)) {
    return std::nullopt;
  }
  return wire::RefusalOf(violations);
}

}  // namespace

grpc::ServerUnaryReactor* NodeService::ListNodes(CallbackServerContext* context,
                                                 const ByteBuffer* in, ByteBuffer* out) {
  return ReceiveCall<v1::ListNodesRequest>(
      parts_.authorizer, context, in, out,
      [&](Principal principal, v1::ListNodesRequest request, PendingCallPtr call) {
        PageRequest page;
        if (const auto refusal = ReadPage(request, page)) return call->Refuse(*refusal);
        state::ListNodes command = {.page_size = page.size,
                                    .after = page.token.after_name,
                                    .first_epoch = page.token.first_epoch};
        AskAtLength<scheduler::NodesReply>(
            parts_, CommandClass::kOperators,
            {.principal = std::move(principal), .body = std::move(command)}, std::move(call),
            [list = page.list](const scheduler::Reply&, const scheduler::NodesReply& body) {
              v1::ListNodesResponse response;
              for (const state::NodeView& node : body.nodes) *response.add_nodes() = ToProto(node);
              response.set_epoch(body.first_epoch);
              if (body.more && !body.nodes.empty()) {
                response.set_next_page_token(
                    EncodePageToken({.first_epoch = body.first_epoch,
                                     .after = {},
                                     .after_name = body.nodes.back().spec->name},
                                    list));
              }
              return response;
            });
      });
}

grpc::ServerUnaryReactor* NodeService::GetNode(CallbackServerContext* context, const ByteBuffer* in,
                                               ByteBuffer* out) {
  return ReceiveCall<v1::GetNodeRequest>(
      parts_.authorizer, context, in, out,
      [&](Principal principal, v1::GetNodeRequest request, PendingCallPtr call) {
        if (const auto refusal = CheckNodeName(request.name())) return call->Refuse(*refusal);
        AskAtLength<scheduler::NodeReply>(
            parts_, CommandClass::kOperators,
            {.principal = std::move(principal), .body = state::GetNode{request.name()}},
            std::move(call), [](const scheduler::Reply& reply, const scheduler::NodeReply& body) {
              v1::GetNodeResponse response;
              *response.mutable_node() = ToProto(body.node);
              response.set_epoch(reply.epoch);
              return response;
            });
      });
}

grpc::ServerUnaryReactor* NodeService::SetCordon(CallbackServerContext* context,
                                                 const ByteBuffer* in, ByteBuffer* out) {
  return ReceiveCall<v1::SetCordonRequest>(
      parts_.authorizer, context, in, out,
      [&](Principal principal, v1::SetCordonRequest request, PendingCallPtr call) {
        const absl::Status allowed = RequireOperator(principal, "cordon a node");
        if (!allowed.ok()) return call->Refuse(wire::RefusalOf(allowed));
        if (const auto refusal = CheckNodeName(request.name())) return call->Refuse(*refusal);
        AskAtLength<scheduler::NodeReply>(
            parts_, CommandClass::kOperators,
            {.principal = std::move(principal),
             .body = state::SetCordon{request.name(), request.cordoned()}},
            std::move(call), [](const scheduler::Reply&, const scheduler::NodeReply& body) {
              v1::SetCordonResponse response;
              *response.mutable_node() = ToProto(body.node);
              return response;
            });
      });
}

grpc::ServerUnaryReactor* NodeService::DiagnoseNode(CallbackServerContext* context,
                                                    const ByteBuffer* in, ByteBuffer* out) {
  return ReceiveCall<v1::DiagnoseNodeRequest>(
      parts_.authorizer, context, in, out,
      [&](Principal principal, v1::DiagnoseNodeRequest request, PendingCallPtr call) {
        if (const auto refusal = CheckNodeName(request.name())) return call->Refuse(*refusal);
        const absl::Status posted = parts_.loop.Post(
            CommandClass::kOperators,
            {.principal = std::move(principal), .body = state::DiagnoseNode{request.name()}},
            [this, call, node = request.name()](scheduler::Reply reply) {
              // Opening a channel may take a while: not on the releasing thread.
              parts_.answers.Post([this, call, node, reply = std::move(reply)] {
                if (!reply.status.ok()) return call->Refuse(RefusalOf(reply));
                const auto& health = std::get<scheduler::NodeHealthReply>(reply.body);
                v1::Diagnosis ours = DiagnosisOf(health, base::Version());
                if (health.stream != 0) {
                  DiagnoseCall::Start(data_, health.stream, node, std::move(ours), call);
                  return;
                }
                v1::DiagnoseNodeResponse response;
                SortFindings(ours);
                *response.mutable_diagnosis() = std::move(ours);
                call->Answer(response);
              });
            });
        if (!posted.ok()) call->Refuse(wire::RefusalOf(posted));
      });
}

grpc::ServerUnaryReactor* NodeService::ListClusterResources(CallbackServerContext* context,
                                                            const ByteBuffer*, ByteBuffer*) {
  return RefuseCall(context, CallNotHonoured("ListClusterResources"));
}

}  // namespace berth::api
