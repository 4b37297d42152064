// What this machine has, apart from GPUs (GpuMonitor) and data (LocalData).
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "agentd/probe/machine.h"

namespace berth::agentd {

// `root`: of the tree with /proc, /sys, /dev and /etc; "": this machine's. Of another's, what only
// system calls tell is still this machine's: CPUs, names. `scratch_folder`: where tasks' scratch
// folders are made; it exists.
//
// Cost: some dozen small files. Errors: /proc is not there, or the folder.
absl::StatusOr<Machine> ProbeMachine(const std::string& root, const std::string& scratch_folder);

}  // namespace berth::agentd
