#include "store/restore_swap.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/logging.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "snapshot/part_file.h"

namespace berth::store {
namespace {

constexpr char kIdentity[] = "/cluster.json";
constexpr char kDatabase[] = "/db";

bool Exists(const std::string& path) {
  struct stat found {};
  return ::lstat(path.c_str(), &found) == 0;
}

absl::Status Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, "cannot rename " + from + " to " + to);
}

}  // namespace

absl::Status RemoveTree(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (!error) return absl::OkStatus();
  return absl::ErrnoToStatus(error.value(), "cannot remove " + path);
}

absl::Status MarkRestoreReady(const std::string& directory) {
  const std::string unfinished = directory + "/" + kUnfinishedRestore;
  BERTH_RETURN_IF_ERROR(snapshot::SyncDirectory(unfinished));
  BERTH_RETURN_IF_ERROR(Rename(unfinished, directory + "/" + kReadyRestore));
  return snapshot::SyncDirectory(directory);
}

absl::StatusOr<std::string> SettleRestore(const std::string& directory, int64_t unix_s) {
  const std::string unfinished = directory + "/" + kUnfinishedRestore;
  const std::string ready = directory + "/" + kReadyRestore;
  if (Exists(unfinished)) {
    BERTH_LOG_WARN(
        "data directory \"{}\": a snapshot's restore was begun and not ended; what it left is "
        "removed, and the state is the one before it",
        directory);
    BERTH_RETURN_IF_ERROR(RemoveTree(unfinished));
  }
  if (!Exists(ready)) return std::string();

  // Each step may have been done by somebody who was killed after it.
  std::string moved_aside;
  if (Exists(ready + kDatabase)) {
    if (Exists(directory + kDatabase)) {
      moved_aside = directory + kDatabase + ".before-restore-" + std::to_string(unix_s);
      for (int i = 2; Exists(moved_aside); ++i) {
        moved_aside = directory + kDatabase + ".before-restore-" + std::to_string(unix_s) + "-" +
                      std::to_string(i);
      }
      BERTH_RETURN_IF_ERROR(Rename(directory + kDatabase, moved_aside));
    }
    if (!Exists(directory + kIdentity)) {
      BERTH_ASSIGN_OR_RETURN(const std::string identity, base::ReadSmallFile(ready + kIdentity));
      BERTH_RETURN_IF_ERROR(base::WriteFileAtomically(directory + kIdentity, identity, 0600));
    }
    // The old database must have its new name on disk before another has its name.
    BERTH_RETURN_IF_ERROR(snapshot::SyncDirectory(directory));
    BERTH_RETURN_IF_ERROR(Rename(ready + kDatabase, directory + kDatabase));
    BERTH_RETURN_IF_ERROR(snapshot::SyncDirectory(directory));
    BERTH_RETURN_IF_ERROR(snapshot::SyncDirectory(ready));
    BERTH_LOG_INFO("data directory \"{}\": the restored state is in force{}", directory,
                   moved_aside.empty() ? "" : "; the one before it is kept in " + moved_aside);
  }
  BERTH_RETURN_IF_ERROR(RemoveTree(ready));
  return moved_aside;
}

}  // namespace berth::store
