// Signals and kills everything that belongs to a task: the processes of its cgroup, or the children
// of a subreaper. Plain system calls, no allocation: used by the shim and by the agent.
//
// Threading: any thread; keeps nothing. Errors: what cannot be opened or has ended counts as no
// process; the caller learns from the count whether there is anything left to do.
#pragma once

#include "shim/shim_protocol.h"

namespace berth::shim {

// Sends `signal` to each process of the cgroup directory; returns how many were there.
// Cost: one read per about 500 processes.
int SignalCgroup(const char* directory, int signal);

// Sends SIGKILL to each process of the cgroup so that none escapes by forking meanwhile: v1
// freezes, kills and thaws; v2 uses cgroup.kill, and cgroup.freeze in the same way where the kernel
// has no cgroup.kill. Returns how many processes were there. They are gone a little later: call
// again until it returns 0. May take 100 ms when a process cannot be frozen.
int KillCgroup(KillMethod method, const char* directory);

// Sends `signal` to each child of the calling thread; returns how many there were. Children of a
// child that is killed become children of the calling subreaper: call again until there are none.
int SignalChildren(int signal);

}  // namespace berth::shim
