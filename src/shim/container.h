// A task in a root file system of its own, made by an OCI runtime (crun).
//
//   agent ─ shim ─┬─ runtime, until the container stands
//                 └─ init (this binary, process 1 of the container) ─ the task
//
// The shim unshares a mount namespace for the runtime, in which it lays an overlay, of the image
// and a layer of the task's own, at BUNDLE/rootfs. It is gone with the last process in there,
// however that ends: nothing is mounted on the node itself. The image (when `image_as_user`) and
// the mounts are opened with the rights of the task's user, so that nobody sees through them what
// he may not see.
//
// The runtime ends when the container stands, and leaves init to the shim as its child. The mounts
// are made only then, and by the shim: the runtime makes what is missing where it mounts something,
// as root, and with a mount already there, or a symbolic link of the image, that could be in a
// folder of the node. The shim puts init into the task's cgroups: what the runtime used is not the
// task's. Then init starts the task, waits for it, and says on a channel how that went. Everything
// in the container ends with init, and init with its shim.
//
// The bundle, made by the agent: config.json, whose process is this binary with --init; and the
// directories named below.
//
// Threading: the shim's one thread. Errors: a StartStep.
#pragma once

#include <cstddef>
#include <cstdint>

#include "shim/launch.h"

namespace berth::shim {

// In the bundle.
inline constexpr char kRootFsName[] = "rootfs";  // empty: where the root is mounted
inline constexpr char kUpperName[] = "upper";    // what the task writes to it
inline constexpr char kWorkName[] = "work";      // overlayfs's own
inline constexpr char kRuntimeStateName[] = "state";
inline constexpr char kRuntimeLogName[] = "log";
inline constexpr char kContainerId[] = "task";  // below the state, which is this container's alone

// A mount in a spec begins with one of these, and its source follows.
inline constexpr char kReadOnlyMount = 'r';
inline constexpr char kWritableMount = 'w';

// init is executed as `berth-shim --init DIRECTORY PROGRAM [ARGUMENT ...]`, in the root directory.
inline constexpr char kInitFlag[] = "--init";
inline constexpr int kChannelFd = 3;  // in init

// On the channel, a socket that keeps messages whole.
enum class ContainerWord : uint32_t {
  kReady = 1,    // init: it is there
  kGo = 2,       // shim: start the task
  kStarted = 3,  // init: it runs
  kFailed = 4,   // init: it could not be started; step, error, item
  kEnded = 5,    // init: wait_status
};

struct ContainerMessage {
  ContainerWord word = ContainerWord::kReady;
  StartStep step = StartStep::kStarted;
  int32_t error = 0;
  uint32_t item = 0;
  int32_t wait_status = 0;
};

// Starts the container and the task in it; `pid` is init's. When it fails, nothing is left.
//
// REQUIRES: as Launch(). A stop that comes meanwhile waits for the start, at most for its grace.
// Cost: about 20 ms, most of it the runtime's.
LaunchResult LaunchContainer(const SpecView& spec, const ChildStreams& streams);

// Reads a message without waiting; false when there is none.
bool ReadMessage(int channel, ContainerMessage& message);

// The main function of init.
int RunInit(int argc, char** argv);

}  // namespace berth::shim
