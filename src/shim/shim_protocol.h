// What the agent and a shim say to one another: the spec that the agent writes, and the records
// that the shim leaves.
//
// An attempt has a directory of its own, with two files that matter here:
//   spec    what to run. Written whole by the agent before it starts the shim; never changed.
//   status  three fixed slots of one record each, written by the shim as it goes:
//             slot 0  kShim   the shim is there (its pid)
//             slot 1  kStart  the task runs, or why it could not be started
//             slot 2  kEnd    how it ended and what it used
//           The agent creates it, locks it with flock(2) and passes the open file on as kStatusFd,
//           so the lock is held from before the shim exists until the last copy of the descriptor
//           is gone with the shim. An agent that comes back thus knows: lock taken, a shim lives;
//           lock free, there is none and never will be one. A record counts only when its checksum
//           holds, so a reader never sees half of one. All slots lie in the file's first block,
//           which slot 0 already fills: the end can be noted on a disk that is full by then.
//
// A task with a console has a third file there, `console`: a Unix socket on which the shim takes
// what is typed (see ConsoleMessage) for as long as the task runs.
//
// As `berth-shim exec` the shim runs one command beside a task, for as long as its agent wants it:
// its standard streams are the command's, the spec is kCommandSpecFd, and kCommandControlFd is a
// socket on which it says kStart and kEnd, and whose end at the other side is the command's too.
//
// Stop is a signal: SIGRTMIN to the shim, queued with the grace in milliseconds as its value
// (several are all seen, in order); SIGTERM by hand uses the spec's grace. Everything here has the
// layout of the machine it runs on: neither file leaves it.
//
// Versions: while an upgrade goes on, an agent starts shims of the release after it, and finds what
// those of the release before have left. So a shim of each release also reads the specs of the one
// before it, and an agent the records. Versions 1 to 3 of the spec and 1 of the records were never
// released. What must be read is in tests/data/shim.
//
// Threading: plain data. Errors: none here; see spec_view.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace berth::shim {

inline constexpr char kSpecFileName[] = "spec";
inline constexpr char kStatusFileName[] = "status";
inline constexpr char kInputFileName[] = "stdin";
inline constexpr char kConsoleFileName[] = "console";

// Descriptors that the agent gives to the shim.
inline constexpr int kStatusFd = 3;  // the locked status file
inline constexpr int kNotifyFd = 4;  // a pipe shared by all shims of one agent; gets kStart records

// The same of `berth-shim exec`.
inline constexpr char kCommandMode[] = "exec";
inline constexpr int kCommandControlFd = 3;  // of SOCK_SEQPACKET
inline constexpr int kCommandSpecFd = 4;

// Exit codes of the shim itself. The task's own is in the kEnd record.
inline constexpr int kShimDone = 0;        // kEnd, or a kStart that failed, is in the status file
inline constexpr int kShimUsage = 2;       // wrong arguments or descriptors
inline constexpr int kShimBadSpec = 3;     // the spec is missing or damaged
inline constexpr int kShimCannotNote = 4;  // the status file could not be written

inline constexpr uint32_t kSpecMagic = 0x50534842;  // "BHSP"
inline constexpr uint16_t kSpecVersion = 4;
inline constexpr uint32_t kStatusMagic = 0x54534842;  // "BHST"
inline constexpr uint16_t kStatusVersion = 2;

// How to reach every process of the task, besides the shim's own children.
enum class KillMethod : uint32_t {
  kDescendants = 0,   // no cgroup: the shim is their subreaper
  kFreezerV1 = 1,     // kill_directory is a cgroup of the v1 freezer
  kCgroupKillV2 = 2,  // kill_directory is a v2 cgroup
};

enum class MemoryAccounting : uint32_t {
  kRusage = 0,  // no memory cgroup: largest resident set of one process
  kV1 = 1,      // memory.max_usage_in_bytes and memory.oom_control of memory_directory
  kV2 = 2,      // memory.peak and memory.events
};

