#include "shim/container.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "shim/container_child.h"
#include "shim/kill_all.h"
#include "shim/launch_steps.h"
#include "shim/lease_file.h"
#include "shim/supervise.h"

namespace berth::shim {
namespace {

constexpr size_t kChildStackBytes = 64 * 1024;
constexpr int64_t kMostStartMs = 120'000;  // then a start counts as failed
constexpr int64_t kComesToUsMs = 2'000;    // init, when the runtime has ended
constexpr int64_t kKillAgainMs = 20;
constexpr int64_t kStuckAfterMs = 10'000;

// One start, from the runtime's to the task's.
class Start {
 public:
  Start(const SpecView& spec, int channel, pid_t runtime)
      : spec_(spec), channel_(channel), runtime_(runtime) {
    sigset_t awaited;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGCHLD);
    sigaddset(&awaited, SIGTERM);
    sigaddset(&awaited, SIGRTMIN);
    signals_ = signalfd(-1, &awaited, SFD_CLOEXEC | SFD_NONBLOCK);
    give_up_at_ = NowMs(CLOCK_BOOTTIME) + kMostStartMs;
    if (spec.lease_path[0] != '\0') lease_until_ = spec.header->lease_until_ms;
  }
  Start(const Start&) = delete;
  Start& operator=(const Start&) = delete;
  ~Start() {
    if (signals_ >= 0) close(signals_);
    // The supervisor begins with those.
    if (stop_.ssi_signo == SIGTERM) kill(getpid(), SIGTERM);
    if (stop_.ssi_signo == static_cast<uint32_t>(SIGRTMIN)) {
      siginfo_t info;
      memset(&info, 0, sizeof(info));
      info.si_code = SI_QUEUE;
      info.si_pid = getpid();
      info.si_value.sival_int = stop_.ssi_int;
      syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, &info);
    }
  }

  LaunchResult Run() {
    const LaunchResult result = Await();
    if (result.step != StartStep::kStarted) KillAll();
    return result;
  }

 private:
  LaunchResult Await() {
    for (;;) {
      ReapRuntime();
      ReadChannel();
      if (failed_) return {-1, message_.step, message_.error, message_.item};
      if (started_) return {init_, StartStep::kStarted, 0, 0, channel_};
      if (runtime_ < 0 && runtime_status_ != 0) {
        return {-1, StartStep::kRuntime, runtime_status_, kRuntimeFailed};
      }
      if (runtime_ < 0 && init_ > 0 && !gone_) {
        if (!IsChild(init_)) {
          // One that the runtime had in between may not have ended yet.
          if (NowMs(CLOCK_BOOTTIME) >= runtime_ended_at_ + kComesToUsMs) {
            return {-1, StartStep::kRuntime, 0, kRuntimeFailed};
          }
          const timespec pause = {0, 1'000'000};
          nanosleep(&pause, nullptr);
          continue;
        }
        if (const LaunchResult mounted = MountInside(spec_, init_);
            mounted.step != StartStep::kStarted) {
          return mounted;
        }
        uint32_t failed = 0;
        if (const int error = JoinCgroups(failed); error != 0) {
          return {-1, StartStep::kJoinCgroup, error, failed};
        }
        Go();
      }
      // Why is known once the runtime has ended too.
      if (hung_up_ && runtime_ < 0) return {-1, StartStep::kRuntime, 0, kRuntimeFailed};
      const int64_t now = NowMs(CLOCK_BOOTTIME);
      if (now >= lease_until_) {
        lease_until_ = RenewedUntil(spec_.lease_path, lease_until_);
        if (now >= lease_until_) return {-1, StartStep::kLeaseEnded, 0, 0};
      }
      if (now >= give_up_at_) {
        return {-1, StartStep::kRuntime, 0,
                stop_.ssi_signo == 0 ? kRuntimeTooLate : kRuntimeStopped};
      }
      const int64_t until = give_up_at_ < lease_until_ ? give_up_at_ : lease_until_;
      pollfd fds[] = {{signals_, POLLIN, 0}, {hung_up_ ? -1 : channel_, POLLIN, 0}};
      if (poll(fds, 2, static_cast<int>(until - now)) > 0) ReadSignals();
    }
  }

  void ReapRuntime() {
    if (runtime_ < 0) return;
    int status = 0;
    if (waitpid(runtime_, &status, WNOHANG) != runtime_) return;
    runtime_ = -1;
    runtime_status_ = status;
    runtime_ended_at_ = NowMs(CLOCK_BOOTTIME);
  }

