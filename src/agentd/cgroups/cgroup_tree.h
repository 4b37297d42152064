#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace berth::agentd {

// The files of a cgroup hierarchy. Virtual, so that a test can put a recorded tree in their place,
// in which a new directory gets its files as the kernel would give it.
//
// Threading: one thread at a time. Errors name the path and the reason.
class CgroupTree {
 public:
  virtual ~CgroupTree() = default;

  // Makes `path` and what is missing above it; no error when it is there.
  virtual absl::Status MakeDirectory(const std::string& path);
  // Removes `path` and the cgroups below it. NotFound is no error; FailedPrecondition: it has
  // processes.
  virtual absl::Status RemoveDirectory(const std::string& path);

  // Writes to a control file in one write(2). Cost: three system calls.
  absl::Status Write(const std::string& path, std::string_view text);
  absl::StatusOr<std::string> Read(const std::string& path);
  // The first number after `label` in the file; nothing when the file or the label is not there.
  std::optional<int64_t> ReadNumber(const std::string& path, std::string_view label = "");
  // The processes in the cgroup `path`; none when it cannot be read.
  std::vector<pid_t> Processes(const std::string& path);
  [[nodiscard]] bool Exists(const std::string& path) const;
  // Names of the directories in `path`, sorted; none when it cannot be read.
  [[nodiscard]] std::vector<std::string> Directories(const std::string& path) const;
  // Whether there are directories in `path`. Cost: one stat(2).
  [[nodiscard]] bool HasDirectories(const std::string& path) const;
  // Takes the directory for this agent alone, for as long as the descriptor is open.
  // FailedPrecondition: another process has it.
  absl::StatusOr<base::UniqueFd> Lock(const std::string& path);
};

}  // namespace berth::agentd