// What standard input is.
enum class ConsoleKind : uint32_t {
  kNone = 0,      // a file, /dev/null, or what the agent gave
  kPipe = 1,      // what comes over the console's socket
  kTerminal = 2,  // a terminal of the task's own, standard output and error too
};

// What is said on a console's socket (SOCK_SEQPACKET): one byte of kind, then the rest.
enum class ConsoleMessage : char {
  kInput = 'i',   // up to kMostConsoleInput bytes, typed
  kEnd = 'e',     // there is no more input: end of file, or the terminal's character for it
  kWindow = 'w',  // two uint16: rows, columns
};
inline constexpr size_t kMostConsoleInput = 4096;

// The fixed part of a spec. After it come, in this order: group_count uint32 (supplementary
// groups), then strings, each a uint32 length, that many bytes and a NUL that the length leaves
// out: working directory, standard input (empty: what the shim has), standard output, standard
// error (empty: what the shim has), kill directory, memory directory, lease file (empty: the task
// is not fenced), network namespace (empty: the shim's own), OCI runtime (empty: the task is a
// plain process), bundle, image, cgroup_count paths of cgroup.procs files, mount_count sources of
// mounts and as many targets, argument_count arguments (the first is the program),
// environment_count entries NAME=value. See container.h for what the four of a container are.
struct SpecHeader {
  uint32_t magic = kSpecMagic;
  uint16_t version = kSpecVersion;
  uint16_t header_size = 0;
  uint32_t size = 0;         // of the whole file, bytes
  uint32_t switch_user = 0;  // 1: become uid, gid and the groups; 0: stay
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t group_count = 0;
  uint32_t argument_count = 0;
  uint32_t environment_count = 0;
  uint32_t cgroup_count = 0;
  uint32_t mount_count = 0;
  uint32_t image_as_user = 0;  // 1: the image is used only if the task's user may read it
  uint32_t umask = 022;
  int32_t nice = 0;
  int64_t grace_ms = 30000;       // between SIGTERM and SIGKILL
  int64_t time_limit_ms = 0;      // 0: none
  uint64_t open_files_soft = 0;   // soft RLIMIT_NOFILE of the task; 0: as the shim has it
  int64_t lease_until_ms = 0;     // of a fenced task: its lease as last known, CLOCK_BOOTTIME
  uint64_t oom_kills_before = 0;  // what the memory cgroup had counted before this task
  KillMethod kill_method = KillMethod::kDescendants;
  MemoryAccounting memory_accounting = MemoryAccounting::kRusage;
  ConsoleKind console = ConsoleKind::kNone;
  uint16_t rows = 0;  // of a terminal
  uint16_t columns = 0;
  // Of `exec`: process 1 of the container to run in, and its parent, which tells it from a later
  // one of that number. 0: not in a container.
  int32_t inside_init = 0;
  int32_t inside_shim = 0;
  // Of `exec` in a container: 1, the program is the node's own, static, and has the container's
  // files only: it stays outside its processes.
  uint32_t inside_for_files = 0;
  uint32_t reserved = 0;
  uint64_t checksum = 0;  // Checksum() of the whole file, this field taken as 0
};

enum class StatusKind : uint16_t { kNone = 0, kShim = 1, kStart = 2, kEnd = 3 };

// The step at which a task could not be started.
enum class StartStep : uint32_t {
  kStarted = 0,  // it could
  kJoinCgroup = 1,
  kOpenOutput = 2,
  kLimits = 3,
  kChangeUser = 4,
  kWorkingDirectory = 5,
  kFindProgram = 6,  // a name without a slash is not in PATH
  kExecute = 7,
  kClone = 8,
  kLeaseEnded = 9,  // the node's lease has ended: a fenced task must not run
  // Of a container:
  kNamespace = 10,    // a mount namespace of its own
  kImage = 11,        // the image's directory could not be opened
  kRootFs = 12,       // the overlay of the image and the task's own layer
  kMount = 13,        // a folder of the node; its number
  kMountTarget = 19,  // where that is to be in the container; its number
  kRuntime = 14,      // the OCI runtime; error is its wait status, its log says more
  // Of any:
  kOpenInput = 15,
  kOpenConsole = 16,
  kJoinNetwork = 17,
  kEnterContainer = 18,  // of `exec`; ESRCH: it has ended
};

