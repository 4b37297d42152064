#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/strings.h"

namespace berth::base {

// "cannot open /var/lib/x: Permission denied", with the code that goes with `error`, an errno.
inline absl::Status PathError(int error, std::string_view doing, const std::string& path) {
  return absl::ErrnoToStatus(error, A("cannot " + std::string(doing) + " " + path));
}

}  // namespace berth::base
