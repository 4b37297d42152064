#include "shim/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "shim/container.h"
#include "shim/kill_all.h"
#include "shim/lease_file.h"

namespace berth::shim {
namespace {

constexpr int64_t kNever = INT64_MAX;
constexpr int64_t kBlockBytes = 512;  // of what the kernel counts for a process
constexpr int64_t kNoticeRetryMs = 50;
constexpr int64_t kKillAgainMs = 20;      // between rounds of SIGKILL
constexpr int64_t kInitEndsMs = 1000;     // a container's, once its task has ended
constexpr int64_t kStuckAfterMs = 10000;  // then a process counts as stuck

struct Reaped {
  bool main_ended = false;
  int main_status = 0;
  bool children_left = true;
};

class Supervisor {
 public:
  Supervisor(const SpecView& spec, const LaunchResult& launched, PendingNotice& notice,
             Console* console, StatusRecord& end)
      : spec_(spec),
        main_pid_(launched.pid),
        channel_(launched.channel),
        notice_(notice),
        console_(console),
        end_(end) {
    sigemptyset(&waited_);
    sigaddset(&waited_, SIGCHLD);
    sigaddset(&waited_, SIGTERM);
    sigaddset(&waited_, SIGRTMIN);
    const int64_t limit = spec.header->time_limit_ms;
    if (limit > 0) time_up_at_ = NowMs(CLOCK_BOOTTIME) + limit;
    if (spec.lease_path[0] != '\0') {
      lease_until_ = spec.header->lease_until_ms;
      MakeTimer();
    }
    if (channel_ >= 0) ListenToChannel();
  }

  void Run() {
    // A container may have ended while it was being started.
    if (channel_ >= 0) Reap();
    while (!state_.main_ended) {
      const int signal = Wait(NextDeadline());
      // First what has ended: a stop that comes with the end did not cause it.
      Reap();
      if (state_.main_ended) break;
      if (notice_.pending()) notice_.Try();
      const int64_t now = NowMs(CLOCK_BOOTTIME);
      if (signal == SIGTERM) BeginStop(EndCause::kStopped, spec_.header->grace_ms, now);
      if (signal == SIGRTMIN) BeginStop(EndCause::kStopped, QueuedGrace(), now);
      if (now >= time_up_at_) {
        time_up_at_ = kNever;
        BeginStop(EndCause::kTimeLimit, spec_.header->grace_ms, now);
      }
      if (now >= lease_until_) CheckLease(now);
      if (now >= kill_at_) {
        KillOnce();
        kill_at_ = now + kKillAgainMs;
      }
    }
    end_.boot_ms = NowMs(CLOCK_BOOTTIME);
    end_.unix_ms = NowMs(CLOCK_REALTIME);
    KillLeftovers();
    NoteEnd();
  }

 private:
  // The signal that came, or 0 when `deadline` (CLOCK_BOOTTIME) passed first.
  int Wait(int64_t deadline) {
    siginfo_ = {};
    for (;;) {
      int signal;
      if (console_ != nullptr) {
        if (deadline != kNever) SetTimer(deadline);
        signal = console_->Wait(waited_, deadline, siginfo_);
        if (signal == 0) return 0;
      } else if (deadline == kNever) {
        signal = sigwaitinfo(&waited_, &siginfo_);
      } else {
        SetTimer(deadline);
        int64_t left = deadline - NowMs(CLOCK_BOOTTIME);
        if (left < 0) left = 0;
        const timespec timeout = {static_cast<time_t>(left / 1000),
                                  static_cast<long>(left % 1000) * 1'000'000};
        signal = sigtimedwait(&waited_, &siginfo_, &timeout);
      }
      if (signal == SIGALRM) return 0;
      if (signal > 0) return signal;
      if (errno == EAGAIN) return 0;
    }
  }

  // sigtimedwait(2) does not count the time in which the machine is suspended, and would let a
  // fenced task run on after it. Without the timer, that is what happens. The system call itself:
  // libc's function brings threads along.
  void MakeTimer() {
    sigevent event = {};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGALRM;
    has_timer_ = syscall(SYS_timer_create, CLOCK_BOOTTIME, &event, &timer_) == 0;
    if (has_timer_) sigaddset(&waited_, SIGALRM);
  }

