// People and programs that use the cluster.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/watch_queue.h"
#include "tests/simulation/context.h"
#include "tests/simulation/ledger.h"
#include "tests/simulation/sim_daemon.h"

namespace berth::simulation {

// The way of clients to the daemon: calls and answers get lost, come twice and overtake one
// another.
class ClientWay {
 public:
  using OnReply = std::function<void(const absl::Status& posted, const scheduler::Reply& reply)>;

  ClientWay(Context& context, SimDaemon& daemon) : context_(context), daemon_(daemon) {}

  // Sends a call that may be made again. `on_reply` comes once, twice or never.
  void Call(state::CommandClass command_class, std::function<state::CommandBody()> make,
            OnReply on_reply);

  int lost_of_thousand = 0;
  int repeated_of_thousand = 0;
  int64_t slowest_us = 3'000;

 private:
  void Arrive(state::CommandClass command_class, const std::function<state::CommandBody()>& make,
              const OnReply& on_reply);
  void Answer(const OnReply& on_reply, absl::Status posted, scheduler::Reply reply);

  Context& context_;
  SimDaemon& daemon_;
};

// Submits jobs, each until it is acknowledged; cancels some.
class Submitter {
 public:
  Submitter(Context& context, Ledger& ledger, ClientWay& way, std::string name)
      : context_(context), ledger_(ledger), way_(way), name_(std::move(name)) {}

  void Submit();
  // Cancels a job that was acknowledged, again and again until it is told that it is.
  void CancelOne();
  // Cancels every service that was or will be acknowledged: nothing else ends them.
  void EndServices();
  bool settled() const { return open_ == 0; }
  const std::vector<JobId>& jobs() const { return jobs_; }

 private:
  struct Request {
    std::string id;
    size_t job_template = 0;
    bool acknowledged = false;
  };
  void Try(const std::shared_ptr<Request>& request);
  void CancelOf(JobId job);
  void TryCancel(JobId job, const std::shared_ptr<bool>& told);

  Context& context_;
  Ledger& ledger_;
  ClientWay& way_;
  const std::string name_;
  int requests_ = 0;
  int open_ = 0;
  std::vector<JobId> jobs_;
  std::vector<JobId> services_;  // of them
  bool services_end_ = false;
};

// Settles what is in quarantine: kills some of it, adopts some, and leaves the rest to end.
class Operator {
 public:
  Operator(Context& context, Ledger& ledger, ClientWay& way)
      : context_(context), ledger_(ledger), way_(way) {}

  void LookAtQuarantine();

 private:
  void Settle(state::StrayAction action, const state::StrayView& stray);

  Context& context_;
  Ledger& ledger_;
  ClientWay& way_;
};

// Lists everything, then follows every change, over breaks too: at the end its picture must be what
// is.
class Watcher final : public std::enable_shared_from_this<Watcher> {
 public:
  Watcher(Context& context, SimDaemon& daemon, ClientWay& way)
      : context_(context), daemon_(daemon), way_(way) {}

  void Begin();
  // Its daemon is gone.
  void Tick();
  bool is_following() const;
  // Compares its picture with what is.
  void Check(const state::ClusterState& cluster);

 private:
  class Sink;

  void ListJobs(JobId after, uint64_t first_epoch);
  void ListTasks(std::optional<TaskKey> after, uint64_t first_epoch);
  void Watch();
  void Apply();
  void Restart();

  Context& context_;
  SimDaemon& daemon_;
  ClientWay& way_;
  uint64_t round_ = 0;  // what comes for an earlier one is dropped
  int64_t progress_us_ = 0;
  bool has_list_ = false;
  uint64_t epoch_ = 0;
  std::shared_ptr<Sink> sink_;
  int daemon_starts_ = 0;  // of the daemon that it follows
  std::optional<api::WatchQueue> queue_;
  // "12" → state and counts of a job; "12.3" → state and attempt of a task.
  std::map<std::string, std::string> picture_;
};

}  // namespace berth::simulation
