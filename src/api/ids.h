// Ids as people and programs write them: "12", "12.3", "12.worker.3", "12.3#2".
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/ids.h"
#include "state/commands.h"

namespace berth::api {

// The largest array index.
inline constexpr int64_t kMostIndex = (int64_t{1} << 31) - 2;

// A job's id: decimal, from 1, without leading zeros. InvalidArgument says what was written and
// what an id looks like.
absl::StatusOr<JobId> ParseJobId(std::string_view text);

enum class Attempts { kRefused, kAllowed };

// A job, or a task of it, or, where `attempts` allows that, one attempt of a task. Whether it
// exists is for the loop to say.
absl::StatusOr<state::ObjectRef> ParseObjectRef(std::string_view text, Attempts attempts);

}  // namespace berth::api
