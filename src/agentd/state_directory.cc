#include "agentd/state_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace berth::agentd {
namespace {

absl::Status StateDirectoryError(int error, std::string_view doing, const std::string& path) {
  return absl::ErrnoToStatus(
      error, base::A(std::string("cannot ").append(doing) + " the agent's state directory " + path +
                     ": set `stateDir` in agent.yaml to a place that its user may write"));
}

}  // namespace

absl::StatusOr<StateDirectory> StateDirectory::Open(const std::string& path) {
  StateDirectory directory;
  directory.path_ = path;
  // Tasks of other users pass through it to their own files, which they know by name.
  if (mkdir(path.c_str(), 0711) != 0 && errno != EEXIST)
    return StateDirectoryError(errno, "make", path);
  const std::string lock_path = path + "/lock";
  directory.lock_.reset(open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!directory.lock_.valid()) return StateDirectoryError(errno, "write to", path);
  if (flock(directory.lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return StateDirectoryError(errno, "lock", path);
    const absl::StatusOr<std::string> holder = base::ReadSmallFile(lock_path);
    return absl::FailedPreconditionError(
        base::A("the state directory " + path + " is in use by another berth-agent (pid " +
                (holder.ok() && !holder->empty() ? *holder : "unknown") +
                "): stop that one, or give this one a `stateDir` of its own in its agent.yaml"));
  }
  const std::string pid = std::to_string(getpid());
  if (ftruncate(directory.lock_.get(), 0) != 0 ||
      pwrite(directory.lock_.get(), pid.data(), pid.size(), 0) !=
          static_cast<ssize_t>(pid.size())) {
    return StateDirectoryError(errno, "write to", path);
  }
  return directory;
}

}  // namespace berth::agentd
