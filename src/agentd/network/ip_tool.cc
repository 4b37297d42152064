#include "agentd/network/ip_tool.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "base/utf8.h"

namespace berth::agentd {
namespace {

constexpr size_t kMostErrorBytes = 1024;

// All of a small file of memory.
std::string Content(int fd) {
  std::string text(kMostErrorBytes, '\0');
  const ssize_t got = pread(fd, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return base::ToValidUtf8(text);
}

int Spawn(const std::vector<std::string>& arguments, int input, int error_output, pid_t& pid) {
  std::vector<char*> pointers;
  for (const std::string& text : arguments) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, error_output, STDERR_FILENO);
  const int error = posix_spawnp(&pid, pointers[0], &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

absl::Status RunIpTool(const std::vector<std::string>& arguments, std::string_view input) {
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
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::UnavailableError(base::A(arguments[0] + ": " + Content(error_output.get())));
}

}  // namespace berth::agentd
