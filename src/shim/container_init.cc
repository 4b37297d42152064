#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "shim/container.h"
#include "shim/launch_steps.h"

namespace berth::shim {
namespace {

constexpr size_t kTaskStackBytes = 64 * 1024;
constexpr int kInitFailed = 1;

bool Send(const ContainerMessage& message) {
  return send(kChannelFd, &message, sizeof(message), MSG_NOSIGNAL) == sizeof(message);
}

int RunTask(void* argument) {
  auto& child = *static_cast<Child*>(argument);
  if (isatty(STDIN_FILENO)) {
    setsid();
    ioctl(STDIN_FILENO, TIOCSCTTY, 0);
  } else {
    setpgid(0, 0);
  }
  Execute(child);
}

// Whether a program that could not be found is there after all: then it is what its #! line names,
// or its dynamic linker, that is not.
bool IsThere(const SpecView& spec) {
  const char* program = spec.arguments[0];
  if (strchr(program, '/') == nullptr) return false;
  const int directory = open(spec.working_directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  const bool there = faccessat(directory, program, F_OK, 0) == 0;
  if (directory >= 0) close(directory);
  return there;
}

// Starts the task; its pid, or -1 when it could not be started.
pid_t StartTask(const SpecView& spec) {
  alignas(16) static char stack[kTaskStackBytes];
  Child child;
  child.spec = &spec;
  const pid_t pid = clone(RunTask, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &child);
  if (pid < 0) child.result = {-1, StartStep::kClone, errno, 0};
  const LaunchResult& result = child.result;
  ContainerMessage message;
  message.word = ContainerWord::kStarted;
  if (result.step != StartStep::kStarted) {
    message.word = ContainerWord::kFailed;
    message.step = result.step;
    message.error = result.error;
    message.item =
        result.step == StartStep::kExecute && result.error == ENOENT && IsThere(spec) ? 1 : 0;
  }
  return Send(message) && result.step == StartStep::kStarted ? pid : -1;
}

// True when the task has ended. Also waits for what is orphaned in the container.
bool Reap(pid_t task, int& status) {
  for (;;) {
    int each = 0;
    const pid_t pid = waitpid(-1, &each, WNOHANG | __WALL);
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) return false;
    if (pid == task) {
      status = each;
      return true;
    }
  }
}

// Returns when the task has ended, or the shim has: then everything here ends too.
void WaitFor(pid_t task, int signals) {
  for (;;) {
    ContainerMessage ended;
    ended.word = ContainerWord::kEnded;
    if (Reap(task, ended.wait_status)) {
      Send(ended);
      return;
    }
    pollfd fds[] = {{signals, POLLIN, 0}, {kChannelFd, 0, 0}};
    if (poll(fds, 2, -1) < 0) continue;
    if (fds[1].revents != 0) return;
    signalfd_siginfo signal;
    if (read(signals, &signal, sizeof(signal)) != sizeof(signal)) continue;
    // Where the shim has no cgroup to tell everything in here to stop.
    if (signal.ssi_signo == static_cast<uint32_t>(SIGRTMIN)) kill(-1, SIGTERM);
  }
}

}  // namespace

int RunInit(int argc, char** argv) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  // Other processes of its user have no business with its descriptors.
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_NAME, "berth-init");
  if (argc < 4 || fcntl(kChannelFd, F_SETFD, FD_CLOEXEC) != 0) return kShimUsage;
  sigset_t awaited;
  sigemptyset(&awaited);
  sigaddset(&awaited, SIGCHLD);
  sigaddset(&awaited, SIGRTMIN);
  const int signals = signalfd(-1, &awaited, SFD_CLOEXEC);
  if (signals < 0) return kInitFailed;

  ContainerMessage message;
  if (!Send(message)) return kInitFailed;
  // Not before the shim has put this process into the task's cgroups.
  ssize_t got;
  do {
    got = recv(kChannelFd, &message, sizeof(message), 0);
  } while (got < 0 && errno == EINTR);
  if (got != sizeof(message) || message.word != ContainerWord::kGo) return kInitFailed;

  static const SpecHeader kHeader;
  SpecView spec;
  spec.header = &kHeader;
  spec.working_directory = argv[2];
  spec.arguments = argv + 3;
  spec.environment = environ;
  const pid_t task = StartTask(spec);
  if (task < 0) return kInitFailed;
  WaitFor(task, signals);
  return 0;
}

}  // namespace berth::shim
