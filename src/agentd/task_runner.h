#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "agentd/agent_event.h"
#include "agentd/attempt_key.h"
#include "agentd/attempt_store.h"
#include "agentd/cgroups/cgroups.h"
#include "agentd/commands/task_hooks.h"
#include "agentd/drivers/driver.h"
#include "agentd/drivers/user_directory.h"
#include "agentd/event_loop.h"
#include "agentd/network/task_networks.h"
#include "agentd/probe/nvml.h"
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
    Driver& driver;
    AttemptStore& store;
    TaskHooks& hooks;
    TaskNetworks& networks;
    std::string shim_program;
  };
  using Report = std::function<void(Event)>;
  // The last process of an attempt has ended; what its end is comes by Report, maybe later.
  using Ended = std::function<void(const AttemptKey& key)>;

  TaskRunner(const Parts& parts, Report report, Ended ended);
  TaskRunner(const TaskRunner&) = delete;
  TaskRunner& operator=(const TaskRunner&) = delete;
  ~TaskRunner();

  // Makes the pipe. Before anything else.
  absl::Status Open();

  // Cost: two files, one posix_spawn; no wait for the task.
  void Launch(const AttemptKey& key, v1::StartTask start, int64_t lease_until_ms);
  // What became of an attempt of an agent before this one. May answer later: what cannot be found
  // out now, for want of descriptors say, is asked again until it can.
  void Inspect(const AttemptKey& key, v1::StartTask start);
  // Nothing happens when its process is not there.
  void Stop(const AttemptKey& key, int64_t grace_ms);
  void ForceKill(const AttemptKey& key);

  // Something that is not the attempt's own may be in its cgroup from now on, until it is gone: a
  // command beside it. The cgroup is emptied by force then, and is no other attempt's afterwards.
  // False: it does not run.
  bool AddGuest(const AttemptKey& key);
  void RemoveGuest(const AttemptKey& key);

  // After the last Inspect(): ends the shims of attempts that `known` does not know, and removes
  // the files and cgroups that belong to no attempt; the cgroups when each search has found whose
  // is whose. `done` is called once none of those shims is left: what berthd places here from then
  // on meets nothing that it does not know of.
  void CleanUp(const std::function<bool(const AttemptKey&)>& known, std::function<void()> done);

  // Keeps the output of running attempts within bounds, and removes cgroups that could not be
  // removed before. To be called now and then.
  void Tend();

  // What each running attempt uses. `on_devices`: by process of the node.
  // Cost: some small files for each attempt, and one more where processes use devices.
  std::vector<std::pair<AttemptKey, v1::Usage>> SampleUsage(
      const std::vector<ProcessDeviceUsage>& on_devices);

  [[nodiscard]] size_t running() const { return shims_.size(); }

 private:
  // A shim that runs, or is about to.
  struct Shim {
    pid_t pid = -1;
    base::UniqueFd pidfd;
    base::UniqueFd status;
    TaskCgroup cgroup;
    bool start_seen = false;
    int guests = 0;
    int64_t started_unix_ms = 0;
    v1::StartTask start;        // for the epilog, without its payload; empty without one
    int64_t io_read_bytes = 0;  // as sampled
    int64_t io_written_bytes = 0;
  };

  // Between Launch() and the start of its shim.
  struct Waiting {
    v1::StartTask start;
    int64_t lease_until_ms = 0;
    TaskIdentity identity;
    UserRecord user;
    std::string network_namespace;
    uint64_t prolog = 0;  // that runs; 0: none
  };

  // The search for what an agent before this one left of an attempt.
  struct Search {
    // Nothing: not known yet. Empty: it has none.
    std::optional<TaskCgroup> cgroup;
    int looks = 0;         // while a shim had it and did not say who it is
    int64_t retry_ms = 0;  // after the last error
    v1::StartTask start;   // as Shim has it
    std::optional<int64_t> stop_grace_ms;
  };

  // What comes between Launch() and the shim, in this order; each ends the attempt or goes on.
  void RunProlog(const AttemptKey& key);
  void MakeNetwork(const AttemptKey& key);
  void Prepare(const AttemptKey& key);
  void StartShim(const AttemptKey& key, std::variant<PreparedTask, CannotStart>&& preparation);
  // The last word on an attempt, once the node has cleared up after it.
  void Finish(const AttemptKey& key, const v1::StartTask& start, Event event);
  [[nodiscard]] v1::StartTask ForEpilog(v1::StartTask start) const;
  void Watch(const AttemptKey& key, Shim shim);
  void OnNotices();
  void OnShimExit(const AttemptKey& key);
  void SeeStart(const AttemptKey& key, Shim& shim, const shim::StatusRecord& start);
  void Conclude(const AttemptKey& key, Shim shim, const std::string& how_the_shim_ended);
  void NotStarted(const AttemptKey& key, CannotStart why);
  // The same after its prolog, or while that runs.
  void NotLaunched(const AttemptKey& key, CannotStart why);

  [[nodiscard]] absl::StatusOr<TaskCgroup> AdoptCgroup(const AttemptKey& key);
  void LookFor(const AttemptKey& key);
  void LookAgain(const AttemptKey& key, int64_t after_ms);
  void RetrySearch(const AttemptKey& key, const std::string& error);
  void FindShim(const AttemptKey& key);
  void FindRecords(const AttemptKey& key, base::UniqueFd status);
  // Ends the search and returns the attempt's cgroup, if it has one.
  TaskCgroup EndSearch(const AttemptKey& key, v1::StartTask* start);
  void Discard(const AttemptKey& key, const std::function<bool(const AttemptKey&)>& known,
               int tries);
  // True: nothing is left of it, or a new attempt has its name.
  bool TryDiscard(const AttemptKey& key, const std::function<bool(const AttemptKey&)>& known,
                  bool is_first);
  static void AddTransfers(const CgroupUsage& used, const std::vector<pid_t>& pids, Shim& shim);
  void RemoveLeftovers();
  void AwaitStart(const AttemptKey& key);

  const Parts parts_;
  const Report report_;
  const Ended ended_;
  base::UniqueFd notify_read_;
  base::UniqueFd notify_write_;
  std::map<AttemptKey, Waiting> waiting_;
  std::map<AttemptKey, Search> searches_;
  std::map<AttemptKey, Shim> shims_;
  std::map<pid_t, AttemptKey> by_pid_;
  // Cgroups of nobody are to be removed once it is known which have an owner.
  // Attempts that nobody knows and whose shims have not ended yet, and who waits for that.
  std::set<AttemptKey> discarding_;
  std::function<void()> cleaned_up_;
  bool leftovers_wait_ = false;
};

}  // namespace berth::agentd
