#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agentd/drivers/cdi.h"

namespace berth::agentd {

// A container, as an OCI runtime is to make it.
struct ContainerSettings {
  struct Mount {
    std::string source;  // on the node
    std::string target;
    bool read_only = false;
  };

  std::vector<std::string> arguments;    // of process 1
  std::vector<std::string> environment;  // NAME=value
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;
  std::string host_name;
  std::string root;  // absolute
  std::vector<Mount> mounts;
  ContainerEdits edits;
};

// The runtime's config.json (OCI runtime specification 1.0): namespaces of its own but for the
// network, the usual /proc, /dev and /sys, no privileges to be gained, and for a user who is not
// root no capabilities.
//
// Threading: any. Errors: none; text that is no UTF-8 is made so.
std::string OciConfig(const ContainerSettings& settings);

}  // namespace berth::agentd
