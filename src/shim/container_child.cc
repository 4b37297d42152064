#include "shim/container_child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "shim/container.h"
#include "shim/launch_steps.h"

namespace berth::shim {
namespace {

constexpr size_t kChildStackBytes = 64 * 1024;

// crun 1.8 refuses to work where version 1 and 2 of cgroups are mounted side by side, even when it
// is told to leave cgroups alone. Here it does not see the second.
constexpr char kUnifiedCgroup[] = "/sys/fs/cgroup/unified";

void Join(Child& child, char* to, size_t size, const char* name) {
  const int length = snprintf(to, size, "%s/%s", child.spec->bundle, name);
  if (length < 0 || static_cast<size_t>(length) >= size) {
    Fail(child, StartStep::kRootFs, ENAMETOOLONG);
  }
}

// Opens `path` with the rights of the task's user, as far as files are concerned. The system calls
// themselves: libc's wrappers would change every thread that shares this memory.
int OpenAsUser(const SpecView& spec, const char* path, int flags) {
  const SpecHeader& header = *spec.header;
  if (header.switch_user == 0) return open(path, flags | O_CLOEXEC);
  syscall(SYS_setgroups, static_cast<size_t>(header.group_count), spec.groups);
  syscall(SYS_setfsgid, header.gid);
  syscall(SYS_setfsuid, header.uid);
  int fd = open(path, flags | O_CLOEXEC);
  const int saved = errno;
  // It answers with what was in force: root's rights must not have stayed.
  const bool switched = static_cast<uint32_t>(syscall(SYS_setfsuid, 0)) == header.uid;
  syscall(SYS_setfsgid, 0);
  syscall(SYS_setgroups, 0, nullptr);
  if (!switched && fd >= 0) {
    close(fd);
    fd = -1;
  }
  errno = switched ? saved : EPERM;
  return fd;
}

void MountRoot(Child& child) {
  const SpecView& spec = *child.spec;
  const int flags = O_RDONLY | O_DIRECTORY;
  const int image = spec.header->image_as_user != 0 ? OpenAsUser(spec, spec.image, flags)
                                                    : open(spec.image, flags | O_CLOEXEC);
  if (image < 0) Fail(child, StartStep::kImage, errno);
  char path[4096];
  Join(child, path, sizeof(path), kUpperName);
  const int upper = open(path, flags | O_CLOEXEC);
  if (upper < 0) Fail(child, StartStep::kRootFs, errno);
  Join(child, path, sizeof(path), kWorkName);
  const int work = open(path, flags | O_CLOEXEC);
  if (work < 0) Fail(child, StartStep::kRootFs, errno);
  // By descriptor: a name may have a colon or a comma inside, and may mean another directory by
  // now.
  char options[160];
  snprintf(options, sizeof(options),
           "lowerdir=/proc/self/fd/%d,upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d", image,
           upper, work);
  Join(child, path, sizeof(path), kRootFsName);
  if (mount("overlay", path, "overlay", MS_NODEV | MS_NOSUID, options) != 0) {
    Fail(child, StartStep::kRootFs, errno);
  }
}

void BindMounts(Child& child) {
  const SpecView& spec = *child.spec;
  for (uint32_t i = 0; i < spec.header->mount_count; ++i) {
    const char* from = spec.mounts[i] + 1;
    const int seen = OpenAsUser(spec, from, O_PATH);
    if (seen < 0) Fail(child, StartStep::kMount, errno, i);
    struct stat info = {};
    if (fstat(seen, &info) != 0) Fail(child, StartStep::kMount, errno, i);
    const bool is_folder = S_ISDIR(info.st_mode);
    if (is_folder || S_ISREG(info.st_mode)) {
      const int readable = OpenAsUser(spec, from, is_folder ? O_RDONLY | O_DIRECTORY : O_RDONLY);
      if (readable < 0) Fail(child, StartStep::kMount, errno, i);
      close(readable);
    }
    char name[32];
    snprintf(name, sizeof(name), "%s/%u", kMountsName, i);
    char path[4096];
    Join(child, path, sizeof(path), name);
    const int made =
        is_folder ? mkdir(path, 0700) : open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (made < 0 && errno != EEXIST) Fail(child, StartStep::kMount, errno, i);
    if (!is_folder && made >= 0) close(made);
    char source[40];
    snprintf(source, sizeof(source), "/proc/self/fd/%d", seen);
    if (mount(source, path, nullptr, MS_BIND | MS_REC, nullptr) != 0) {
      Fail(child, StartStep::kMount, errno, i);
    }
    // With what is mounted below it.
    mount_attr read_only = {};
    read_only.attr_set = MOUNT_ATTR_RDONLY;
    if (spec.mounts[i][0] == kReadOnlyMount &&
        syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, &read_only, sizeof(read_only)) !=
            0) {
      Fail(child, StartStep::kMount, errno, i);
    }
    close(seen);
  }
}

[[noreturn]] void ExecuteRuntime(Child& child) {
  const SpecView& spec = *child.spec;
  char state[4096];
  char log[4096];
  Join(child, state, sizeof(state), kRuntimeStateName);
  Join(child, log, sizeof(log), kRuntimeLogName);
  if (dup2(child.channel, kChannelFd) < 0) {
    Fail(child, StartStep::kRuntime, errno, kNotExecutable);
  }
  if (child.channel == kChannelFd) fcntl(kChannelFd, F_SETFD, 0);
  const char* arguments[] = {spec.runtime, "--root",    state,
                             "--log",      log,         "--cgroup-manager=disabled",
                             "run",        "--detach",  "--preserve-fds=1",
                             "--bundle",   spec.bundle, kContainerId,
                             nullptr};
  // Nothing of the task's: this runs as root.
  const char* environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                               nullptr};
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execve(spec.runtime, const_cast<char**>(arguments), const_cast<char**>(environment));
  Fail(child, StartStep::kRuntime, errno, kNotExecutable);
}

