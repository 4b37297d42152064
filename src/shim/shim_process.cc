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

// Starts the shim with file actions that give it its first descriptors; it gets no others.
class Spawn {
 public:
  Spawn() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
  }
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;
  ~Spawn() {
    posix_spawnattr_destroy(&attributes_);
    posix_spawn_file_actions_destroy(&actions_);
  }

  void Open(int fd, const char* path, int flags) {
    Note(posix_spawn_file_actions_addopen(&actions_, fd, path, flags, 0));
  }
  void Give(int from, int to) { Note(posix_spawn_file_actions_adddup2(&actions_, from, to)); }

  int Run(const std::string& program, const char* argument, pid_t& pid) {
    sigset_t all;
    sigset_t none;
    sigfillset(&all);
    sigemptyset(&none);
    Note(posix_spawn_file_actions_addclosefrom_np(&actions_, kFirstFreeFd));
    // What the agent ignores or blocks is not the task's concern.
    Note(posix_spawnattr_setsigdefault(&attributes_, &all));
    Note(posix_spawnattr_setsigmask(&attributes_, &none));
    Note(posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK));
    if (error_ != 0) return error_;
    char* const arguments[] = {const_cast<char*>(program.c_str()), const_cast<char*>(argument),
                               nullptr};
    char* const environment[] = {nullptr};
    return posix_spawn(&pid, program.c_str(), &actions_, &attributes_, arguments, environment);
  }

 private:
  void Note(int error) {
    if (error_ == 0) error_ = error;
  }

  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
  int error_ = 0;
};

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
  Spawn spawn;
  spawn.Open(STDIN_FILENO, "/dev/null", O_RDONLY);
  spawn.Open(STDOUT_FILENO, "/dev/null", O_WRONLY);
  spawn.Give(STDOUT_FILENO, STDERR_FILENO);
  spawn.Give(status.get(), kStatusFd);
  spawn.Give(notify.get(), kNotifyFd);
  return spawn.Run(program, directory.c_str(), pid);
}

int StartCommand(const std::string& program, const CommandFds& fds, pid_t& pid) {
  const HighFd input(fds.input);
  const HighFd output(fds.output);
  const HighFd error(fds.error);
  const HighFd control(fds.control);
  const HighFd spec(fds.spec);
  for (const HighFd* fd : {&input, &output, &error, &control, &spec}) {
    if (fd->get() < 0) return EMFILE;
  }
  Spawn spawn;
  spawn.Give(input.get(), STDIN_FILENO);
  spawn.Give(output.get(), STDOUT_FILENO);
  spawn.Give(error.get(), STDERR_FILENO);
  spawn.Give(control.get(), kCommandControlFd);
  spawn.Give(spec.get(), kCommandSpecFd);
  return spawn.Run(program, kCommandMode, pid);
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
