// Disks, and the room for tasks' scratch folders.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agentd/probe/machine.h"

namespace berth::agentd {

// Disks of the tree at `root` ("" for this machine's), by name: hardware, not what is made from it
// (loop devices, memory disks, RAID, device mapper).
std::vector<Disk> ProbeDisks(const std::string& root);

// Whether a disk of that tree is run by a scheduler that heeds the weights of control groups.
bool DisksWeigh(const std::string& root);

struct Filesystem {
  int64_t size_bytes = 0;
  int64_t free_bytes = 0;  // for users other than root
};

// That which `folder` lies on.
absl::StatusOr<Filesystem> ProbeFilesystem(const std::string& folder);

}  // namespace berth::agentd
