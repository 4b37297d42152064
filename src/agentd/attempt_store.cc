#include "agentd/attempt_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <system_error>

#include "base/logging.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/unique_fd.h"

namespace berth::agentd {
namespace {

constexpr mode_t kPassThrough = 0711;
constexpr size_t kLargestSpec = 16u << 20;

absl::Status PathError(int error, std::string_view doing, const std::string& path) {
  return absl::ErrnoToStatus(error, base::A(std::string("cannot ").append(doing) + " " + path));
}

// Whole blocks only: of a part of one, the bytes would be overwritten with zeros.
int64_t Blocks(int64_t bytes) { return bytes - bytes % (64 << 10); }

absl::Status MakeDirectory(const std::string& path, mode_t mode) {
  // chmod: the agent's umask is not the tasks' concern.
  if (mkdir(path.c_str(), mode) == 0 && chmod(path.c_str(), mode) == 0) return absl::OkStatus();
  return errno == EEXIST ? absl::OkStatus() : PathError(errno, "make", path);
}

// A file that lasts no longer than the attempt: not synced.
absl::Status WriteFile(const std::string& path, std::string_view bytes, mode_t mode) {
  const base::UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!fd.valid()) return PathError(errno, "open", path);
  while (!bytes.empty()) {
    const ssize_t written = write(fd.get(), bytes.data(), bytes.size());
    if (written < 0) return PathError(errno, "write", path);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status GiveTo(const std::string& path, const ProcessDriver::Identity& identity) {
  if (!identity.becomes) return absl::OkStatus();
  if (chown(path.c_str(), identity.uid, identity.gid) == 0) return absl::OkStatus();
  return PathError(errno, "give its user", path);
}

void RemoveIfEmpty(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) == 0 && info.st_size == 0) unlink(path.c_str());
}

int64_t AgeMs(const std::string& path, int64_t now_unix_ms) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return -1;
  return now_unix_ms - int64_t{info.st_mtim.tv_sec} * 1000;
}

void RemoveTree(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) BERTH_LOG_WARN("cannot remove {}: {}", path, error.message());
}

}  // namespace

absl::Status AttemptStore::Open() const { return MakeDirectory(root_, kPassThrough); }

ProcessDriver::Paths AttemptStore::Paths(const AttemptKey& key) const {
  const std::string directory = Directory(key);
  return {directory + "/stdout", directory + "/stderr", directory + "/script",
          directory + "/scratch"};
}

std::vector<AttemptKey> AttemptStore::List() const {
  std::vector<AttemptKey> keys;
  DIR* directory = opendir(root_.c_str());
  if (directory == nullptr) return keys;
  while (const dirent* entry = readdir(directory)) {
    if (const auto key = ParseAttemptKey(entry->d_name)) keys.push_back(*key);
  }
  closedir(directory);
  std::sort(keys.begin(), keys.end());
  return keys;
}

bool AttemptStore::Exists(const AttemptKey& key) const {
  return access(Directory(key).c_str(), F_OK) == 0;
}

absl::Status AttemptStore::Write(const AttemptKey& key, const ProcessDriver::Prepared& prepared,
                                 std::string_view script,
                                 const ProcessDriver::Identity& identity) const {
  const std::string directory = Directory(key);
  BERTH_RETURN_IF_ERROR(MakeDirectory(directory, kPassThrough));
  const ProcessDriver::Paths paths = Paths(key);
  if (prepared.needs_script) {
    unlink(paths.script.c_str());  // an earlier try's may be its user's, and read-only
    BERTH_RETURN_IF_ERROR(WriteFile(paths.script, script, 0500));
    BERTH_RETURN_IF_ERROR(GiveTo(paths.script, identity));
  }
  if (prepared.needs_scratch) {
    BERTH_RETURN_IF_ERROR(MakeDirectory(paths.scratch, 0700));
    BERTH_RETURN_IF_ERROR(GiveTo(paths.scratch, identity));
  }
  const std::string spec = shim::EncodeSpec(prepared.spec);
  if (spec.empty()) {
    return absl::InvalidArgumentError(
        "an argument or a variable of the task has a NUL byte inside");
  }
  return WriteFile(directory + "/" + shim::kSpecFileName, spec, 0600);
}

