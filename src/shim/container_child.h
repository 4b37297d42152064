// What is done for a container by children of the shim: one becomes the runtime, another goes into
// the container for a moment.
//
// Threading: the shim's one thread, or a child that shares its memory.
#pragma once

#include <sys/types.h>

#include "shim/launch.h"

namespace berth::shim {

// The function of a child in a mount namespace of its own, made with CLONE_VM and CLONE_VFORK:
// mounts the root at its place in the bundle, and executes the runtime. `child` is a Child; a step
// that fails notes itself there.
int RunContainerChild(void* child);

// What is left to be done in the container that stands. crun mounts the root directory once more,
// and drops what it was mounted with: rules out again device files of an image, which may lie where
// the node's administrator has ruled them out, and set-uid. Then makes the task's mounts.
//
// REQUIRES: `init` is a child of this process that was not waited for. Cost: a clone, three system
// calls and some for each mount.
LaunchResult MountInside(const SpecView& spec, pid_t init);

}  // namespace berth::shim
