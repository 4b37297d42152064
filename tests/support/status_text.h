// Statuses as text, to compare in one expectation.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace berth::testing {

// "OK", or "INVALID_ARGUMENT: name: must not be empty".
inline std::string Text(const absl::Status& status) {
  return status.ToString(absl::StatusToStringMode::kWithNoExtraData);
}
template <typename T>
std::string Text(const absl::StatusOr<T>& value) {
  return Text(value.status());
}

}  // namespace berth::testing
