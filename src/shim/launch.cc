#include "shim/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "shim/container.h"
#include "shim/enter_container.h"
#include "shim/launch_steps.h"

namespace berth::shim {
namespace {

constexpr size_t kChildStackBytes = 64 * 1024;
constexpr char kDefaultPath[] = "/usr/local/bin:/usr/bin:/bin";

}  // namespace

void Fail(Child& child, StartStep step, int error, uint32_t item) {
  child.result.step = step;
  child.result.error = error;
  child.result.item = item;
  _exit(kNotExecuted);
}

void JoinCgroup(Child& child, uint32_t number) {
  const int fd = open(child.spec->cgroup_procs[number], O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, "0", 1) != 1) Fail(child, StartStep::kJoinCgroup, errno, number);
  close(fd);
}

void JoinCgroups(Child& child) {
  for (uint32_t i = 0; i < child.spec->header->cgroup_count; ++i) JoinCgroup(child, i);
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
  // Keys of the session that the agent runs in would be shared by all tasks. As root: a user may
  // have few keyrings, and many tasks. Where the agent may have none, its tasks may not either.
  if (geteuid() == 0 && syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) < 0 &&
      errno != ENOSYS && errno != EPERM && errno != EACCES) {
    Fail(child, StartStep::kChangeUser, errno);
  }
  if (header.switch_user == 0) return;
  // The system calls themselves: libc's wrappers would change every thread that shares this memory.
  if (syscall(SYS_setgroups, static_cast<size_t>(header.group_count), child.spec->groups) != 0 ||
      syscall(SYS_setresgid, header.gid, header.gid, header.gid) != 0 ||
      syscall(SYS_setresuid, header.uid, header.uid, header.uid) != 0) {
    Fail(child, StartStep::kChangeUser, errno);
  }
}

namespace {

// PATH as the task's environment has it.
const char* SearchPath(const SpecView& spec) {
  for (char** entry = spec.environment; *entry != nullptr; ++entry) {
    if (strncmp(*entry, "PATH=", 5) == 0) return *entry + 5;
  }
  return kDefaultPath;
}

}  // namespace

void TakeStreams(Child& child) {
  const ChildStreams& streams = child.streams;
  if (streams.input >= 0 && dup2(streams.input, STDIN_FILENO) < 0) {
    Fail(child, StartStep::kOpenInput, errno);
  }
  if (streams.output >= 0 && dup2(streams.output, STDOUT_FILENO) < 0) {
    Fail(child, StartStep::kOpenOutput, errno, 1);
  }
  if (streams.error >= 0 && dup2(streams.error, STDERR_FILENO) < 0) {
    Fail(child, StartStep::kOpenOutput, errno, 2);
  }
}

void DieWithShim(Child& child) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != child.shim_pid) _exit(kNotExecuted);
}

void Execute(Child& child) {
  const SpecView& spec = *child.spec;
  const char* directory = spec.working_directory;
  if (directory[0] != '\0' && chdir(directory) != 0) {
    Fail(child, StartStep::kWorkingDirectory, errno);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (child.program >= 0) {
    execveat(child.program, "", spec.arguments, spec.environment, AT_EMPTY_PATH);
    Fail(child, StartStep::kExecute, errno);
  }
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

void JoinNetwork(Child& child) {
  const char* path = child.spec->network_namespace;
  if (path[0] == '\0') return;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) Fail(child, StartStep::kJoinNetwork, errno);
  close(fd);
}

void StepOut(Child& child) {
  const bool has_terminal = child.streams.terminal;
  if (has_terminal) {
    setsid();
  } else {
    setpgid(0, 0);
  }
  JoinCgroups(child);
  JoinNetwork(child);
  TakeStreams(child);
  if (has_terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0) {
    Fail(child, StartStep::kOpenConsole, errno);
  }
  SetLimits(child);
}

namespace {

int RunChild(void* argument) {
  auto& child = *static_cast<Child*>(argument);
  StepOut(child);
  BecomeUser(child);
  DieWithShim(child);  // after the change of user, which clears it
  Execute(child);
}

// Makes an open file the task's user's own.
int GiveToUser(const SpecView& spec, int fd) {
  const SpecHeader& header = *spec.header;
  if (fd < 0 || header.switch_user == 0 || fchown(fd, header.uid, header.gid) == 0) return fd;
  const int saved = errno;
  close(fd);
  errno = saved;
  return -1;
}

}  // namespace

void Close(const ChildStreams& streams) {
  if (streams.input >= 0) close(streams.input);
  if (streams.output >= 0) close(streams.output);
  if (streams.error >= 0) close(streams.error);
}

LaunchResult OpenStreams(const SpecView& spec, ChildStreams& streams) {
  if (streams.input < 0 && spec.input_path[0] != '\0') {
    // The task may open /dev/stdin anew: that needs the file to be its own.
    streams.input =
        GiveToUser(spec, open(spec.input_path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW));
    if (streams.input < 0) return {-1, StartStep::kOpenInput, errno, 0};
  }
  if (streams.output < 0 && spec.output_path[0] != '\0') {
    streams.output = OpenOutput(spec, spec.output_path);
    if (streams.output < 0) return {-1, StartStep::kOpenOutput, errno, 1};
  }
  if (streams.error < 0 && spec.error_path[0] != '\0') {
    streams.error = OpenOutput(spec, spec.error_path);
    if (streams.error < 0) return {-1, StartStep::kOpenOutput, errno, 2};
  }
  return {};
}

int OpenOutput(const SpecView& spec, const char* path) {
  // The task may open /dev/stdout anew: that needs the file to be its own.
  return GiveToUser(spec, open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600));
}

LaunchResult Launch(const SpecView& spec, ChildStreams streams) {
  alignas(16) static char stack[kChildStackBytes];
  const LaunchResult opened = OpenStreams(spec, streams);
  if (opened.step != StartStep::kStarted) {
    Close(streams);
    return opened;
  }
  if (spec.runtime[0] != '\0') return LaunchContainer(spec, streams);
  if (spec.header->inside_init != 0) return LaunchInside(spec, streams);
  Child child;
  child.spec = &spec;
  child.shim_pid = getpid();
  child.streams = streams;
  const pid_t pid =
      clone(RunChild, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &child);
  const int clone_error = errno;
  Close(streams);
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
