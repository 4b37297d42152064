#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "berth/v1/scheduler.pb.h"
#include "cli/invocation.h"

namespace berth::cli {

// Submits one job, once: under `request_id`, or one of its own when that is empty, it is repeated
// for a minute when the connection breaks. Errors as Client::Call gives them; when it is not known
// whether the job was admitted, the message says so, and how to go on.
absl::StatusOr<v1::SubmitJobResponse> Submit(Invocation& invocation, v1::JobSpec job,
                                             const std::string& request_id);

// What to say of a job that no node of the cluster could hold: the server's words and the next
// step, "cannot ever fit: 2 nodes, largest 12Gi; try --memory 12Gi, or 'berth explain last'".
std::string NeverFitsText(Invocation& invocation, const v1::SubmitJobResponse& submitted);

}  // namespace berth::cli
