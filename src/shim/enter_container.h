// Starts a command in a container that is there already, beside its task.
//
// A command joins the container's processes, files, IPC and host name, and gets no right that its
// init does not have; the node's programs of which it may see nothing stay outside. Work on files
// joins the files alone: nobody in the container sees the process that does it.
//
// What such a command leaves behind belongs to the container's init, and ends with the task.
//
// Threading: the shim's one thread. Errors: a StartStep.
#pragma once

#include "shim/launch.h"

namespace berth::shim {

// As Launch(), of a spec with `inside_init`. The shim's later children are in the container's pid
// namespace.
LaunchResult LaunchInside(const SpecView& spec, const ChildStreams& streams);

}  // namespace berth::shim
