#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace berth::base {

// The message of a failed BERTH_CHECK; ends the process when it is destroyed.
//
// Kept free of <ostream>: this header is included nearly everywhere.
//
// Threading: made, filled and destroyed within one expression. Errors: aborts, by design.
class CheckFailure {
 public:
  CheckFailure(const char* condition, const char* file, int line);
  CheckFailure(const CheckFailure&) = delete;
  CheckFailure& operator=(const CheckFailure&) = delete;

  // Prints "FILE:LINE: check failed: CONDITION: MESSAGE" on standard error, then aborts.
  [[noreturn]] ~CheckFailure();

  CheckFailure& operator<<(std::string_view text) {
    message_.append(text);
    return *this;
  }
  template <typename T>
  requires(std::integral<T> || std::floating_point<T>) CheckFailure& operator<<(T value) {
    if constexpr (std::same_as<T, bool>) return *this << (value ? "true" : "false");
    return *this << std::string_view(std::to_string(value));
  }

 private:
  const char* const condition_;
  const char* const file_;
  const int line_;
  std::string message_;
};

namespace check_internal {

// Lower than << and higher than ?: in precedence: turns the stream into void.
struct Voidify {
  void operator&(const CheckFailure&) const {}
};

}  // namespace check_internal
}  // namespace berth::base

// Ends the process unless `condition` holds: BERTH_CHECK(rank < size) << "rank " << rank;
//
// For what only a bug in this program can break; never for input, configuration or what the network
// says, which get an absl::Status. Always compiled in. What follows << is evaluated only on
// failure.
#define BERTH_CHECK(condition)                      \
  __builtin_expect(static_cast<bool>(condition), 1) \
      ? static_cast<void>(0)                        \
      : ::berth::base::check_internal::Voidify() &  \
            ::berth::base::CheckFailure(#condition, __FILE__, __LINE__)
