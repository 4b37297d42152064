#include "shim/enter_container.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "shim/launch_steps.h"

namespace berth::shim {
namespace {

constexpr size_t kChildStackBytes = 64 * 1024;

// A container's namespaces, and what its init may do.
struct Container {
  int processes = -1;
  int others[3] = {-1, -1, -1};  // host name, IPC; the files last: then nothing of the node is seen
  uint64_t capabilities = 0;     // that its processes can have at most

  Container() = default;
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;
  ~Container() {
    for (const int fd : {processes, others[0], others[1], others[2]}) {
      if (fd >= 0) close(fd);
    }
  }
};

struct Entry {
  Child child;
  const Container* container = nullptr;
};

int OpenOf(pid_t pid, const char* name) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
  return open(path, O_RDONLY | O_CLOEXEC);
}

// Returns 0 or errno.
int Open(const SpecView& spec, Container& container) {
  const pid_t init = spec.header->inside_init;
  const bool for_files = spec.header->inside_for_files != 0;
  if (!for_files && (container.processes = OpenOf(init, "ns/pid")) < 0) return errno;
  if (!for_files && (container.others[0] = OpenOf(init, "ns/uts")) < 0) return errno;
  if (!for_files && (container.others[1] = OpenOf(init, "ns/ipc")) < 0) return errno;
  if ((container.others[2] = OpenOf(init, "ns/mnt")) < 0) return errno;
  // After they are open: what they are of had this parent.
  const int status = OpenOf(init, "status");
  if (status < 0) return errno;
  static char text[8192];
  const ssize_t got = read(status, text, sizeof(text) - 1);
  const int error = errno;
  close(status);
  if (got < 0) return error;
  text[got] = '\0';
  const char* parent = strstr(text, "\nPPid:");
  const char* bounding = strstr(text, "\nCapBnd:");
  if (parent == nullptr || bounding == nullptr) return EPROTO;
  if (strtol(parent + strlen("\nPPid:"), nullptr, 10) != spec.header->inside_shim) return ESRCH;
  container.capabilities = strtoull(bounding + strlen("\nCapBnd:"), nullptr, 16);
  return 0;
}

void KeepOnly(Child& child, uint64_t capabilities) {
  for (int each = 0; each < 64; ++each) {
    if ((capabilities >> each & 1) != 0) continue;
    // EINVAL: the kernel does not have so many.
    if (prctl(PR_CAPBSET_DROP, each, 0, 0, 0) != 0 && errno != EINVAL) {
      Fail(child, StartStep::kEnterContainer, errno);
    }
  }
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 ||
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    Fail(child, StartStep::kEnterContainer, errno);
  }
}

int RunInside(void* argument) {
  auto& entry = *static_cast<Entry*>(argument);
  Child& child = entry.child;
  StepOut(child);
  for (const int space : entry.container->others) {
    if (space >= 0 && setns(space, 0) != 0) Fail(child, StartStep::kEnterContainer, errno);
  }
  KeepOnly(child, entry.container->capabilities);
  BecomeUser(child);
  DieWithShim(child);  // after the change of user, which clears it
  Execute(child);
}

LaunchResult Start(const SpecView& spec, const ChildStreams& streams) {
  alignas(16) static char stack[kChildStackBytes];
  Container container;
  if (const int error = Open(spec, container); error != 0) {
    // Of a process that is gone there are no files.
    return {-1, StartStep::kEnterContainer, error == ENOENT ? ESRCH : error, 0};
  }
  Entry entry;
  entry.container = &container;
  entry.child.spec = &spec;
  entry.child.streams = streams;
  entry.child.shim_pid = 0;  // there is no seeing it from another namespace of processes
  const bool for_files = spec.header->inside_for_files != 0;
  if (for_files) {
    entry.child.program = open(spec.arguments[0], O_PATH | O_CLOEXEC);
    if (entry.child.program < 0) return {-1, StartStep::kExecute, errno, 0};
  }
  if (container.processes >= 0 && setns(container.processes, CLONE_NEWPID) != 0) {
    return {-1, StartStep::kEnterContainer, errno, 0};
  }
  // Work on files goes on when the container ends, so it is not among its processes. Nor is it
  // among the node's: what the image has may be run by it (libc's modules for character sets).
  const int own_processes = for_files ? CLONE_NEWPID : 0;
  const pid_t pid = clone(RunInside, stack + sizeof(stack),
                          CLONE_VM | CLONE_VFORK | SIGCHLD | own_processes, &entry);
  const int clone_error = errno;
  if (entry.child.program >= 0) close(entry.child.program);
  LaunchResult result = entry.child.result;
  if (pid < 0) {
    // ENOMEM: the namespace has no process 1 any more.
    if (clone_error == ENOMEM) return {-1, StartStep::kEnterContainer, ESRCH, 0};
    return {-1, StartStep::kClone, clone_error, 0};
  }
  if (result.step != StartStep::kStarted) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return result;
  }
  result.pid = pid;
  return result;
}

}  // namespace

LaunchResult LaunchInside(const SpecView& spec, const ChildStreams& streams) {
  const LaunchResult result = Start(spec, streams);
  Close(streams);
  return result;
}

}  // namespace berth::shim
