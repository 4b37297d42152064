#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shim/task_spec.h"

namespace berth::agentd {

// What a task may use.
struct TaskLimits {
  int64_t cpu_milli = 0;        // its weight against other tasks
  int64_t memory_bytes = 0;     // hard; 0: none
  int32_t max_processes = 0;    // 0: none
  int64_t cpu_limit_milli = 0;  // most at once; 0: idle CPUs are free for all
  int32_t dedicated_cpus = 0;   // CPUs that it has to itself; 0: it shares with the others
  bool one_numa_node = false;   // those are of one NUMA node, and so is its memory
  int32_t io_weight = 0;        // for disks, 1 to 1000; 0: 100

  friend bool operator==(const TaskLimits&, const TaskLimits&) = default;
};

// The cgroup of one task, from Take() to GiveBack(). Empty without cgroups.
struct TaskCgroup {
  std::string name;  // of its directory below the root: what Adopt() takes
  std::vector<std::string> procs;
  shim::KillMethod kill_method = shim::KillMethod::kDescendants;
  std::string kill_directory;
  shim::MemoryAccounting memory_accounting = shim::MemoryAccounting::kRusage;
  std::string memory_directory;
  uint64_t oom_kills_before = 0;
};

// What a node holds tasks to, beyond what isolation() stands for.
struct CgroupPowers {
  bool cpu_limit = false;
  bool dedicated_cpus = false;
  bool io_weight = false;
};

struct CgroupUsage {
  int64_t cpu_time_ms = 0;
  int64_t memory_bytes = 0;
  int64_t memory_peak_bytes = 0;
  // Of disks. Version 1 does not count what goes through the page cache: absent.
  std::optional<int64_t> io_read_bytes;
  std::optional<int64_t> io_written_bytes;
};

// What keeps the tasks of a node apart: a cgroup each, below a root that is this agent's own.
//
// The kernel joins a task to its cgroup when the shim writes to `procs`, between clone and exec;
// the shim itself stays outside, so that its memory is not the task's.
//
// Threading: one thread at a time. Errors: Unavailable or the file's own error, naming the file;
// what cannot be removed now is tried again by Tidy().
class Cgroups {
 public:
  virtual ~Cgroups() = default;

  // "cgroup-v1", "cgroup-v2" or "none", as berthd shows it.
  [[nodiscard]] virtual std::string_view isolation() const = 0;
  // What is not among them is asked for in vain, which is shown and no error.
  [[nodiscard]] virtual CgroupPowers powers() const = 0;

  // A cgroup with these limits, empty and with its counters at zero. ResourceExhausted: there are
  // not so many CPUs to dedicate.
  // Cost: no system call but those for what differs from the task that had it before; else a mkdir
  // and a few writes.
  virtual absl::StatusOr<TaskCgroup> Take(const TaskLimits& limits) = 0;

  // The one that an earlier agent took, after a restart. NotFound; AlreadyExists: it is taken, or
  // ready for the next task.
  virtual absl::StatusOr<TaskCgroup> Adopt(std::string_view name) = 0;

  // Ends the use of a cgroup. `clean`: a shim has reported that nothing of the task is left, and
  // how many processes were killed at the memory limit; else it is emptied by force and removed.
  virtual void GiveBack(const TaskCgroup& cgroup, bool clean, uint32_t oom_kills) = 0;

  // What the task uses now; nothing for a cgroup that is not taken. Cost: three or four small files
  // read.
  virtual CgroupUsage Usage(const TaskCgroup& cgroup) = 0;

  // The processes in it, those of cgroups that a task made below it left out. Empty for one that is
  // not taken. Cost: one small file read.
  virtual std::vector<pid_t> Processes(const TaskCgroup& cgroup) = 0;

  // Kills every process in it; returns how many there were. Nothing happens to one that is not
  // taken. Cost: as shim::KillCgroup().
  virtual int Kill(const TaskCgroup& cgroup) = 0;

  // Empties and removes every cgroup below the root that nobody has taken or adopted: what an
  // agent that was killed left. Returns the names of those that had processes.
  virtual std::vector<std::string> RemoveLeftovers() = 0;

  // Tries again to remove what could not be removed before. Cost: nothing when there is none.
  virtual void Tidy() = 0;
};

// No cgroups: isolation "none".
std::unique_ptr<Cgroups> NoCgroups();

}  // namespace berth::agentd
