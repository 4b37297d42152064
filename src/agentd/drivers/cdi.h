#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace berth::agentd {

// A device file that a container gets.
struct DeviceNode {
  std::string path;  // in the container
  char type = 'c';   // or 'b'
  uint32_t major = 0;
  uint32_t minor = 0;
  mode_t mode = 0666;  // permissions
  uint32_t uid = 0;
  uint32_t gid = 0;
};

// What devices change about a container (Container Device Interface, containerEdits).
struct ContainerEdits {
  struct Mount {
    std::string source;  // on the node
    std::string target;
    std::vector<std::string> options;
  };
  struct Hook {
    std::string name;  // "createContainer", ...
    std::string path;
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    std::optional<int64_t> timeout_s;
  };
  std::vector<std::string> environment;  // NAME=value
  std::vector<DeviceNode> nodes;
  std::vector<Mount> mounts;
  std::vector<Hook> hooks;
};

// The device file `node_path` of this machine, to be at `path` in the container.
absl::StatusOr<DeviceNode> DeviceNodeOf(const std::string& node_path, const std::string& path);

// The devices that the CDI specifications (*.json, *.yaml) in some folders describe.
//
// Threading: one thread. Errors: a specification that cannot be read is logged, and has no devices;
// FailedPrecondition: a device file that one names is not there.
class CdiRegistry {
 public:
  explicit CdiRegistry(std::vector<std::string> folders) : folders_(std::move(folders)) {}

  // What the devices `ids`, of `kind` ("gpu"), change; in a later folder a device stands for the
  // one of its name in an earlier one. NotFound: no specification has one of them; the message is
  // its id. Cost: reads the folders.
  [[nodiscard]] absl::StatusOr<ContainerEdits> Find(std::string_view kind,
                                                    const std::vector<std::string>& ids) const;

  [[nodiscard]] const std::vector<std::string>& folders() const { return folders_; }

 private:
  const std::vector<std::string> folders_;
};

}  // namespace berth::agentd
