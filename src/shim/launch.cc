#include "shim/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

namespace berth::shim {
namespace {

constexpr int kNotExecuted = 127;
constexpr size_t kChildStackBytes = 64 * 1024;
constexpr char kDefaultPath[] = "/usr/local/bin:/usr/bin:/bin";

struct Child {
  const SpecView* spec;
  int output = -1;
  int error = -1;
  pid_t shim_pid = 0;
  LaunchResult result;
};

// Runs in the child: notes what failed, for the shim to read, and ends it.
[[noreturn]] void Fail(Child& child, StartStep step, int error, uint32_t item = 0) {
  child.result.step = step;
  child.result.error = error;
  child.result.item = item;
  _exit(kNotExecuted);
}

void JoinCgroups(Child& child) {
  for (uint32_t i = 0; i < child.spec->header->cgroup_count; ++i) {
    const int fd = open(child.spec->cgroup_procs[i], O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1) Fail(child, StartStep::kJoinCgroup, errno, i);
    close(fd);
  }
}

void SetLimits(Child& child) {
  const SpecHeader& header = *child.spec->header;
  umask(header.umask);
  if (header.nice != 0 && setpriority(PRIO_PROCESS, 0, header.nice) != 0) {
    Fail(child, StartStep::kLimits, errno);
  }
  if (header.open_files_soft == 0) return;
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) Fail(child, StartStep::kLimits, errno);
  files.rlim_cur =
      header.open_files_soft < files.rlim_max ? header.open_files_soft : files.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &files) != 0) Fail(child, StartStep::kLimits, errno);
}

void BecomeUser(Child& child) {
  const SpecHeader& header = *child.spec->header;
  if (header.switch_user == 0) return;
  // The system calls themselves: libc's wrappers would change every thread that shares this memory.
  if (syscall(SYS_setgroups, static_cast<size_t>(header.group_count), child.spec->groups) != 0 ||
      syscall(SYS_setresgid, header.gid, header.gid, header.gid) != 0 ||
      syscall(SYS_setresuid, header.uid, header.uid, header.uid) != 0) {
    Fail(child, StartStep::kChangeUser, errno);
  }
}

// PATH as the task's environment has it.
const char* SearchPath(const SpecView& spec) {
  for (char** entry = spec.environment; *entry != nullptr; ++entry) {
    if (strncmp(*entry, "PATH=", 5) == 0) return *entry + 5;
  }
  return kDefaultPath;
}

// Executes the program; returns only when that failed, after Fail().
[[noreturn]] void Execute(Child& child) {
  const SpecView& spec = *child.spec;
  const char* program = spec.arguments[0];
  if (strchr(program, '/') != nullptr) {
    execve(program, spec.arguments, spec.environment);
    Fail(child, StartStep::kExecute, errno);
  }
  const size_t name_length = strlen(program);
  if (name_length == 0) Fail(child, StartStep::kFindProgram, ENOENT);
  char path[4096];
  int worst = ENOENT;
  for (const char* at = SearchPath(spec);;) {
    const char* end = strchrnul(at, ':');
    const auto length = static_cast<size_t>(end - at);
    if (length + name_length + 2 <= sizeof(path)) {
      memcpy(path, at, length);
      // An empty entry means the working directory.
      size_t used = length;
      if (length > 0) path[used++] = '/';
      memcpy(path + used, program, name_length + 1);
      execve(path, spec.arguments, spec.environment);
      // Found, but it cannot be executed: this is what the person must hear, unless a later
      // directory has one that can.
      if (errno != ENOENT && errno != ENOTDIR) worst = errno;
      if (worst != ENOENT && worst != EACCES) Fail(child, StartStep::kExecute, worst);
    }
    if (*end == '\0') break;
    at = end + 1;
  }
  Fail(child, worst == ENOENT ? StartStep::kFindProgram : StartStep::kExecute, worst);
}

int RunChild(void* argument) {
  auto& child = *static_cast<Child*>(argument);
  setpgid(0, 0);
  JoinCgroups(child);
  if (dup2(child.output, STDOUT_FILENO) < 0) Fail(child, StartStep::kOpenOutput, errno, 1);
  if (dup2(child.error, STDERR_FILENO) < 0) Fail(child, StartStep::kOpenOutput, errno, 2);
  SetLimits(child);
  BecomeUser(child);
  // Without its shim nobody would learn how the task ended: it goes with it. Set after the change
  // of user, which clears it.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != child.shim_pid) _exit(kNotExecuted);
  const char* directory = child.spec->working_directory;
  if (directory[0] != '\0' && chdir(directory) != 0) {
    Fail(child, StartStep::kWorkingDirectory, errno);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  Execute(child);
}

int OpenOutput(const SpecView& spec, const char* path) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
  if (fd < 0) return -1;
  // The task may open /dev/stdout anew: that needs the file to be its own.
  const SpecHeader& header = *spec.header;
  if (header.switch_user != 0 && fchown(fd, header.uid, header.gid) != 0) {
    const int saved = errno;
    close(fd);
    errno = saved;
    return -1;
  }
  return fd;
}

}  // namespace

LaunchResult Launch(const SpecView& spec) {
  alignas(16) static char stack[kChildStackBytes];
  Child child;
  child.spec = &spec;
  child.shim_pid = getpid();
  child.output = OpenOutput(spec, spec.output_path);
  if (child.output < 0) return {-1, StartStep::kOpenOutput, errno, 1};
  child.error = OpenOutput(spec, spec.error_path);
  if (child.error < 0) {
    const int saved = errno;
    close(child.output);
    return {-1, StartStep::kOpenOutput, saved, 2};
  }
  const pid_t pid =
      clone(RunChild, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &child);
  const int clone_error = errno;
  close(child.output);
  close(child.error);
  if (pid < 0) return {-1, StartStep::kClone, clone_error, 0};
  if (child.result.step != StartStep::kStarted) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return child.result;
  }
  child.result.pid = pid;
  return child.result;
}

}  // namespace berth::shim
