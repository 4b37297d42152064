#include "api/pending_call.h"

namespace berth::api {

PendingCall::PendingCall(grpc::CallbackServerContext* context, grpc::ByteBuffer* response)
    : reactor_(context->DefaultReactor()), response_(response) {}

PendingCall::~PendingCall() {
  Refuse({.code = absl::StatusCode::kUnavailable,
          .reason = Reason::kShuttingDown,
          .message = "berthd is shutting down; try again in a moment"});
}

void PendingCall::Answer(const google::protobuf::Message& message) {
  if (!TakeTurn()) return;
  *response_ = wire::ToBuffer(message);
  reactor_->Finish(grpc::Status::OK);
}

void PendingCall::Refuse(const wire::Refusal& refusal) {
  if (TakeTurn()) reactor_->Finish(wire::ToGrpcStatus(refusal));
}

}  // namespace berth::api
