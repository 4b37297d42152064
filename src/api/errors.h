// Refusals of the loop, as clients get them.
#pragma once

#include "scheduler/reply.h"
#include "wire/refusal.h"

namespace berth::api {

// REQUIRES: !reply.status.ok().
wire::Refusal RefusalOf(const scheduler::Reply& reply);

// UNIMPLEMENTED, naming the call.
wire::Refusal CallNotHonoured(const char* call);

// INVALID_ARGUMENT of one field.
wire::Refusal InvalidField(const std::string& field, std::string message);

}  // namespace berth::api