absl::StatusOr<std::string> AttemptStore::ReadSpec(const AttemptKey& key) const {
  return base::ReadSmallFile(Directory(key) + "/" + shim::kSpecFileName, kLargestSpec);
}

void AttemptStore::Tidy(const AttemptKey& key) const {
  const std::string directory = Directory(key);
  const ProcessDriver::Paths paths = Paths(key);
  unlink((directory + "/" + shim::kSpecFileName).c_str());
  unlink((directory + "/" + shim::kStatusFileName).c_str());
  RemoveIfEmpty(paths.output);
  RemoveIfEmpty(paths.error);
  if (rmdir(directory.c_str()) == 0 || errno == ENOENT) return;
  unlink(paths.script.c_str());
  rmdir(paths.scratch.c_str());
  rmdir(directory.c_str());
}

void AttemptStore::CapOutput(const AttemptKey& key) const {
  const ProcessDriver::Paths paths = Paths(key);
  for (const std::string* path : {&paths.output, &paths.error}) {
    struct stat info = {};
    if (stat(path->c_str(), &info) != 0) continue;
    // What the file takes up, not how long it is: a hole at its start is what this makes.
    if (int64_t{info.st_blocks} * 512 <= 2 * kKeepOutputBytes) continue;
    if (info.st_size <= kKeepOutputBytes) continue;
    const base::UniqueFd fd(open(path->c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd.valid() || fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                                 Blocks(info.st_size - kKeepOutputBytes)) != 0) {
      BERTH_LOG_WARN("{} is {} bytes long and cannot be shortened: errno {}", *path, info.st_size,
                     errno);
    }
  }
}

void AttemptStore::Sweep(int64_t now_unix_ms,
                         const std::function<bool(const AttemptKey&)>& live) const {
  uint64_t expired_through = 0;
  for (const AttemptKey& key : List()) {
    if (live(key)) continue;
    const ProcessDriver::Paths paths = Paths(key);
    // A directory's own time is that of its last tidying.
    const int64_t age = AgeMs(Directory(key), now_unix_ms);
    if (age > kKeepOutputMs) {
      RemoveTree(Directory(key));
      expired_through = std::max(expired_through, key.job_id);
    } else if (age > kKeepScratchMs && access(paths.scratch.c_str(), F_OK) == 0) {
      struct stat info = {};
      const bool known = stat(Directory(key).c_str(), &info) == 0;
      RemoveTree(paths.scratch);
      // Removing it made the directory new: the output's time goes on from where it was.
      const timespec times[2] = {info.st_atim, info.st_mtim};
      if (known) utimensat(AT_FDCWD, Directory(key).c_str(), times, 0);
    }
  }
  if (expired_through == 0) return;
  const absl::StatusOr<std::string> before = base::ReadSmallFile(ExpiredPath());
  uint64_t through = 0;
  if (before.ok()) std::from_chars(before->data(), before->data() + before->size(), through);
  if (through >= expired_through) return;
  const absl::Status written =
      base::WriteFileAtomically(ExpiredPath(), std::to_string(expired_through), 0600);
  if (!written.ok()) BERTH_LOG_WARN("{}", written.ToString());
}

bool AttemptStore::MayHaveExpired(const AttemptKey& key) const {
  const absl::StatusOr<std::string> text = base::ReadSmallFile(ExpiredPath());
  uint64_t through = 0;
  if (!text.ok()) return false;
  std::from_chars(text->data(), text->data() + text->size(), through);
  return key.job_id <= through;
}

}  // namespace berth::agentd
