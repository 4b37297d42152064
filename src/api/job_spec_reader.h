// Job specifications of the wire into those of the state.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "berth/v1/types.pb.h"
#include "state/job_spec.h"
#include "wire/field_path.h"

namespace berth::api {

// Most groups of a job, ranges of an array, tasks of a job.
inline constexpr int kMostGroups = 64;
inline constexpr int kMostRanges = 64;
inline constexpr int64_t kMostTasks = 1'000'000;

// Reads a specification whose defaults are filled in (Normalise in admission.h does that) and
// checks all of it that placement and identity depend on. What is wrong goes to `violations`, and
// the result then means nothing. Leaves `blob` empty.
state::JobSpec ReadJobSpec(const v1::JobSpec& job, wire::Violations& violations);

// A specification from the content that JobSpec::blob names. InvalidArgument says what is wrong
// with it.
absl::StatusOr<state::JobSpec> DecodeJobSpec(std::string_view blob);

}  // namespace berth::api
