#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns the status of `expression` from the enclosing function unless it is OK.
//   BERTH_RETURN_IF_ERROR(store.Commit(batch));
#define BERTH_RETURN_IF_ERROR(...)                                                               \
  do {                                                                                           \
    if (::absl::Status berth_status_ = (__VA_ARGS__); !berth_status_.ok()) return berth_status_; \
  } while (false)

#define BERTH_STATUS_MACROS_JOIN_(a, b) a##b
#define BERTH_STATUS_MACROS_NAME_(a, b) BERTH_STATUS_MACROS_JOIN_(a, b)

// Evaluates an expression of type absl::StatusOr<T>: returns its status from the enclosing function
// unless it is OK, and otherwise moves its value into `target`, a variable or a declaration.
//   BERTH_ASSIGN_OR_RETURN(const Profile profile, LoadProfile(path));
// Two statements: in an `if` without braces it does not compile.
#define BERTH_ASSIGN_OR_RETURN(target, ...)                                                   \
  BERTH_ASSIGN_OR_RETURN_IMPL_(BERTH_STATUS_MACROS_NAME_(berth_status_or_, __LINE__), target, \
                               __VA_ARGS__)

#define BERTH_ASSIGN_OR_RETURN_IMPL_(result, target, ...) \
  auto result = (__VA_ARGS__);                            \
  if (!result.ok()) return std::move(result).status();    \
  target = *std::move(result)