  // What init says, and, from the kernel, which process it is.
  void ReadChannel() {
    for (;;) {
      alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
      ContainerMessage message;
      iovec part = {&message, sizeof(message)};
      msghdr header = {};
      header.msg_iov = &part;
      header.msg_iovlen = 1;
      header.msg_control = control;
      header.msg_controllen = sizeof(control);
      const ssize_t got = recvmsg(channel_, &header, MSG_DONTWAIT);
      if (got < 0 && errno == EINTR) continue;
      if (got == 0) hung_up_ = true;
      if (got != sizeof(message)) return;
      const cmsghdr* sender = CMSG_FIRSTHDR(&header);
      if (sender != nullptr && sender->cmsg_type == SCM_CREDENTIALS) {
        ucred credentials;
        memcpy(&credentials, CMSG_DATA(sender), sizeof(credentials));
        // Init's user may have got at its end of the channel. Whom it tells of is looked at.
        if (init_ < 0) init_ = credentials.pid;
        if (credentials.pid != init_) continue;
      }
      message_ = message;
      if (message.word == ContainerWord::kStarted) started_ = true;
      if (message.word == ContainerWord::kFailed) failed_ = true;
      if (started_ || failed_) return;  // what follows is the supervisor's
    }
  }

  // The runtime has left init to this process. Nobody else can make such a child, and while it is
  // not waited for its number is nobody else's.
  static bool IsChild(pid_t pid) {
    siginfo_t info;
    return waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
  }

  // Init alone, from which all of the task will descend: what the runtime uses is not the task's.
  // Returns 0 or errno, and sets `failed` to the number of the cgroup.
  int JoinCgroups(uint32_t& failed) {
    char pid[16];
    const int length = snprintf(pid, sizeof(pid), "%d", init_);
    for (failed = 0; failed < spec_.header->cgroup_count; ++failed) {
      const int fd = open(spec_.cgroup_procs[failed], O_WRONLY | O_CLOEXEC);
      if (fd < 0) return errno;
      const bool joined = write(fd, pid, static_cast<size_t>(length)) == length;
      const int error = errno;
      close(fd);
      if (!joined) return error;
    }
    return 0;
  }

  void Go() {
    ContainerMessage go;
    go.word = ContainerWord::kGo;
    gone_ = send(channel_, &go, sizeof(go), MSG_NOSIGNAL) == sizeof(go);
    if (!gone_) hung_up_ = true;
  }

  void ReadSignals() {
    signalfd_siginfo signal;
    while (read(signals_, &signal, sizeof(signal)) == sizeof(signal)) {
      if (signal.ssi_signo == SIGCHLD) continue;
      int64_t grace = spec_.header->grace_ms;
      if (signal.ssi_signo == static_cast<uint32_t>(SIGRTMIN)) {
        grace = signal.ssi_int < 0 ? 0 : signal.ssi_int;
      }
      const int64_t deadline = NowMs(CLOCK_BOOTTIME) + grace;
      if (stop_.ssi_signo != 0 && deadline >= give_up_at_) continue;
      stop_ = signal;
      if (deadline < give_up_at_) give_up_at_ = deadline;
    }
  }

  void KillAll() {
    const int64_t stuck_at = NowMs(CLOCK_BOOTTIME) + kStuckAfterMs;
    for (;;) {
      if (spec_.header->kill_method != KillMethod::kDescendants) {
        KillCgroup(spec_.header->kill_method, spec_.kill_directory);
      }
      SignalChildren(SIGKILL);
      pid_t pid;
      do {
        pid = waitpid(-1, nullptr, WNOHANG | __WALL);
      } while (pid > 0 || (pid < 0 && errno == EINTR));
      if (pid < 0 || NowMs(CLOCK_BOOTTIME) >= stuck_at) return;
      const timespec pause = {0, kKillAgainMs * 1'000'000};
      nanosleep(&pause, nullptr);
    }
  }

  const SpecView& spec_;
  const int channel_;
  int signals_ = -1;
  pid_t runtime_;
  int runtime_status_ = 0;
  int64_t runtime_ended_at_ = 0;
  pid_t init_ = -1;
  ContainerMessage message_;
  bool started_ = false;
  bool failed_ = false;
  bool gone_ = false;
  bool hung_up_ = false;
  signalfd_siginfo stop_ = {};
  int64_t give_up_at_ = 0;
  int64_t lease_until_ = INT64_MAX;
};

}  // namespace

LaunchResult LaunchContainer(const SpecView& spec, const ChildStreams& streams) {
  alignas(16) static char stack[kChildStackBytes];
  Child child;
  child.spec = &spec;
  child.streams = streams;
  child.shim_pid = getpid();
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    const int error = errno;
    Close(streams);
    return {-1, StartStep::kClone, error, 0};
  }
  const int on = 1;
  setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
  child.channel = ends[1];
  const pid_t pid = clone(RunContainerChild, stack + sizeof(stack),
                          CLONE_VM | CLONE_VFORK | CLONE_NEWNS | SIGCHLD, &child);
  const int clone_error = errno;
  Close(streams);
  close(ends[1]);
  LaunchResult result = child.result;
  if (pid < 0) {
    result = {-1, StartStep::kNamespace, clone_error, 0};
  } else if (result.step != StartStep::kStarted) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  } else {
    result = Start(spec, ends[0], pid).Run();
  }
  if (result.channel < 0) close(ends[0]);
  return result;
}

bool ReadMessage(int channel, ContainerMessage& message) {
  ssize_t got;
  do {
    got = recv(channel, &message, sizeof(message), MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  return got == sizeof(message);
}

}  // namespace berth::shim
