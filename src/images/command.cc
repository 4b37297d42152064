#include "images/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "absl/status/status.h"
#include "base/strings.h"
#include "base/unique_fd.h"

namespace berth::images {
namespace {

constexpr size_t kKeptBytes = 64 << 10;
constexpr int kAskEveryMs = 100;

std::string LastLine(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

int Spawn(const std::vector<std::string>& arguments, int output, pid_t& pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  std::vector<char*> pointers;
  for (const std::string& each : arguments) pointers.push_back(const_cast<char*>(each.c_str()));
  pointers.push_back(nullptr);
  const int error = posix_spawn(&pid, pointers[0], &actions, &attributes, pointers.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

std::string FindProgram(const std::string& name) {
  if (name.empty()) return "";
  if (name.find('/') != std::string::npos) return access(name.c_str(), X_OK) == 0 ? name : "";
  const char* path = getenv("PATH");
  std::string rest = path == nullptr ? "/usr/sbin:/usr/bin:/sbin:/bin" : path;
  for (size_t at = 0; at <= rest.size();) {
    const size_t end = std::min(rest.find(':', at), rest.size());
    const std::string file = rest.substr(at, end - at) + "/" + name;
    if (file.front() == '/' && access(file.c_str(), X_OK) == 0) return file;
    at = end + 1;
  }
  return "";
}

absl::StatusOr<std::string> RunCommand(const std::vector<std::string>& arguments,
                                       std::chrono::seconds most,
                                       const std::function<bool()>& stopped) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "cannot make a pipe");
  const base::UniqueFd output(ends[0]);
  base::UniqueFd theirs(ends[1]);
  pid_t pid = -1;
  if (const int error = Spawn(arguments, theirs.get(), pid); error != 0) {
    return absl::ErrnoToStatus(error, base::A("cannot run " + arguments[0]));
  }
  theirs.reset();
  const auto until = std::chrono::steady_clock::now() + most;
  std::string text;
  const char* cut_short = nullptr;
  for (;;) {
    pollfd ready = {output.get(), POLLIN, 0};
    if (poll(&ready, 1, kAskEveryMs) > 0) {
      char buffer[4096];
      const ssize_t got = read(output.get(), buffer, sizeof(buffer));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      text.append(buffer, static_cast<size_t>(got));
      if (text.size() > 2 * kKeptBytes) text.erase(0, text.size() - kKeptBytes);
    }
    if (stopped()) cut_short = "the agent is stopping";
    if (std::chrono::steady_clock::now() >= until) cut_short = "it took too long";
    if (cut_short != nullptr) {
      kill(-pid, SIGKILL);
      break;
    }
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (cut_short != nullptr) {
    return absl::DeadlineExceededError(base::A(arguments[0] + " was killed: " + cut_short));
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return absl::FailedPreconditionError(base::A(arguments[0] + " failed: " + LastLine(text)));
  }
  return text;
}

}  // namespace berth::images
