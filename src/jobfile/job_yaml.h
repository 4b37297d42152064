#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/v1/types.pb.h"
#include "yaml/value.h"

namespace berth::jobfile {

// Largest job file that is read.
inline constexpr std::size_t kMaxJobFileBytes = std::size_t{1} << 20;

// Reads a job file: `kind: Job`, `apiVersion: berth/v1`, and the fields of docs/job_reference.md.
//
// Strict: unknown keys, wrong types, units and ranges are refused, all of them in one
// InvalidArgument with a line each, "job.yaml:3:5: resources.memory: ...". Fields that this version
// knows but does not honour are read all the same, so that the server refuses them by name.
// What `get job -o yaml` prints is accepted too: of it only `spec` is read.
// `file` is the name in errors. Cost: O(text).
absl::StatusOr<v1::JobSpec> ParseJobYaml(std::string_view text, const std::string& file);

// The job as a tree that WriteYaml makes a job file of: ParseJobYaml reads an equal job back.
// A script that is not text is left out.
yaml::Value JobToYaml(const v1::JobSpec& job);

}  // namespace berth::jobfile
