#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace berth::base {

// `status` with "CONTEXT: " before its message; code and payloads stay. OK stays OK.
//
// For naming, on the way up, the thing that failed: Annotate(status, "profile \"default\"").
absl::Status Annotate(const absl::Status& status, std::string_view context);

}  // namespace berth::base
