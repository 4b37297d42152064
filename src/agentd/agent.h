#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agentd/agent_core.h"
#include "agentd/attempt_store.h"
#include "agentd/cgroups/cgroup_tree.h"
#include "agentd/cgroups/cgroups.h"
#include "agentd/drivers/process_driver.h"
#include "agentd/drivers/user_directory.h"
#include "agentd/event_loop.h"
#include "agentd/journal/journal.h"
#include "agentd/link/agent_link.h"
#include "agentd/output/output_server.h"
#include "agentd/state_directory.h"
#include "agentd/task_runner.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "base/work_thread.h"
#include "config/agent_config.h"

namespace berth::agentd {

// A whole agent: its mind (AgentCore), its memory (Journal), its hands (TaskRunner) and its voice
// (AgentLink), on one loop.
//
// An effect is carried out when the records noted before it are on disk, in order. When the journal
// cannot be written any more the agent stops; its tasks go on under their shims, and the next agent
// on the same state directory finds them again. So it is with Stop() and with kill -9.
//
// Threading: Create() and Run() on one thread; Stop(), UpdateInventory() from any.
class Agent {
 public:
  struct Options {
    config::AgentConfig config;
    std::string version;
    std::string shim_program;      // absolute
    uint64_t open_files_soft = 0;  // soft limit that tasks get; see ProcessDriver::Node
  };

  // Takes the state directory, reads the journal, and makes everything ready; starts nothing yet.
  // Errors name the thing and the way on.
  static absl::StatusOr<std::unique_ptr<Agent>> Create(Options options, const base::Clock& clock);

  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;
  ~Agent();

  // Runs until Stop(); an error is fatal, and says what happened.
  absl::Status Run();
  // Leaves the tasks running.
  void Stop();

  // The node offers something else from now on.
  void UpdateInventory(v1::NodeInventory inventory);

  [[nodiscard]] EventLoop& loop() { return loop_; }
  // Attempts that run. The loop's thread.
  [[nodiscard]] size_t live_attempts() const { return core_->live_attempts(); }

 private:
  // An effect and the journal's ticket that it waits for.
  struct Held {
    uint64_t ticket;
    Effect effect;
  };

  Agent(Options options, const base::Clock& clock, StateDirectory directory);

  absl::Status Prepare();
  absl::StatusOr<JournalFile> OpenJournal();
  void Begin();
  void Report(Event event) { events_.push_back(std::move(event)); }

  void EndOfTurn();
  void Take(std::vector<Effect> effects);
  void Commit();
  void Release();
  void OnDurable(uint64_t ticket, bool space_low);
  void Fail(absl::Status error);
  void SweepOutput();
  void TendTasks();

  void Do(Launch& effect);
  void Do(const Inspect& effect);
  void Do(const StopAttempt& effect);
  void Do(const ForceKill& effect);
  void Do(const TidyAttempt& effect);
  void Do(const RenewLease& effect);
  void Do(Send& effect);
  void Do(const CloseLink& effect);
  void Do(const SampleUsage& effect);
  void Do(OpenDataChannel& effect);
  void Do(const Say& effect);
  void Do(const Note&) {}       // the journal's
  void Do(const NoteLater&) {}  // the journal's

  const Options options_;
  const base::Clock& clock_;
  const StateDirectory directory_;
  base::UniqueFd lease_;
  AttemptStore store_;
  EventLoop loop_;
  CgroupTree cgroup_tree_;
  std::unique_ptr<Cgroups> cgroups_;
  std::unique_ptr<ProcessDriver> driver_;
  std::unique_ptr<UserDirectory> users_;
  std::unique_ptr<AgentCore> core_;
  std::unique_ptr<TaskRunner> runner_;
  std::unique_ptr<OutputServer> output_;
  std::unique_ptr<AgentLink> link_;
  std::unique_ptr<Journal> journal_;
  base::WorkThread sweeper_{"sweeper"};

  std::deque<Event> events_;
  std::vector<std::string> records_;  // of this turn
  bool records_urgent_ = false;
  std::deque<Held> held_;
  uint64_t ticket_ = 0;
  uint64_t durable_ = 0;
  uint64_t compact_at_bytes_ = 0;
  bool space_low_ = false;
  absl::Status fatal_;
};

}  // namespace berth::agentd