// What made a task end.
enum class EndCause : uint32_t {
  kItself = 0,   // by itself, or by somebody's signal
  kStopped = 1,  // the agent asked the shim
  kTimeLimit = 2,
  kLeaseEnded = 3,  // the node's lease ended, and the task is fenced
};

struct StatusRecord {
  uint32_t magic = kStatusMagic;
  uint16_t version = kStatusVersion;
  StatusKind kind = StatusKind::kNone;
  int32_t shim_pid = 0;
  int32_t task_pid = 0;
  int64_t unix_ms = 0;  // when, by the wall clock
  int64_t boot_ms = 0;  // when, by CLOCK_BOOTTIME
  // kStart
  StartStep step = StartStep::kStarted;
  int32_t error = 0;  // errno of the step that failed
  // Which of several: the number of the cgroup or mount, 1 or 2 for the output. kExecute in a
  // container: 1, the program is there, and the interpreter that it names is not.
  uint32_t item = 0;
  // kEnd
  EndCause cause = EndCause::kItself;
  int32_t exit_code = 0;   // valid when signal is 0
  int32_t signal = 0;      // that killed the main process; 0: it exited
  uint32_t oom_kills = 0;  // processes of the task that the kernel killed at its memory limit
  uint32_t killed = 0;     // processes left when the main one ended, and killed
  uint32_t stuck = 0;      // 1: some of those did not die in time (uninterruptible sleep)
  uint32_t reserved = 0;
  int64_t cpu_user_us = 0;
  int64_t cpu_system_us = 0;
  int64_t memory_peak_bytes = 0;
  int64_t io_read_bytes = 0;  // from disks, and to them, of all processes that it waited for
  int64_t io_written_bytes = 0;
  uint64_t checksum = 0;  // Checksum() of the bytes before it
};

// StatusRecord.item of StartStep::kRuntime.
inline constexpr uint32_t kRuntimeFailed = 0;   // it says why
inline constexpr uint32_t kNotExecutable = 1;   // error is an errno
inline constexpr uint32_t kRuntimeTooLate = 2;  // the container did not come about in time
inline constexpr uint32_t kRuntimeStopped = 3;  // a stop came first

// Whether a start did not come about because the task was to be stopped.
inline bool WasStopped(const StatusRecord& start) {
  return start.step == StartStep::kRuntime && start.item == kRuntimeStopped;
}

inline constexpr size_t kStatusSlotBytes = 256;
static_assert(sizeof(StatusRecord) <= kStatusSlotBytes);
static_assert(sizeof(StatusRecord) % 8 == 0 && sizeof(SpecHeader) % 8 == 0, "no padding is summed");

// 64-bit FNV-1a, continued from `seed`: tells a whole record from half of one. Cost: a byte a step.
inline uint64_t Checksum(const void* data, size_t size, uint64_t seed = 0xcbf29ce484222325ULL) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  uint64_t hash = seed;
  for (size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
  return hash;
}

inline void Seal(StatusRecord& record) {
  record.checksum = Checksum(&record, offsetof(StatusRecord, checksum));
}

// True when `record` is whole, of a version known here, and of the kind asked for.
inline bool IsWhole(const StatusRecord& record, StatusKind kind) {
  return record.magic == kStatusMagic && record.version == kStatusVersion && record.kind == kind &&
         record.checksum == Checksum(&record, offsetof(StatusRecord, checksum));
}

// Where a record of this kind lies in the status file. REQUIRES: kind is not kNone.
inline constexpr size_t SlotOffset(StatusKind kind) {
  return (static_cast<size_t>(kind) - 1) * kStatusSlotBytes;
}

}  // namespace berth::shim
