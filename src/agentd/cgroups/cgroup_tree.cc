#include "agentd/cgroups/cgroup_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <sstream>
#include <string_view>

#include "base/path_error.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace berth::agentd {

absl::Status CgroupTree::MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) return absl::OkStatus();
  if (errno != ENOENT) return base::PathError(errno, "make the cgroup", path);
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0)
    return base::PathError(ENOENT, "make the cgroup", path);
  BERTH_RETURN_IF_ERROR(MakeDirectory(path.substr(0, slash)));
  if (mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) return absl::OkStatus();
  return base::PathError(errno, "make the cgroup", path);
}

absl::Status CgroupTree::RemoveDirectory(const std::string& path) {
  if (rmdir(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  if (errno == EBUSY && HasDirectories(path)) {
    for (const std::string& name : Directories(path)) {
      BERTH_RETURN_IF_ERROR(RemoveDirectory(path + "/" + name));
    }
    if (rmdir(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  }
  return base::PathError(errno, "remove the cgroup", path);
}

absl::Status CgroupTree::Write(const std::string& path, std::string_view text) {
  const base::UniqueFd fd(open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  if (!fd.valid()) return base::PathError(errno, "open", path);
  if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return base::PathError(errno, std::string("write \"").append(text) + "\" to", path);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> CgroupTree::Read(const std::string& path) {
  return base::ReadSmallFile(path);
}

std::optional<int64_t> CgroupTree::ReadNumber(const std::string& path, std::string_view label) {
  const base::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return std::nullopt;
  char buffer[4096];
  const ssize_t got = read(fd.get(), buffer, sizeof(buffer));
  if (got <= 0) return std::nullopt;
  const std::string_view text(buffer, static_cast<size_t>(got));
  const size_t at = text.find(label);
  if (at == std::string_view::npos) return std::nullopt;
  const char* first = text.data() + at + label.size();
  int64_t number = 0;
  const auto [end, error] = std::from_chars(first, text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  return number;
}

std::vector<pid_t> CgroupTree::Processes(const std::string& path) {
  std::vector<pid_t> processes;
  const auto text = Read(path + "/cgroup.procs");
  if (!text.ok()) return processes;
  std::istringstream lines(*text);
  for (pid_t pid = 0; lines >> pid;) processes.push_back(pid);
  return processes;
}

bool CgroupTree::Exists(const std::string& path) const { return access(path.c_str(), F_OK) == 0; }

std::vector<std::string> CgroupTree::Directories(const std::string& path) const {
  std::vector<std::string> names;
  DIR* directory = opendir(path.c_str());
  if (directory == nullptr) return names;
  while (const dirent* entry = readdir(directory)) {
    const std::string name = entry->d_name;
    struct stat info = {};
    if (name == "." || name == "..") continue;
    if (stat((path + "/" + name).c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
      names.push_back(name);
    }
  }
  closedir(directory);
  std::sort(names.begin(), names.end());
  return names;
}

bool CgroupTree::HasDirectories(const std::string& path) const {
  // Each directory in it has a ".." that counts as a link.
  struct stat info = {};
  return stat(path.c_str(), &info) == 0 && info.st_nlink > 2;
}

absl::StatusOr<base::UniqueFd> CgroupTree::Lock(const std::string& path) {
  base::UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return base::PathError(errno, "open", path);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return absl::FailedPreconditionError(
          base::A(path +
                  " is in use by another agent on this machine: give each agent a cgroupRoot of its"
                  " own in its agent.yaml"));
    }
    return base::PathError(errno, "lock", path);
  }
  return fd;
}

}  // namespace berth::agentd
