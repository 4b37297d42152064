#include "shim/kill_all.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace berth::shim {
namespace {

constexpr int kFreezeTries = 100;  // of 1 ms

int OpenIn(const char* directory, const char* name, int flags) {
  char path[4096];
  const int length = snprintf(path, sizeof(path), "%s/%s", directory, name);
  if (length < 0 || static_cast<size_t>(length) >= sizeof(path)) return -1;
  return open(path, flags | O_CLOEXEC);
}

bool WriteIn(const char* directory, const char* name, const char* text) {
  const int fd = OpenIn(directory, name, O_WRONLY);
  if (fd < 0) return false;
  const auto size = static_cast<ssize_t>(strlen(text));
  const bool written = write(fd, text, static_cast<size_t>(size)) == size;
  close(fd);
  return written;
}

bool ContainsIn(const char* directory, const char* name, const char* text) {
  const int fd = OpenIn(directory, name, O_RDONLY);
  if (fd < 0) return false;
  char buffer[256];
  const ssize_t got = read(fd, buffer, sizeof(buffer) - 1);
  close(fd);
  if (got < 0) return false;
  buffer[got] = '\0';
  return strstr(buffer, text) != nullptr;
}

void SleepOneMs() {
  const timespec pause = {0, 1'000'000};
  nanosleep(&pause, nullptr);
}

// Calls `visit` with each decimal number in the file and closes it.
template <typename Visit>
void ForEachPid(int fd, Visit visit) {
  char buffer[4096];
  long pid = 0;
  bool in_number = false;
  for (;;) {
    const ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got <= 0) break;
    for (ssize_t i = 0; i < got; ++i) {
      if (buffer[i] >= '0' && buffer[i] <= '9') {
        pid = pid * 10 + (buffer[i] - '0');
        in_number = true;
      } else if (in_number) {
        visit(static_cast<pid_t>(pid));
        pid = 0;
        in_number = false;
      }
    }
  }
  if (in_number) visit(static_cast<pid_t>(pid));
  close(fd);
}

// Parent of `pid` as /proc says, or -1.
pid_t ParentOf(const char* pid) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  char buffer[512];
  const ssize_t got = read(fd, buffer, sizeof(buffer) - 1);
  close(fd);
  if (got <= 0) return -1;
  buffer[got] = '\0';
  // The name in parentheses may itself hold spaces and parentheses: the last ')' ends it.
  const char* after_name = strrchr(buffer, ')');
  if (after_name == nullptr || strlen(after_name) < 5) return -1;
  return static_cast<pid_t>(strtol(after_name + 4, nullptr, 10));
}

int SignalChildrenByScan(int signal) {
  DIR* proc = opendir("/proc");
  if (proc == nullptr) return 0;
  const pid_t self = getpid();
  int count = 0;
  while (const dirent* entry = readdir(proc)) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    if (ParentOf(entry->d_name) != self) continue;
    kill(static_cast<pid_t>(strtol(entry->d_name, nullptr, 10)), signal);
    ++count;
  }
  closedir(proc);
  return count;
}

}  // namespace

int SignalCgroup(const char* directory, int signal) {
  const int fd = OpenIn(directory, "cgroup.procs", O_RDONLY);
  if (fd < 0) return 0;
  int count = 0;
  ForEachPid(fd, [&](pid_t pid) {
    // 0 is a process of another pid namespace: kill(0) would be our own group.
    if (pid <= 0) return;
    kill(pid, signal);
    ++count;
  });
  return count;
}

int KillCgroup(KillMethod method, const char* directory) {
  const int present = SignalCgroup(directory, 0);
  if (present == 0) return 0;
  if (method == KillMethod::kCgroupKillV2 && WriteIn(directory, "cgroup.kill", "1")) return present;
  const bool v1 = method == KillMethod::kFreezerV1;
  const char* control = v1 ? "freezer.state" : "cgroup.freeze";
  WriteIn(directory, control, v1 ? "FROZEN" : "1");
  for (int i = 0; i < kFreezeTries; ++i) {
    if (v1 ? ContainsIn(directory, control, "FROZEN")
           : ContainsIn(directory, "cgroup.events", "frozen 1")) {
      break;
    }
    SleepOneMs();
  }
  const int killed = SignalCgroup(directory, SIGKILL);
  WriteIn(directory, control, v1 ? "THAWED" : "0");
  return killed;
}

int SignalChildren(int signal) {
  const int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return SignalChildrenByScan(signal);
  int count = 0;
  ForEachPid(fd, [&](pid_t pid) {
    kill(pid, signal);
    ++count;
  });
  return count;
}

}  // namespace berth::shim
