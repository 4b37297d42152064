// Calls that are refused as soon as they come.
#pragma once

#include <grpcpp/support/server_callback.h>

#include "wire/refusal.h"

namespace berth::api {

// A streaming call that ends at once. Deletes itself when gRPC is through with it.
template <typename Reactor>
class RefusedCall final : public Reactor {
 public:
  explicit RefusedCall(const wire::Refusal& refusal) { this->Finish(wire::ToGrpcStatus(refusal)); }
  void OnDone() override { delete this; }
};

// A unary call that is refused.
inline grpc::ServerUnaryReactor* RefuseCall(grpc::CallbackServerContext* context,
                                            const wire::Refusal& refusal) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(wire::ToGrpcStatus(refusal));
  return reactor;
}

}  // namespace berth::api
