// What is done for a container by children of the shim: one becomes the runtime, another goes into
// the container for a moment.
//
// Threading: the shim's one thread, or a child that shares its memory.
#pragma once

#include <sys/types.h>

namespace berth::shim {

// The function of a child in a mount namespace of its own, made with CLONE_VM and CLONE_VFORK:
// mounts the root and the mounts of the task at their places in the bundle, and executes the
// runtime. `child` is a Child; a step that fails notes itself there.
int RunContainerChild(void* child);

// crun mounts the root directory once more, and drops what it was mounted with. Rules out again
// device files of an image, which may lie where the node's administrator has ruled them out, and
// set-uid. Returns 0 or errno. Cost: a clone and three system calls.
int RemountRoot(pid_t init);

}  // namespace berth::shim
