// What the services work with.
#pragma once

#include <memory>
#include <utility>

#include "api/authorize.h"
#include "api/loop_port.h"
#include "api/open_calls.h"
#include "api/pending_call.h"
#include "base/work_thread.h"
#include "state/output_tails.h"

namespace berth::api {

// All of it outlives the services.
struct ServiceParts {
  LoopPort& loop;
  const Authorizer& authorizer;
  // Does what is too long for the releasing thread: long answers, watches.
  base::WorkThread& answers;
  OpenCalls& open_calls;
  state::OutputTails* tails = nullptr;  // null: none are kept
};

// As Ask, but the answer is made on the answering thread: for lists, and what reads the store.
template <typename Body, typename Convert>
void AskAtLength(const ServiceParts& parts, state::CommandClass command_class,
                 state::Command command, PendingCallPtr call, Convert convert) {
  const absl::Status posted = parts.loop.Post(
      command_class, std::move(command),
      [&answers = parts.answers, call, convert](scheduler::Reply reply) {
        auto shared = std::make_shared<scheduler::Reply>(std::move(reply));
        answers.Post([call, convert, shared] { AnswerWith<Body>(*call, *shared, convert); });
      });
  if (!posted.ok()) call->Refuse(wire::RefusalOf(posted));
}

}  // namespace berth::api