// The one that kills go to, where it is apart from those that limit and count: whoever kills the
// task while it is being started reaches the runtime too, and what that has started.
void JoinFreezer(Child& child) {
  const SpecView& spec = *child.spec;
  if (spec.header->kill_method != KillMethod::kFreezerV1) return;
  const size_t length = strlen(spec.kill_directory);
  for (uint32_t i = 0; i < spec.header->cgroup_count; ++i) {
    if (strncmp(spec.cgroup_procs[i], spec.kill_directory, length) == 0) JoinCgroup(child, i);
  }
}

}  // namespace

int RunContainerChild(void* argument) {
  auto& child = *static_cast<Child*>(argument);
  setpgid(0, 0);
  JoinFreezer(child);
  JoinNetwork(child);
  TakeStreams(child);
  SetLimits(child);
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    Fail(child, StartStep::kNamespace, errno);
  }
  umount2(kUnifiedCgroup, MNT_DETACH);  // where it is mounted
  MountRoot(child);
  BindMounts(child);
  DieWithShim(child);  // after the changes of rights, which clear it
  ExecuteRuntime(child);
}

namespace {

struct Remount {
  pid_t init = -1;
  int error = 0;
};

int RunRemount(void* argument) {
  auto& remount = *static_cast<Remount*>(argument);
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/ns/mnt", remount.init);
  const int space = open(path, O_RDONLY | O_CLOEXEC);
  if (space < 0 || setns(space, CLONE_NEWNS) != 0 ||
      mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_NODEV | MS_NOSUID, nullptr) != 0) {
    remount.error = errno;
  }
  _exit(0);
}

}  // namespace

int RemountRoot(pid_t init) {
  alignas(16) static char stack[kChildStackBytes];
  Remount remount;
  remount.init = init;
  const pid_t pid =
      clone(RunRemount, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &remount);
  if (pid < 0) return errno;
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return remount.error;
}

}  // namespace berth::shim