  void SetTimer(int64_t deadline) {
    if (!has_timer_ || deadline == timer_at_) return;
    timer_at_ = deadline;
    itimerspec when = {};
    // A time of 0 would disarm it.
    when.it_value.tv_sec = static_cast<time_t>(deadline / 1000);
    when.it_value.tv_nsec = static_cast<long>(deadline % 1000) * 1'000'000 + 1;
    syscall(SYS_timer_settime, timer_, TIMER_ABSTIME, &when, nullptr);
  }

  int64_t NextDeadline() const {
    int64_t deadline = time_up_at_ < kill_at_ ? time_up_at_ : kill_at_;
    if (lease_until_ < deadline) deadline = lease_until_;
    if (notice_.pending()) {
      const int64_t retry = NowMs(CLOCK_BOOTTIME) + kNoticeRetryMs;
      if (retry < deadline) deadline = retry;
    }
    return deadline;
  }

  int64_t QueuedGrace() const {
    const int64_t grace = siginfo_.si_value.sival_int;
    return grace < 0 ? 0 : grace;
  }

  // Init says that the task has ended before it ends itself, with what the task has left.
  void ListenToChannel() {
    sigaddset(&waited_, SIGIO);
    fcntl(channel_, F_SETOWN, getpid());
    fcntl(channel_, F_SETFL, O_ASYNC | O_NONBLOCK);
  }

  void ReadChannel() {
    ContainerMessage message;
    while (ReadMessage(channel_, message)) {
      if (message.word != ContainerWord::kEnded) continue;
      state_.main_ended = true;
      state_.main_status = message.wait_status;
      told_ = true;
    }
  }

  void Reap() {
    // First: that init ends says nothing about the task, if the task could.
    if (channel_ >= 0) ReadChannel();
    for (;;) {
      int status = 0;
      // __WALL: also children made with clone(2) and another exit signal.
      const pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
      if (pid > 0) {
        if (pid == main_pid_ && channel_ >= 0) ReadChannel();
        if (pid == main_pid_ && !told_) {
          state_.main_ended = true;
          state_.main_status = status;
        }
        continue;
      }
      if (pid < 0 && errno == EINTR) continue;
      state_.children_left = pid == 0;
      return;
    }
  }

  void BeginStop(EndCause cause, int64_t grace_ms, int64_t now) {
    if (end_.cause == EndCause::kItself) {
      end_.cause = cause;
      if (grace_ms > 0) SignalTask(SIGTERM);
    }
    // A second, more urgent stop brings the end nearer; none puts it off.
    const int64_t deadline = now + grace_ms;
    if (deadline < kill_at_) kill_at_ = deadline;
  }

  // The lease as last read has ended: it goes on if the agent has renewed it.
  void CheckLease(int64_t now) {
    lease_until_ = RenewedUntil(spec_.lease_path, lease_until_);
    if (lease_until_ > now) return;
    // The grace counts from the end of the lease, however late this is: then others may have what
    // the task has.
    BeginStop(EndCause::kLeaseEnded, spec_.header->grace_ms, lease_until_);
    lease_until_ = kNever;
  }

  void SignalTask(int signal) {
    if (spec_.header->kill_method != KillMethod::kDescendants &&
        SignalCgroup(spec_.kill_directory, signal) > 0) {
      return;
    }
    if (channel_ >= 0) {
      // No signal but SIGKILL has an effect on init, and it is the group's only member.
      kill(main_pid_, signal == SIGTERM ? SIGRTMIN : signal);
      return;
    }
    if (kill(-main_pid_, signal) != 0) kill(main_pid_, signal);
  }

  int KillOnce() {
    int found = 0;
    if (spec_.header->kill_method != KillMethod::kDescendants) {
      found = KillCgroup(spec_.header->kill_method, spec_.kill_directory);
    }
    // Also those that have left the cgroup: whatever descends from the task ends up as our child.
    const int children = SignalChildren(SIGKILL);
    return found > children ? found : children;
  }

  // A subreaper without children has no descendants, but for those that went to the first process
  // of a namespace from outside of the task: they are in its cgroup.
  [[nodiscard]] bool IsAnyoneLeft() const {
    return state_.children_left || (spec_.header->kill_method != KillMethod::kDescendants &&
                                    SignalCgroup(spec_.kill_directory, 0) > 0);
  }

