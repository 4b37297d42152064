// One unary call, from the bytes received to the bytes sent.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <memory>
#include <utility>
#include <variant>

#include "api/authorize.h"
#include "api/errors.h"
#include "api/loop_port.h"
#include "wire/message_buffer.h"
#include "wire/refusal.h"

namespace berth::api {

// Waits for its answer, which comes from whatever thread has it.
//
// gRPC keeps a call's context and buffers until the call was finished, cancelled or not. A call is
// held by shared_ptr by whoever will answer it; when the last of them lets it go unanswered, as
// when the loop ends with commands still queued, it is answered here with UNAVAILABLE.
//
// Threading: any thread; one answer.
class PendingCall {
 public:
  PendingCall(grpc::CallbackServerContext* context, grpc::ByteBuffer* response);
  PendingCall(const PendingCall&) = delete;
  PendingCall& operator=(const PendingCall&) = delete;
  ~PendingCall();

  // What the handler returns to gRPC. REQUIRES: taken before anybody may answer.
  grpc::ServerUnaryReactor* reactor() const { return reactor_; }

  void Answer(const google::protobuf::Message& message);
  void Refuse(const wire::Refusal& refusal);

 private:
  bool TakeTurn() { return !answered_.exchange(true); }

  grpc::ServerUnaryReactor* const reactor_;
  grpc::ByteBuffer* const response_;
  std::atomic<bool> answered_ = false;
};

using PendingCallPtr = std::shared_ptr<PendingCall>;

// Parses a request, finds out who sent it, and hands both to `handler(principal, request, call)`.
// Refuses what cannot be parsed, naming the field, and who may not call.
template <typename Request, typename Handler>
grpc::ServerUnaryReactor* ReceiveCall(const Authorizer& authorizer,
                                      grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* in, grpc::ByteBuffer* out,
                                      Handler handler) {
  auto call = std::make_shared<PendingCall>(context, out);
  grpc::ServerUnaryReactor* const reactor = call->reactor();
  auto principal = authorizer.PrincipalOf(context->peer());
  Request request;
  grpc::ByteBuffer buffer(*in);  // shares the bytes
  if (!principal.ok()) {
    call->Refuse(wire::RefusalOf(principal.status()));
  } else if (const absl::Status parsed = wire::ParseMessage(buffer, request); !parsed.ok()) {
    call->Refuse(wire::RefusalOf(parsed));
  } else {
    handler(*std::move(principal), std::move(request), std::move(call));
  }
  return reactor;
}

// Answers `call` with what `convert(reply, body)` makes of the loop's reply, or refuses it.
template <typename Body, typename Convert>
void AnswerWith(PendingCall& call, scheduler::Reply& reply, const Convert& convert) {
  if (!reply.status.ok()) {
    call.Refuse(RefusalOf(reply));
  } else {
    call.Answer(convert(reply, std::get<Body>(reply.body)));
  }
}

// Posts a command. Its reply is converted and sent on the releasing thread: for answers that are
// quickly made.
template <typename Body, typename Convert>
void Ask(LoopPort& loop, state::CommandClass command_class, state::Command command,
         PendingCallPtr call, Convert convert) {
  const absl::Status posted = loop.Post(
      command_class, std::move(command),
      [call, convert](scheduler::Reply reply) { AnswerWith<Body>(*call, reply, convert); });
  if (!posted.ok()) call->Refuse(wire::RefusalOf(posted));
}

}  // namespace berth::api
