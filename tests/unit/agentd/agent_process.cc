#include "tests/unit/agentd/agent_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "agentd/attempt_store.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "shim/shim_process.h"

namespace berth::testing {
namespace {

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::string Program(const std::string& name) {
  const char* build = getenv("BERTH_BUILD_DIR");
  BERTH_CHECK(build != nullptr) << "run this test through ctest, which sets BERTH_BUILD_DIR";
  return std::string(build) + "/bin/" + name;
}

int WaitForExit(pid_t pid) {
  int status = 0;
  pid_t got;
  do {
    got = waitpid(pid, &status, 0);
  } while (got < 0 && errno == EINTR);
  BERTH_CHECK(got == pid);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

AgentProcess::AgentProcess()
    : has_cgroups_(OwnCgroupRoot::Usable()), daemon_(dir_.path() + "/berthd.sock") {
  BERTH_CHECK(chmod(dir_.path().c_str(), 0711) == 0);
  settings_ = {{"server", "unix:" + dir_.path() + "/berthd.sock"},
               {"nodeName", "node-a"},
               {"stateDir", state_dir()},
               {"shim", Program("berth-shim")},
               {"cgroupRoot", cgroup_root_.name()},
               {"isolation", has_cgroups_ ? "v1" : "none"},
               {"allowRoot", "true"}};
}

AgentProcess::~AgentProcess() {
  if (pid_ > 0) Kill();
  // What a sanitizer found in the agent: its exit code is not always looked at.
  EXPECT_EQ(Log().find("Sanitizer"), std::string::npos) << Log();
  const base::SystemClock clock;
  const agentd::AttemptStore store(state_dir(), clock);
  for (const agentd::AttemptKey& key : store.List()) {
    const std::string status = store.Directory(key) + "/" + shim::kStatusFileName;
    const base::UniqueFd fd(open(status.c_str(), O_RDONLY | O_CLOEXEC));
    const auto note = shim::ReadStatus(fd.get(), shim::StatusKind::kShim);
    if (!note) continue;
    const base::UniqueFd pidfd(shim::OpenPidFd(note->shim_pid));
    shim::QueueStop(pidfd.get(), 0);
    // Until it has gone, its files are in use.
    WaitUntil([&] { return kill(note->shim_pid, 0) != 0; });
  }
}

void AgentProcess::WriteConfig() const {
  std::ofstream config(path("agent.yaml"));
  for (const auto& [key, value] : settings_) config << key << ": " << value << "\n";
}

void AgentProcess::Spawn() {
  BERTH_CHECK(pid_ < 0);
  WriteConfig();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, path("log").c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0644);
  // Nor may it hold the test's output open: whoever reads that waits for its end.
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  const std::string program = Program("berth-agent");
  const std::string config = path("agent.yaml");
  char* const arguments[] = {const_cast<char*>(program.c_str()), const_cast<char*>("--config"),
                             const_cast<char*>(config.c_str()), nullptr};
  BERTH_CHECK(posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments, environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
}

v1::Hello AgentProcess::Start() {
  Spawn();
  return daemon_.WaitForSession();
}

int AgentProcess::StartAndWait() {
  Spawn();
  const int code = WaitForExit(pid_);
  pid_ = -1;
  return code;
}

void AgentProcess::Kill() {
  Signal(SIGKILL);
  WaitForExit(pid_);
  pid_ = -1;
}

int AgentProcess::Terminate() {
  Signal(SIGTERM);
  const int code = WaitForExit(pid_);
  pid_ = -1;
  return code;
}

void AgentProcess::Signal(int signal) const { BERTH_CHECK(kill(pid_, signal) == 0); }

void AgentProcess::WaitUntil(const std::function<bool()>& ready) {
  for (int tries = 0; !ready(); ++tries) {
    BERTH_CHECK(tries < 60'000) << "waited in vain";
    usleep(1000);
  }
}

void AgentProcess::WaitForLog(const std::string& text) const {
  WaitUntil([&] { return Log().find(text) != std::string::npos; });
}

std::string AgentProcess::Log() const { return ReadAll(path("log")); }

int AgentProcess::CountProcesses(const std::string& word) {
  int count = 0;
  DIR* proc = opendir("/proc");
  while (const dirent* entry = readdir(proc)) {
    const std::string command = ReadAll("/proc/" + std::string(entry->d_name) + "/cmdline");
    if (command.find(word) != std::string::npos) ++count;
  }
  closedir(proc);
  return count;
}

}  // namespace berth::testing
