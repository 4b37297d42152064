// Errors as they cross the wire: a canonical code, a reason that programs match on, and details.
#pragma once

#include <grpcpp/support/status.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "berth/reason.h"
#include "berth/v1/types.pb.h"
#include "wire/field_path.h"

namespace berth::wire {

inline constexpr std::string_view kErrorDomain = "berth.dev";

// How long a client that was pushed back is asked to wait.
inline constexpr int64_t kRetryAfterMs = 100;

struct Refusal {
  absl::StatusCode code = absl::StatusCode::kUnknown;
  Reason reason = Reason::kNone;  // kNone: the error carries no ErrorInfo
  std::string message;            // names the thing, what is wrong, and the next step
  std::vector<FieldViolation> violations = {};
  std::map<std::string, std::string> metadata = {};  // of ErrorInfo
  int64_t retry_after_ms = 0;                        // 0: no RetryInfo
};

// Names of ReasonCode without a number of ours: "INBOX_FULL"; "" for kNone.
std::string ReasonName(Reason reason);
// The reason of that name, or of that number; kNone when this version knows none.
Reason ReasonNamed(std::string_view name);
Reason ReasonFrom(v1::ReasonCode code);

// With google.rpc.ErrorInfo, BadRequest and RetryInfo as far as there is something to say. Fits
// into what gRPC carries: a long message or value is cut, and of many violations the first ones go,
// with one more, of no field, that says how many are left out.
grpc::Status ToGrpcStatus(const Refusal& refusal);

// What a client reads from an error. Details that are missing or garbled are left empty.
Refusal FromGrpcStatus(const grpc::Status& status);

// `status` with a reason that is not the usual one of its code. REQUIRES: !status.ok().
absl::Status WithReason(absl::Status status, Reason reason);

// The refusal that says what `status` says, with its reason or the one that usually goes with its
// code; RetryInfo goes with INBOX_FULL alone: what else is used up is not free again in a moment.
// REQUIRES: !status.ok().
Refusal RefusalOf(const absl::Status& status);

// INVALID_ARGUMENT, or UNIMPLEMENTED when nothing is wrong but fields that are not honoured yet.
// REQUIRES: !violations.empty().
Refusal RefusalOf(const Violations& violations);

}  // namespace berth::wire
