#include "shim/shim_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

namespace berth::shim {
namespace {

constexpr int kFirstFreeFd = kNotifyFd + 1;

// A descriptor above those that the shim uses, so that placing one cannot overwrite another.
class HighFd {
 public:
  explicit HighFd(int fd) : fd_(fd) {
    if (fd >= kFirstFreeFd) return;
    fd_ = fcntl(fd, F_DUPFD_CLOEXEC, kFirstFreeFd);
    owned_ = true;
  }
  HighFd(const HighFd&) = delete;
  HighFd& operator=(const HighFd&) = delete;
  ~HighFd() {
    if (owned_ && fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
  bool owned_ = false;
};

// How every shim is started: made once, read by posix_spawn(3).
int Configure(posix_spawn_file_actions_t& actions, posix_spawnattr_t& attributes, int status_fd,
              int notify_fd) {
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  const int errors[] = {
      posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0),
      posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0),
      posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO),
      posix_spawn_file_actions_adddup2(&actions, status_fd, kStatusFd),
      posix_spawn_file_actions_adddup2(&actions, notify_fd, kNotifyFd),
      posix_spawn_file_actions_addclosefrom_np(&actions, kFirstFreeFd),
      // What the agent ignores or blocks is not the task's concern.
      posix_spawnattr_setsigdefault(&attributes, &all),
      posix_spawnattr_setsigmask(&attributes, &none),
      posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK),
  };
  for (const int error : errors) {
    if (error != 0) return error;
  }
  return 0;
}

}  // namespace

int OpenLockedStatus(const std::string& directory) {
  const std::string path = directory + "/" + kStatusFileName;
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return -errno;
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

int StartShim(const std::string& program, const std::string& directory, int status_fd,
              int notify_fd, pid_t& pid) {
  const HighFd status(status_fd);
  const HighFd notify(notify_fd);
  if (status.get() < 0 || notify.get() < 0) return EMFILE;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  int error = Configure(actions, attributes, status.get(), notify.get());
  if (error == 0) {
    char* const arguments[] = {const_cast<char*>(program.c_str()),
                               const_cast<char*>(directory.c_str()), nullptr};
    char* const environment[] = {nullptr};
    error = posix_spawn(&pid, program.c_str(), &actions, &attributes, arguments, environment);
  }
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

std::optional<StatusRecord> ReadStatus(int status_fd, StatusKind kind) {
  StatusRecord record;
  const auto offset = static_cast<off_t>(SlotOffset(kind));
  if (pread(status_fd, &record, sizeof(record), offset) != sizeof(record)) return std::nullopt;
  if (!IsWhole(record, kind)) return std::nullopt;
  return record;
}

int QueueStop(int pidfd, int64_t grace_ms) {
  siginfo_t info;
  std::memset(&info, 0, sizeof(info));
  info.si_signo = SIGRTMIN;
  info.si_code = SI_QUEUE;
  info.si_pid = getpid();
  info.si_uid = getuid();
  info.si_value.sival_int =
      static_cast<int>(std::clamp<int64_t>(grace_ms, 0, std::numeric_limits<int>::max()));
  return syscall(SYS_pidfd_send_signal, pidfd, SIGRTMIN, &info, 0) == 0 ? 0 : errno;
}

int OpenPidFd(pid_t pid) {
  const auto fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  return fd < 0 ? -errno : fd;
}

}  // namespace berth::shim
