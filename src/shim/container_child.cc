#include "shim/container_child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
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
  DieWithShim(child);  // after the changes of rights, which clear it
  ExecuteRuntime(child);
}

namespace {

struct Inside {
  const SpecView* spec = nullptr;
  pid_t init = -1;
  LaunchResult result;
};

[[noreturn]] void Fail(Inside& inside, StartStep step, int error, uint32_t item = 0) {
  inside.result = {-1, step, error, item};
  _exit(0);
}

// What is to be mounted, taken from where it is and mounted nowhere yet. `is_folder` is set.
int OpenSource(Inside& inside, uint32_t number, bool& is_folder) {
  const SpecView& spec = *inside.spec;
  const int seen = OpenAsUser(spec, spec.mounts[number] + 1, O_PATH);
  struct stat info = {};
  if (seen < 0 || fstat(seen, &info) != 0) Fail(inside, StartStep::kMount, errno, number);
  is_folder = S_ISDIR(info.st_mode);
  if (is_folder || S_ISREG(info.st_mode)) {
    // The same file: by its name it may be another by now, and one that does not open.
    char same[40];
    snprintf(same, sizeof(same), "/proc/self/fd/%d", seen);
    const int readable = OpenAsUser(spec, same, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (readable < 0) Fail(inside, StartStep::kMount, errno, number);
    close(readable);
  }
  const int tree = open_tree(
      seen, "",
      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (is_folder ? AT_RECURSIVE : 0));
  if (tree < 0) Fail(inside, StartStep::kMount, errno, number);
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_NOSUID;
  if (spec.mounts[number][0] == kReadOnlyMount) attributes.attr_set |= MOUNT_ATTR_RDONLY;
  attributes.propagation = MS_PRIVATE;
  // With what is mounted below it.
  if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof(attributes)) != 0) {
    Fail(inside, StartStep::kMount, errno, number);
  }
  close(seen);
  return tree;
}

// Opens a path of the container as the task will see it.
int OpenIn(int root, const char* path, uint64_t more) {
  open_how how = {};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | more;
  return static_cast<int>(syscall(SYS_openat2, root, path, &how, sizeof(how)));
}

// Where it is to be, made when it is missing, but never within another mount: that is the node's.
// Returns -1 with errno.
int OpenTarget(int root, const char* target, bool is_folder) {
  char path[4096];
  const size_t length = strlen(target);
  if (length >= sizeof(path)) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(path, target, length + 1);
  const int there = OpenIn(root, path, 0);
  if (there >= 0 || errno != ENOENT) return there;
  int parent = OpenIn(root, "/", RESOLVE_NO_XDEV);
  for (char* name = path; parent >= 0;) {
    while (*name == '/') ++name;
    char* end = strchrnul(name, '/');
    const bool is_last = *end == '\0' || end[strspn(end, "/")] == '\0';
    const char after = *end;
    *end = '\0';
    int next = OpenIn(root, path, RESOLVE_NO_XDEV);
    if (next < 0 && errno == ENOENT) {
      int made;
      if (is_last && !is_folder) {
        made = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (made >= 0) close(made);
      } else {
        made = mkdirat(parent, name, 0755);
      }
      next = made < 0 ? -1 : OpenIn(root, path, RESOLVE_NO_XDEV);
    }
    const int error = errno;
    close(parent);
    errno = error;
    if (next < 0 || is_last) return next;
    *end = after;
    name = end;
    parent = next;
  }
  return -1;
}

int RunInside(void* argument) {
  auto& inside = *static_cast<Inside*>(argument);
  const SpecView& spec = *inside.spec;
  int trees[kMaxMounts];
  bool are_folders[kMaxMounts];
  for (uint32_t i = 0; i < spec.header->mount_count; ++i) {
    trees[i] = OpenSource(inside, i, are_folders[i]);
  }
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/ns/mnt", inside.init);
  const int space = open(path, O_RDONLY | O_CLOEXEC);
  if (space < 0 || setns(space, CLONE_NEWNS) != 0 ||
      mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_NODEV | MS_NOSUID, nullptr) != 0) {
    Fail(inside, StartStep::kRootFs, errno);
  }
  const int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  for (uint32_t i = 0; i < spec.header->mount_count; ++i) {
    const int target = OpenTarget(root, spec.mount_targets[i], are_folders[i]);
    if (target < 0 || move_mount(trees[i], "", target, "",
                                 MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
      Fail(inside, StartStep::kMountTarget, errno, i);
    }
    close(target);
  }
  _exit(0);
}

}  // namespace

LaunchResult MountInside(const SpecView& spec, pid_t init) {
  alignas(16) static char stack[kChildStackBytes];
  Inside inside;
  inside.spec = &spec;
  inside.init = init;
  const pid_t pid =
      clone(RunInside, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &inside);
  if (pid < 0) return {-1, StartStep::kRootFs, errno, 0};
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return inside.result;
}

}  // namespace berth::shim
