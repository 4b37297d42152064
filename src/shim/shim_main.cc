// berth-shim ATTEMPT_DIRECTORY
//
// Runs one attempt of a task on behalf of the agent, and outlives it: starts the task as the spec
// in the directory says, holds its exit code in the status file, and leaves nothing of the task
// behind. Kept small on purpose: one static binary, no exceptions, no heap, no locale.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "shim/launch.h"
#include "shim/lease_file.h"
#include "shim/shim_protocol.h"
#include "shim/spec_view.h"
#include "shim/supervise.h"

namespace berth::shim {
namespace {

void Say(const char* text) {
  // Under an agent, standard error is /dev/null: this is for a person who runs it by hand.
  if (write(STDERR_FILENO, text, strlen(text)) < 0) return;
}

bool Note(const StatusRecord& record) {
  const auto offset = static_cast<off_t>(SlotOffset(record.kind));
  return pwrite(kStatusFd, &record, sizeof(record), offset) == sizeof(record);
}

StatusRecord NewRecord(StatusKind kind) {
  StatusRecord record;
  record.kind = kind;
  record.shim_pid = getpid();
  record.unix_ms = NowMs(CLOCK_REALTIME);
  record.boot_ms = NowMs(CLOCK_BOOTTIME);
  return record;
}

// Maps the spec file, which stays mapped: its strings are used in place. Null when it cannot be.
const char* MapSpec(const char* directory, size_t& size) {
  char path[4096];
  const int length = snprintf(path, sizeof(path), "%s/%s", directory, kSpecFileName);
  if (length < 0 || static_cast<size_t>(length) >= sizeof(path)) return nullptr;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  struct stat info = {};
  void* data = MAP_FAILED;
  if (fstat(fd, &info) == 0 && info.st_size > 0) {
    size = static_cast<size_t>(info.st_size);
    data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  }
  close(fd);
  return data == MAP_FAILED ? nullptr : static_cast<const char*>(data);
}

int Run(const char* directory) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  setsid();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (fcntl(kStatusFd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(kNotifyFd, F_SETFD, FD_CLOEXEC) != 0) {
    Say("berth-shim: started without its descriptors: it is the agent that starts a shim\n");
    return kShimUsage;
  }

  size_t size = 0;
  const char* data = MapSpec(directory, size);
  if (data == nullptr) return kShimBadSpec;
  const size_t pointer_bytes = PointersNeeded(data, size) * sizeof(char*);
  // Never more than the spec could fill with empty strings.
  if (pointer_bytes == 0 || pointer_bytes > size * sizeof(char*)) return kShimBadSpec;
  void* pointers =
      mmap(nullptr, pointer_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SpecView spec;
  if (pointers == MAP_FAILED ||
      ParseSpec(data, size, static_cast<char**>(pointers), spec) != nullptr) {
    return kShimBadSpec;
  }

  StatusRecord record = NewRecord(StatusKind::kShim);
  Seal(record);
  // Before the task exists: without this note, nobody would know that it does.
  if (!Note(record)) return kShimCannotNote;

  StatusRecord start = NewRecord(StatusKind::kStart);
  LaunchResult launched;
  launched.step = StartStep::kLeaseEnded;
  const bool fenced = spec.lease_path[0] != '\0';
  if (!fenced ||
      RenewedUntil(spec.lease_path, spec.header->lease_until_ms) > NowMs(CLOCK_BOOTTIME)) {
    launched = Launch(spec);
  }
  start.task_pid = launched.pid;
  start.step = launched.step;
  start.error = launched.error;
  start.item = launched.item;
  Seal(start);
  const bool noted = Note(start);
  PendingNotice notice(kNotifyFd, start);
  notice.Try();
  if (launched.step != StartStep::kStarted) return noted ? kShimDone : kShimCannotNote;

  StatusRecord end = NewRecord(StatusKind::kEnd);
  end.task_pid = launched.pid;
  Supervise(spec, launched.pid, notice, end);
  Seal(end);
  return Note(end) ? kShimDone : kShimCannotNote;
}

}  // namespace
}  // namespace berth::shim

int main(int argc, char** argv) {
  if (argc != 2 || argv[1][0] != '/') {
    berth::shim::Say("usage: berth-shim ATTEMPT_DIRECTORY (absolute; started by berth-agent)\n");
    return berth::shim::kShimUsage;
  }
  return berth::shim::Run(argv[1]);
}
