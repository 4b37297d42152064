#include "agentd/commands/command_runner.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/quantities.h"
#include "base/utf8.h"
#include "shim/shim_process.h"

namespace berth::agentd {
namespace {

// As much as fits into a pipe: what a command wrote before it ended is read whole.
constexpr size_t kMostAtOnce = 64 << 10;

// The attributes and actions of posix_spawn(3), freed at the end.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
  }

  int Configure(int output) {
    sigset_t all;
    sigset_t none;
    sigfillset(&all);
    sigemptyset(&none);
    const int errors[] = {
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0),
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO),
        posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO),
        posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1),
        posix_spawn_file_actions_addchdir_np(&actions, "/"),
        posix_spawnattr_setpgroup(&attributes, 0),
        posix_spawnattr_setsigdefault(&attributes, &all),
        posix_spawnattr_setsigmask(&attributes, &none),
        posix_spawnattr_setflags(
            &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK),
    };
    for (const int error : errors) {
      if (error != 0) return error;
    }
    return 0;
  }

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& text : strings) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

int Spawn(const Command& command, int output, pid_t& pid) {
  SpawnPlan plan;
  if (const int error = plan.Configure(output); error != 0) return error;
  return posix_spawn(&pid, command.arguments[0].c_str(), &plan.actions, &plan.attributes,
                     Pointers(command.arguments).data(), Pointers(command.environment).data());
}

std::string LastLine(const std::string& output) {
  const size_t end = output.find_last_not_of(" \n\r\t");
  if (end == std::string::npos) return "";
  const size_t begin = output.find_last_of("\n\r", end);
  const size_t first = begin == std::string::npos ? 0 : begin + 1;
  return base::ToValidUtf8(std::string_view(output).substr(first, end + 1 - first));
}

}  // namespace

std::string Describe(const CommandResult& result) {
  std::string text;
  if (!result.why_not.empty()) {
    text = "could not be started: " + result.why_not;
  } else if (result.error != 0) {
    char buffer[256];
    text = std::string("could not be started: ") + strerror_r(result.error, buffer, sizeof(buffer));
  } else if (result.timed_out) {
    text = "took too long and was killed";
  } else if (result.wrote_more_than > 0) {
    text = "wrote more than " + base::FormatBytes(result.wrote_more_than) +
           " of output and was killed";
  } else if (result.signal != 0) {
    text = "was killed by signal " + std::to_string(result.signal);
  } else {
    text = "exited with " + std::to_string(result.exit_code);
  }
  const std::string line = LastLine(result.output);
  return line.empty() ? text : text + ": " + line;
}

CommandRunner::~CommandRunner() {
  while (!running_.empty()) Cancel(running_.begin()->first);
}

uint64_t CommandRunner::Run(const Command& command, Done done) {
  const uint64_t id = next_id_++;
  Running running;
  running.done = std::move(done);
  int ends[2] = {-1, -1};
  // At this end alone: few programs expect that of what they write to.
  int error = pipe2(ends, O_CLOEXEC) == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 ? 0 : errno;
  const base::UniqueFd write_end(ends[1]);
  running.output.reset(ends[0]);
  if (error == 0) error = Spawn(command, write_end.get(), running.pid);
  if (error == 0) {
    running.pidfd.reset(shim::OpenPidFd(running.pid));
    if (!running.pidfd.valid()) {
      error = -running.pidfd.get();
      kill(-running.pid, SIGKILL);
      waitpid(running.pid, nullptr, 0);
    }
  }
  if (error != 0) {
    running.result.error = error;
    loop_.Post([done = std::move(running.done), result = std::move(running.result)]() mutable {
      done(std::move(result));
    });
    return id;
  }
  loop_.Watch(running.output.get(), [this, id] { OnOutput(id); });
  loop_.Watch(running.pidfd.get(), [this, id] { OnExit(id); });
  running_.emplace(id, std::move(running));
  loop_.At(clock_.MonotonicMs() + command.timeout_ms, [this, id] {
    const auto late = running_.find(id);
    if (late == running_.end()) return;
    late->second.result.timed_out = true;
    kill(-late->second.pid, SIGKILL);
  });
  return id;
}

void CommandRunner::Cancel(uint64_t id) {
  const auto found = running_.find(id);
  if (found == running_.end()) return;
  kill(-found->second.pid, SIGKILL);
  // SIGKILL is on its way: this waits for no longer than the kernel takes.
  waitpid(found->second.pid, nullptr, 0);
  Forget(id);
}

// What is there, up to a bound: who writes faster than this reads must not hold up all else, its
// own timeout first. The loop comes back for the rest.
void CommandRunner::ReadOutput(Running& running) {
  char buffer[kMostOutput];
  std::string& output = running.result.output;
  for (size_t total = 0; total < kMostAtOnce;) {
    const ssize_t got = read(running.output.get(), buffer, sizeof(buffer));
    if (got > 0) {
      total += static_cast<size_t>(got);
      output.append(buffer, static_cast<size_t>(got));
      if (output.size() > kMostOutput) output.erase(0, output.size() - kMostOutput);
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) {  // nobody writes any more
      loop_.Unwatch(running.output.get());
      running.output.reset();
    }
    return;
  }
}

void CommandRunner::OnOutput(uint64_t id) {
  const auto found = running_.find(id);
  if (found != running_.end()) ReadOutput(found->second);
}

void CommandRunner::OnExit(uint64_t id) {
  Running& running = running_.at(id);
  if (running.output.valid()) ReadOutput(running);
  int status = 0;
  waitpid(running.pid, &status, 0);
  // What it may have left behind.
  kill(-running.pid, SIGKILL);
  if (WIFEXITED(status)) running.result.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) running.result.signal = WTERMSIG(status);
  const Done done = std::move(running.done);
  CommandResult result = std::move(running.result);
  Forget(id);
  done(std::move(result));
}

void CommandRunner::Forget(uint64_t id) {
  const auto found = running_.find(id);
  loop_.Unwatch(found->second.pidfd.get());
  if (found->second.output.valid()) loop_.Unwatch(found->second.output.get());
  running_.erase(found);
}

}  // namespace berth::agentd
