#include "base/check.h"

#include <unistd.h>

#include <cstdlib>

namespace berth::base {

CheckFailure::CheckFailure(const char* condition, const char* file, int line)
    : condition_(condition), file_(file), line_(line) {}

CheckFailure::~CheckFailure() {
  std::string text =
      std::string(file_) + ":" + std::to_string(line_) + ": check failed: " + condition_;
  if (!message_.empty()) text += ": " + message_;
  text += "\n";
  // One write and no stdio: the lock of stderr may be held by the thread that is failing.
  const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
  static_cast<void>(ignored);  // the process ends either way
  std::abort();
}

}  // namespace berth::base
