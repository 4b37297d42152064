#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "cli/invocation.h"

namespace berth::cli {

// The one task, or job of one task, that an argument names, for the server: "12.3", "12", "last".
// InvalidArgument when it is none, several, or missing: `verb` is for the example in the error.
absl::StatusOr<std::string> OneTask(Invocation& invocation, const std::string& argument,
                                    std::string_view verb);

}  // namespace berth::cli
