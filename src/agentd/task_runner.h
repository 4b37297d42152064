#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "agentd/agent_event.h"
#include "agentd/attempt_key.h"
#include "agentd/attempt_store.h"
#include "agentd/cgroups/cgroups.h"
#include "agentd/drivers/process_driver.h"
#include "agentd/drivers/user_directory.h"
#include "agentd/event_loop.h"
#include "base/unique_fd.h"
#include "shim/shim_protocol.h"

namespace berth::agentd {

// The hands of the agent: starts shims, finds those of an agent before it again, stops and kills,
// and reports as events what it sees.
//
// It waits for each shim on a descriptor of its process (pidfd), and for their first words on one
// pipe that all share; nothing is polled, and there is no thread per task.
//
// Threading: the loop's thread. Errors: every one of an attempt becomes that attempt's event.
class TaskRunner {
 public:
  struct Parts {
    EventLoop& loop;
    const base::Clock& clock;
    Cgroups& cgroups;
    UserDirectory& users;
    const ProcessDriver& driver;
    AttemptStore& store;
    std::string shim_program;
  };
  using Report = std::function<void(Event)>;

  TaskRunner(const Parts& parts, Report report);
  TaskRunner(const TaskRunner&) = delete;
  TaskRunner& operator=(const TaskRunner&) = delete;
  ~TaskRunner();

  // Makes the pipe. Before anything else.
  absl::Status Open();

  // Cost: two files, one posix_spawn; no wait for the task.
  void Launch(const AttemptKey& key, v1::StartTask start);
  // What became of an attempt of an agent before this one. May answer later.
  void Inspect(const AttemptKey& key);
  // Nothing happens when its process is not there.
  void Stop(const AttemptKey& key, int64_t grace_ms);
  void ForceKill(const AttemptKey& key);

  // After the last Inspect(): ends the shims of attempts that `known` does not know, and removes
  // the files and cgroups that belong to no attempt.
  void CleanUp(const std::function<bool(const AttemptKey&)>& known);

  // What each running attempt uses, where it differs from the last time.
  std::vector<std::pair<AttemptKey, v1::Usage>> SampleUsage();

  [[nodiscard]] size_t running() const { return shims_.size(); }

 private:
  // A shim that runs, or is about to.
  struct Shim {
    pid_t pid = -1;
    base::UniqueFd pidfd;
    base::UniqueFd status;
    TaskCgroup cgroup;
    bool start_seen = false;
    int64_t started_unix_ms = 0;
    std::string last_usage;
  };

  // Between Launch() and the start of its shim.
  struct Waiting {
    v1::StartTask start;
    bool stop = false;
    int64_t grace_ms = 0;
  };

  void LaunchAs(const AttemptKey& key, const ProcessDriver::Identity& identity,
                const UserRecord& user);
  void Watch(const AttemptKey& key, Shim shim);
  void OnNotices();
  void OnShimExit(const AttemptKey& key);
  void SeeStart(const AttemptKey& key, Shim& shim, const shim::StatusRecord& start);
  void Conclude(const AttemptKey& key, Shim shim, const std::string& how_the_shim_ended);
  void NotStarted(const AttemptKey& key, CannotStart why);

  [[nodiscard]] TaskCgroup AdoptCgroup(const AttemptKey& key);
  void AdoptLive(const AttemptKey& key, TaskCgroup cgroup, int tries);
  void AwaitStart(const AttemptKey& key);

  const Parts parts_;
  const Report report_;
  base::UniqueFd notify_read_;
  base::UniqueFd notify_write_;
  std::map<AttemptKey, Waiting> waiting_;
  std::map<AttemptKey, Shim> shims_;
  std::map<pid_t, AttemptKey> by_pid_;
};

}  // namespace berth::agentd
