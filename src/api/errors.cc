#include "api/errors.h"

#include <string>
#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace berth::api {

wire::Refusal RefusalOf(const scheduler::Reply& reply) {
  BERTH_CHECK(!reply.status.ok()) << "an answer is no refusal";
  wire::Refusal refusal = wire::RefusalOf(reply.status);
  if (reply.reason != Reason::kNone) refusal.reason = reply.reason;
  if (!reply.field.empty()) {
    refusal.violations.push_back({reply.field, base::S(reply.status.message())});
  }
  if (refusal.reason == Reason::kEpochTooOld) {
    refusal.metadata["epoch"] = std::to_string(reply.epoch);
  }
  return refusal;
}

wire::Refusal CallNotHonoured(const char* call) {
  return {.code = absl::StatusCode::kUnimplemented,
          .reason = Reason::kFieldNotHonoured,
          .message = std::string(call) + ": this version of berthd does not serve this call yet"};
}

wire::Refusal InvalidField(const std::string& field, std::string message) {
  wire::Refusal refusal = {.code = absl::StatusCode::kInvalidArgument,
                           .reason = Reason::kInvalidField,
                           .message = field + ": " + message};
  refusal.violations.push_back({field, std::move(message)});
  return refusal;
}

}  // namespace berth::api
