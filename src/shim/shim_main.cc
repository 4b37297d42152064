// berth-shim ATTEMPT_DIRECTORY
// berth-shim exec
// berth-shim --init DIRECTORY PROGRAM [ARGUMENT ...]   process 1 of a container; see container.h
//
// Runs one attempt of a task on behalf of the agent, and outlives it: starts the task as the spec
// in the directory says, holds its exit code in the status file, and leaves nothing of the task
// behind. `exec` runs a command beside an attempt, for as long as the agent wants it, with the same
// care. Kept small on purpose: one static binary, no exceptions, no heap, no locale.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "shim/console.h"
#include "shim/container.h"
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

// A spec file that stays mapped: its strings are used in place.
struct MappedSpec {
  SpecView view;

  // False when it cannot be used.
  bool Map(int fd) {
    struct stat info = {};
    if (fd < 0 || fstat(fd, &info) != 0 || info.st_size <= 0) return false;
    const auto size = static_cast<size_t>(info.st_size);
    void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (data == MAP_FAILED) return false;
    const size_t pointer_bytes = PointersNeeded(static_cast<char*>(data), size) * sizeof(char*);
    // Never more than the spec could fill with empty strings.
    if (pointer_bytes == 0 || pointer_bytes > size * sizeof(char*)) return false;
    void* pointers =
        mmap(nullptr, pointer_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pointers != MAP_FAILED && ParseSpec(static_cast<char*>(data), size,
                                               static_cast<char**>(pointers), view) == nullptr;
  }
};

int OpenSpec(const char* directory) {
  char path[4096];
  const int length = snprintf(path, sizeof(path), "%s/%s", directory, kSpecFileName);
  if (length < 0 || static_cast<size_t>(length) >= sizeof(path)) return -1;
  return open(path, O_RDONLY | O_CLOEXEC);
}

// What both modes begin with. False: started without its descriptors.
bool Begin(int first_fd, int second_fd) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  setsid();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (fcntl(first_fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(second_fd, F_SETFD, FD_CLOEXEC) == 0) {
    return true;
  }
  Say("berth-shim: started without its descriptors: it is the agent that starts a shim\n");
  return false;
}

StatusRecord StartRecord(const LaunchResult& launched) {
  StatusRecord start = NewRecord(StatusKind::kStart);
  start.task_pid = launched.pid;
  start.step = launched.step;
  start.error = launched.error;
  start.item = launched.item;
  Seal(start);
  return start;
}

Console console;

LaunchResult LaunchAttempt(const SpecView& spec, const char* directory, Console*& attended) {
  if (spec.lease_path[0] != '\0' &&
      RenewedUntil(spec.lease_path, spec.header->lease_until_ms) <= NowMs(CLOCK_BOOTTIME)) {
    return {-1, StartStep::kLeaseEnded, 0, 0};
  }
  ChildStreams streams;
  if (spec.header->console != ConsoleKind::kNone) {
    if (const int error = console.Open(spec, directory, streams); error != 0) {
      return {-1, StartStep::kOpenConsole, error, 0};
    }
    attended = &console;
  }
  return Launch(spec, streams);
}

int RunAttempt(const char* directory) {
  if (!Begin(kStatusFd, kNotifyFd)) return kShimUsage;
  MappedSpec spec;
  const int spec_fd = OpenSpec(directory);
  if (!spec.Map(spec_fd)) return kShimBadSpec;
  close(spec_fd);

  StatusRecord record = NewRecord(StatusKind::kShim);
  Seal(record);
  // Before the task exists: without this note, nobody would know that it does.
  if (!Note(record)) return kShimCannotNote;

  Console* attended = nullptr;
  const LaunchResult launched = LaunchAttempt(spec.view, directory, attended);
  const StatusRecord start = StartRecord(launched);
  const bool noted = Note(start);
  PendingNotice notice(kNotifyFd, start);
  notice.Try();
  if (launched.step != StartStep::kStarted) return noted ? kShimDone : kShimCannotNote;

  StatusRecord end = NewRecord(StatusKind::kEnd);
  end.task_pid = launched.pid;
  Supervise(spec.view, launched, notice, attended, end);
  if (attended != nullptr) attended->Drain();
  Seal(end);
  return Note(end) ? kShimDone : kShimCannotNote;
}

// Its agent may be gone: then nobody has to be told.
void Tell(const StatusRecord& record) {
  if (send(kCommandControlFd, &record, sizeof(record), MSG_NOSIGNAL) < 0) return;
}

int RunCommand() {
  if (!Begin(kCommandControlFd, kCommandSpecFd)) return kShimUsage;
  MappedSpec spec;
  if (!spec.Map(kCommandSpecFd)) return kShimBadSpec;
  ChildStreams streams;
  streams.terminal = spec.view.header->console == ConsoleKind::kTerminal;
  const LaunchResult launched = Launch(spec.view, streams);
  // The command's streams end with the command.
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (dup2(nothing, fd) < 0) close(fd);
  }
  const StatusRecord start = StartRecord(launched);
  Tell(start);
  if (launched.step != StartStep::kStarted) return kShimDone;

  console.OpenControl(kCommandControlFd);
  PendingNotice told;
  StatusRecord end = NewRecord(StatusKind::kEnd);
  end.task_pid = launched.pid;
  Supervise(spec.view, launched, told, &console, end);
  Seal(end);
  Tell(end);
  return kShimDone;
}

}  // namespace
}  // namespace berth::shim

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], berth::shim::kInitFlag) == 0) {
    return berth::shim::RunInit(argc, argv);
  }
  if (argc == 2 && strcmp(argv[1], berth::shim::kCommandMode) == 0) {
    return berth::shim::RunCommand();
  }
  if (argc != 2 || argv[1][0] != '/') {
    berth::shim::Say("usage: berth-shim ATTEMPT_DIRECTORY (absolute; started by berth-agent)\n");
    return berth::shim::kShimUsage;
  }
  return berth::shim::RunAttempt(argv[1]);
}
