// The program `berth`: gives the CLI its terminal, its environment and its signals.
#include <fcntl.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "base/clock.h"
#include "cli/berth_cli.h"
#include "cli/byte_sink.h"
#include "cli/process.h"

namespace {

using berth::base::UniqueFd;

// Whether both are one terminal that understands how to clear a line.
bool AreOneTerminal(int a, int b) {
  struct stat first = {};
  struct stat second = {};
  const char* const kind = std::getenv("TERM");
  return isatty(a) == 1 && isatty(b) == 1 && fstat(a, &first) == 0 && fstat(b, &second) == 0 &&
         first.st_rdev == second.st_rdev && kind != nullptr && std::strcmp(kind, "dumb") != 0;
}

// One that does not say how wide it is, is taken for the narrowest there is.
int TerminalColumns() {
  constexpr int kNarrowest = 80;
  winsize size = {};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kNarrowest;
}

std::optional<std::string> Environment(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

absl::StatusOr<std::string> WorkingDirectory() {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::current_path(error);
  if (error) {
    return absl::FailedPreconditionError(
        "the current directory cannot be named: " + error.message() +
        "; change to another, or give "
        "--workdir");
  }
  return path.string();
}

absl::StatusOr<std::string> ReadStdin(std::size_t max_bytes) {
  std::string text;
  std::array<char, 65536> part = {};
  while (text.size() < max_bytes) {
    const ssize_t got = read(STDIN_FILENO, part.data(), part.size());
    if (got == 0) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return absl::FailedPreconditionError(std::string("standard input: ") + std::strerror(errno));
    }
    text.append(part.data(), static_cast<std::size_t>(got));
  }
  return text;
}

// The directory that this program is in, with a slash at its end; empty when it cannot be told.
std::string OwnDirectory() {
  std::array<char, 4096> path = {};
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size() - 1);
  const std::string self(path.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
  return self.substr(0, self.rfind('/') + 1);
}

absl::Status Become(const std::string& program, const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  const std::string directory = OwnDirectory();
  if (!directory.empty()) execv((directory + program).c_str(), argv.data());
  if (errno == ENOENT) execvp(program.c_str(), argv.data());
  const int error = errno;
  std::signal(SIGPIPE, SIG_IGN);
  if (error == ENOENT) {
    return absl::NotFoundError(program + " is neither in " + directory +
                               " nor in PATH; run this where it is installed");
  }
  return absl::ErrnoToStatus(error, "cannot run " + program);
}

UniqueFd OpenInterrupts() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  if (sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) return UniqueFd();
  return UniqueFd(signalfd(-1, &signals, SFD_CLOEXEC));
}

UniqueFd OpenWindowChanges() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGWINCH);
  if (sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) return UniqueFd();
  return UniqueFd(signalfd(-1, &signals, SFD_CLOEXEC));
}

// Beside this program, or where an installation has it.
absl::StatusOr<berth::cli::FilesProcess> StartFiles(const std::vector<std::string>& arguments) {
  std::string program = OwnDirectory() + "berth-files";
  if (const std::string installed = OwnDirectory() + "../libexec/berth/berth-files";
      access(program.c_str(), X_OK) != 0 && access(installed.c_str(), X_OK) == 0) {
    program = installed;
  }
  if (access(program.c_str(), X_OK) != 0) {
    return absl::NotFoundError(program +
                               " is not there: it comes with berth and does its work on "
                               "files; install it beside " +
                               OwnDirectory() + "berth");
  }
  std::array<std::array<int, 2>, 3> pipes = {};
  for (auto& ends : pipes) {
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
      return absl::ErrnoToStatus(errno, "cannot make a pipe");
    }
  }
  std::vector<char*> argv = {program.data()};
  std::vector<std::string> words = arguments;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t pipe;
  sigemptyset(&none);
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &pipe);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawn_file_actions_adddup2(&actions, pipes[0][0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, pipes[1][1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, pipes[2][1], STDERR_FILENO);
  pid_t pid = -1;
  const int error = posix_spawn(&pid, program.c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(pipes[0][0]);
  close(pipes[1][1]);
  close(pipes[2][1]);
  berth::cli::FilesProcess process;
  process.input.reset(pipes[0][1]);
  process.output.reset(pipes[1][0]);
  process.error.reset(pipes[2][0]);
  if (error != 0) return absl::ErrnoToStatus(error, "cannot start " + program);
  process.wait = [pid] {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  };
  return process;
}

}  // namespace

int main(int argc, char** argv) {
  // A reader that goes away is noticed by the write: `run` then cancels its job.
  std::signal(SIGPIPE, SIG_IGN);
  berth::base::SystemClock clock;
  berth::cli::FdSink out(STDOUT_FILENO);
  berth::cli::FdSink err(STDERR_FILENO);
  berth::cli::Process process;
  process.out = &out;
  process.err = &err;
  process.on_terminal = AreOneTerminal(STDOUT_FILENO, STDERR_FILENO);
  process.out_is_terminal = isatty(STDOUT_FILENO) == 1;
  process.in_is_terminal = isatty(STDIN_FILENO) == 1;
  process.columns = process.on_terminal ? TerminalColumns() : 0;
  process.clock = &clock;
  process.environment = Environment;
  process.working_directory = WorkingDirectory;
  process.read_stdin = ReadStdin;
  process.become = Become;
  process.open_interrupts = OpenInterrupts;
  process.stdin_fd = STDIN_FILENO;
  process.open_window_changes = OpenWindowChanges;
  process.start_files = StartFiles;
  const int code =
      berth::cli::RunBerthCli(std::vector<std::string>(argv + 1, argv + argc), process);
  // Nothing is left to write or to close; taking the libraries apart would cost a third of the run.
  _exit(code);
}