  void KillLeftovers() {
    if (!IsAnyoneLeft()) return;
    const int64_t give_up_at = NowMs(CLOCK_BOOTTIME) + kStuckAfterMs;
    if (channel_ >= 0) {  // init is about to end by itself, and all with it
      const int64_t until = NowMs(CLOCK_BOOTTIME) + kInitEndsMs;
      while (state_.children_left && NowMs(CLOCK_BOOTTIME) < until) {
        Wait(until);
        Reap();
      }
    }
    while (IsAnyoneLeft()) {
      const int found = KillOnce();
      if (static_cast<uint32_t>(found) > end_.killed) end_.killed = static_cast<uint32_t>(found);
      Wait(NowMs(CLOCK_BOOTTIME) + kKillAgainMs);
      Reap();
      if (NowMs(CLOCK_BOOTTIME) >= give_up_at && IsAnyoneLeft()) {
        end_.stuck = 1;
        return;
      }
    }
  }

  void NoteEnd() {
    if (WIFSIGNALED(state_.main_status)) {
      end_.signal = WTERMSIG(state_.main_status);
    } else {
      end_.exit_code = WEXITSTATUS(state_.main_status);
    }
    rusage used = {};
    getrusage(RUSAGE_CHILDREN, &used);
    end_.cpu_user_us = int64_t{used.ru_utime.tv_sec} * 1'000'000 + used.ru_utime.tv_usec;
    end_.cpu_system_us = int64_t{used.ru_stime.tv_sec} * 1'000'000 + used.ru_stime.tv_usec;
    end_.memory_peak_bytes = used.ru_maxrss * 1024;
    end_.io_read_bytes = int64_t{used.ru_inblock} * kBlockBytes;
    end_.io_written_bytes = int64_t{used.ru_oublock} * kBlockBytes;
    const MemoryAccounting accounting = spec_.header->memory_accounting;
    if (accounting == MemoryAccounting::kRusage) return;
    const bool v1 = accounting == MemoryAccounting::kV1;
    const int64_t peak = ReadCount(v1 ? "memory.max_usage_in_bytes" : "memory.peak", "");
    if (peak > 0) end_.memory_peak_bytes = peak;
    const int64_t kills = ReadCount(v1 ? "memory.oom_control" : "memory.events", "oom_kill ");
    const auto before = static_cast<int64_t>(spec_.header->oom_kills_before);
    if (kills > before) end_.oom_kills = static_cast<uint32_t>(kills - before);
  }

  // The number after `label` in a file of the memory cgroup; -1 when there is none.
  int64_t ReadCount(const char* name, const char* label) const {
    char path[4096];
    const int length = snprintf(path, sizeof(path), "%s/%s", spec_.memory_directory, name);
    if (length < 0 || static_cast<size_t>(length) >= sizeof(path)) return -1;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    char buffer[1024];
    const ssize_t got = read(fd, buffer, sizeof(buffer) - 1);
    close(fd);
    if (got <= 0) return -1;
    buffer[got] = '\0';
    const char* at = strstr(buffer, label);
    return at == nullptr ? -1 : strtoll(at + strlen(label), nullptr, 10);
  }

  const SpecView& spec_;
  const pid_t main_pid_;
  const int channel_;  // -1: the task is a plain process
  bool told_ = false;  // on the channel, how the task ended
  PendingNotice& notice_;
  Console* const console_;
  StatusRecord& end_;
  sigset_t waited_;
  siginfo_t siginfo_ = {};
  Reaped state_;
  int64_t time_up_at_ = kNever;
  int64_t lease_until_ = kNever;
  int timer_ = 0;
  bool has_timer_ = false;
  int64_t timer_at_ = kNever;
  int64_t kill_at_ = kNever;
};

}  // namespace

void PendingNotice::Try() {
  if (record_ == nullptr) return;
  const ssize_t written = write(fd_, record_, sizeof(*record_));
  // Smaller than PIPE_BUF: all of it or nothing.
  if (written < 0 && (errno == EAGAIN || errno == EINTR)) return;
  record_ = nullptr;
}

void Supervise(const SpecView& spec, const LaunchResult& launched, PendingNotice& notice,
               Console* console, StatusRecord& end) {
  Supervisor(spec, launched, notice, console, end).Run();
}

int64_t NowMs(int clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace berth::shim
