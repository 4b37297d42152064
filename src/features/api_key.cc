#include "features/api_key.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "base/path_error.h"
#include "base/small_file.h"
#include "base/status_macros.h"

namespace berth::features {
namespace {

constexpr size_t kMostKeyBytes = 8 << 10;

absl::StatusOr<std::string> KeyFrom(std::string text, const std::string& where) {
  absl::StripTrailingAsciiWhitespace(&text);
  if (text.empty()) return absl::NotFoundError(where + ": is empty; put the server's key there");
  for (const char c : text) {
    if (c <= 0x20 || c > 0x7E) {
      return absl::InvalidArgumentError(
          where +
          ": a key has printable ASCII characters without blanks, and this has others; "
          "put the key there alone");
    }
  }
  return text;
}

}  // namespace

absl::StatusOr<std::string> ReadApiKey(const std::string& file, const std::string& variable) {
  if (!variable.empty()) {
    const char* const value = ::getenv(variable.c_str());
    if (value == nullptr) {
      return absl::NotFoundError("environment variable " + variable +
                                 ": is not set; set it to the server's key, or use keyFile");
    }
    return KeyFrom(value, "environment variable " + variable);
  }
  if (file.empty()) return std::string();
  struct stat there {};
  if (::stat(file.c_str(), &there) != 0) return base::PathError(errno, "look at", file);
  if (!S_ISREG(there.st_mode)) return absl::InvalidArgumentError(file + ": is not a plain file");
  if ((there.st_mode & 07) != 0) {
    return absl::PermissionDeniedError(
        file +
        ": others may use this key; run chmod o-rwx on the file, and consider the key known");
  }
  BERTH_ASSIGN_OR_RETURN(std::string text, base::ReadSmallFile(file, kMostKeyBytes));
  return KeyFrom(std::move(text), file);
}

}  // namespace berth::features
