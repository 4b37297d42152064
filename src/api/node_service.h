// berth.v1.NodeService.
#pragma once

#include "api/service_parts.h"
#include "berth/v1/scheduler.grpc.pb.h"
#include "wire/data_source.h"

namespace berth::api {

template <typename Service>
using RawNodeCalls = v1::NodeService::WithRawCallbackMethod_ListNodes<
    v1::NodeService::WithRawCallbackMethod_GetNode<v1::NodeService::WithRawCallbackMethod_SetCordon<
        v1::NodeService::WithRawCallbackMethod_DiagnoseNode<
            v1::NodeService::WithRawCallbackMethod_ListClusterResources<Service>>>>>;

// Nodes are in no namespace: everybody who may call may see them, operators may cordon them.
//
// Threading: gRPC's.
class NodeService final : public RawNodeCalls<v1::NodeService::Service> {
 public:
  // `data` outlives it.
  NodeService(const ServiceParts& parts, wire::DataSource& data) : parts_(parts), data_(data) {}

  grpc::ServerUnaryReactor* ListNodes(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* GetNode(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* SetCordon(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* DiagnoseNode(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* in,
                                         grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* ListClusterResources(grpc::CallbackServerContext* context,
                                                 const grpc::ByteBuffer* in,
                                                 grpc::ByteBuffer* out) override;

 private:
  const ServiceParts parts_;
  wire::DataSource& data_;
};

}  // namespace berth::api
