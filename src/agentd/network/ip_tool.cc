#include "agentd/network/ip_tool.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "base/utf8.h"
#include "shim/shim_process.h"

namespace berth::agentd {
namespace {

constexpr size_t kMostIpErrorBytes = 1024;
constexpr absl::Duration kDiesIn = absl::Seconds(1);

// All of a small file of memory.
std::string Content(int fd) {
  std::string text(kMostIpErrorBytes, '\0');
  const ssize_t got = pread(fd, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return base::ToValidUtf8(text);
}

int Plan(int input, int error_output, posix_spawn_file_actions_t& actions,
         posix_spawnattr_t& attributes) {
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  const int errors[] = {
      posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO),
      posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0),
      posix_spawn_file_actions_adddup2(&actions, error_output, STDERR_FILENO),
      posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1),
      // What the agent ignores or blocks is not the program's concern.
      posix_spawnattr_setsigdefault(&attributes, &all),
      posix_spawnattr_setsigmask(&attributes, &none),
      posix_spawnattr_setpgroup(&attributes, 0),
      posix_spawnattr_setflags(
          &attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP),
  };
  for (const int error : errors) {
    if (error != 0) return error;
  }
  return 0;
}

int Spawn(const std::vector<std::string>& arguments, int input, int error_output, pid_t& pid) {
  std::vector<char*> pointers;
  for (const std::string& text : arguments) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  int error = Plan(input, error_output, actions, attributes);
  if (error == 0) {
    error = posix_spawnp(&pid, pointers[0], &actions, &attributes, pointers.data(), environ);
  }
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

bool EndsIn(int pidfd, absl::Duration most) {
  const auto until = std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(most);
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd ended = {pidfd, POLLIN, 0};
    const int ready = poll(&ended, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

// With what it has started.
void Kill(pid_t pid, int pidfd) {
  kill(-pid, SIGKILL);
  if (EndsIn(pidfd, kDiesIn)) {
    waitpid(pid, nullptr, 0);
    return;
  }
  // Within a system call that cannot be broken off, for a lock of the kernel's: it dies when that
  // returns, and somebody must be there for it then. What waits for this program must not.
  std::thread([pid] { waitpid(pid, nullptr, 0); }).detach();
}

}  // namespace

absl::Status RunIpTool(const std::vector<std::string>& arguments, std::string_view input,
                       absl::Duration most) {
  const base::UniqueFd in(memfd_create("input", MFD_CLOEXEC));
  const base::UniqueFd error_output(memfd_create("errors", MFD_CLOEXEC));
  if (!in.valid() || !error_output.valid() ||
      pwrite(in.get(), input.data(), input.size(), 0) != static_cast<ssize_t>(input.size())) {
    return absl::ErrnoToStatus(errno, base::A("cannot prepare input for " + arguments[0]));
  }
  pid_t pid = -1;
  if (const int error = Spawn(arguments, in.get(), error_output.get(), pid); error != 0) {
    if (error == ENOENT) {
      return absl::NotFoundError(
          base::A("there is no program \"" + arguments[0] + "\" on the node: install iproute2"));
    }
    return absl::ErrnoToStatus(error, base::A("cannot start " + arguments[0]));
  }
  const base::UniqueFd pidfd(shim::OpenPidFd(pid));
  if (!pidfd.valid()) {  // without one there is no waiting for just so long
    kill(-pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return absl::ErrnoToStatus(-pidfd.get(), base::A("cannot watch " + arguments[0]));
  }
  if (!EndsIn(pidfd.get(), most)) {
    Kill(pid, pidfd.get());
    return absl::DeadlineExceededError(base::A(arguments[0] + " did not end in " +
                                               absl::FormatDuration(most) + " and was killed"));
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::UnavailableError(base::A(arguments[0] + ": " + Content(error_output.get())));
}

}  // namespace berth::agentd
