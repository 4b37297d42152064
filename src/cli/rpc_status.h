// Errors of calls to berthd, as absl::Status with what google.rpc error details say about them.
#pragma once

#include <grpcpp/support/status.h>

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"

namespace berth::cli {

// The same code and message. Details become payloads, which the functions below read.
// Malformed details are left out: they only decorate the error.
absl::Status FromGrpc(const grpc::Status& status);

// Whether the call failed before anything of it left: berthd could not be reached.
bool WasNeverSent(const absl::Status& status);

// ErrorInfo.reason: the name of a ReasonCode ("NOT_FOUND"). Empty: none.
std::string ReasonOf(const absl::Status& status);
// Path of the first field at fault. Empty: none.
std::string FieldOf(const absl::Status& status);
// How long the server asks to wait before trying again.
std::optional<int64_t> RetryDelayMs(const absl::Status& status);
// ErrorInfo.metadata[key]. Empty: none.
std::string MetadataOf(const absl::Status& status, const std::string& key);

// `status` with another message; code and details stay.
absl::Status WithMessage(const absl::Status& status, const std::string& message);

// Whether a call that failed like this may succeed a little later: berthd is starting again, the
// connection broke.
bool IsPassing(const absl::Status& status);

// The exit code of design.md section 12: 0 ok, 2 usage, 3 not found, 4 not allowed, 5 unavailable,
// 1 whatever else.
int ExitCodeOf(const absl::Status& status);

}  // namespace berth::cli
