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
#include "agentd/channels/channel_hub.h"
#include "agentd/channels/command_server.h"
#include "agentd/checks/beside_commands.h"
#include "agentd/checks/node_health.h"
#include "agentd/checks/task_checks.h"
#include "agentd/commands/command_runner.h"
#include "agentd/commands/task_hooks.h"
#include "agentd/core_pump.h"
#include "agentd/drivers/oci_driver.h"
#include "agentd/drivers/process_driver.h"
#include "agentd/drivers/user_directory.h"
#include "agentd/event_loop.h"
#include "agentd/journal/journal.h"
#include "agentd/latency/peer_latencies.h"
#include "agentd/link/agent_link.h"
#include "agentd/network/task_networks.h"
#include "agentd/output/output_server.h"
#include "agentd/output/output_tails.h"
#include "agentd/output/output_watch.h"
#include "agentd/probe/node_watch.h"
#include "agentd/scratch/scratch_watch.h"
#include "agentd/state_directory.h"
#include "agentd/task_runner.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "base/work_thread.h"
#include "config/agent_config.h"
#include "images/image_store.h"

namespace berth::agentd {

// A whole agent: its mind (AgentCore), its memory (Journal), its hands (TaskRunner) and its voice
// (AgentLink), on one loop.
//
// An effect is carried out when the records noted before it are on disk, in order. When the journal
// cannot be written any more the agent stops; its tasks go on under their shims, and the next agent
// on the same state directory finds them again. So it is with Stop() and with kill -9.
//
// Threading: Create() and Run() on one thread; Stop(), Redeclare() from any.
class Agent final : private AgentHands {
 public:
  struct Options {
    config::AgentConfig config;
    std::string version;
    std::string shim_program;      // absolute
    std::string files_program;     // absolute; berth-files
    uint64_t open_files_soft = 0;  // soft limit that tasks get; see ProcessDriver::Node
  };

  // Takes the state directory, reads the journal, and makes everything ready; starts nothing yet.
  // Errors name the thing and the way on.
  static absl::StatusOr<std::unique_ptr<Agent>> Create(Options options, const base::Clock& clock);

  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;
  ~Agent() override;

  // Runs until Stop(); an error is fatal, and says what happened.
  absl::Status Run();
  // Leaves the tasks running.
  void Stop();

  // The configuration declares something else from now on. An error says why it cannot be; then all
  // stays as it was.
  absl::Status Redeclare(const config::InventoryConfig& declared,
                         const config::ReserveConfig& reserve);

  [[nodiscard]] EventLoop& loop() { return loop_; }
  // Attempts that run. The loop's thread.
  [[nodiscard]] size_t live_attempts() const { return core_->live_attempts(); }
  // berthd has welcomed this agent. The loop's thread.
  [[nodiscard]] bool in_session() const { return core_->in_session(); }

 private:
  Agent(Options options, const base::Clock& clock, StateDirectory directory);

  absl::Status Prepare();
  absl::Status PrepareCare();
  absl::Status OpenImages();
  absl::StatusOr<JournalFile> OpenJournal();
  void Begin();
  void StartLink();
  void Dial();
  void UpdateInventory(v1::NodeInventory inventory);
  // What berthd is told of the node: what was found, its taints of health, the CPUs it can
  // dedicate.
  v1::NodeInventory Told(v1::NodeInventory inventory, const std::string& fault) const;
  CommandServer::Guest GuestOf(const AttemptKey& key);
  void Report(Event event) { pump_->Report(std::move(event)); }

  void EndOfTurn();
  void Fail(absl::Status error);
  void SweepOutput();
  void TendTasks();

  // ---- AgentHands ----
  void Append(std::vector<std::string> records, uint64_t ticket) override;
  void AppendLater(std::vector<std::string> records) override;
  void Replace(std::vector<std::string> snapshot, uint64_t ticket) override;
  [[nodiscard]] uint64_t journal_bytes() const override;
  void Do(Effect& effect) override;

  void Do(Launch& effect);
  void Do(Inspect& effect);
  void Do(const StopAttempt& effect);
  void Do(const ForceKill& effect);
  void Do(const WatchAttempt& effect);
  void Do(const TidyAttempt& effect);
  void Do(const RenewLease& effect);
  void Do(Send& effect);
  void Do(const CloseLink& effect);
  void Do(const SampleUsage& effect);
  void Do(const MeasurePeers& effect) { latencies_->SetPeers(effect.peers); }
  void Do(const ReadTails& effect);
  void Do(OpenDataChannel& effect);
  // Looks at the node, and then dials and says what it found.
  void Diagnose(const std::string& token);
  void Do(const Say& effect);
  void Do(const Note&) {}       // the pump's
  void Do(const NoteLater&) {}  // the pump's

  const Options options_;
  const base::Clock& clock_;
  const StateDirectory directory_;
  base::UniqueFd lease_;
  AttemptStore store_;
  OutputTails tails_;
  EventLoop loop_;
  CgroupTree cgroup_tree_;
  std::unique_ptr<Cgroups> cgroups_;
  std::unique_ptr<images::ImageStore> images_;
  std::unique_ptr<ProcessDriver> process_driver_;
  std::unique_ptr<OciDriver> oci_driver_;
  std::unique_ptr<DriverChoice> driver_;
  std::unique_ptr<UserDirectory> users_;
  int most_dedicated_cpus_ = 0;
  v1::NodeInventory inventory_;  // as the watch has told it last
  CommandRunner commands_;
  std::unique_ptr<TaskHooks> hooks_;
  std::unique_ptr<TaskNetworks> networks_;
  std::unique_ptr<BesideCommands> check_commands_;
  std::unique_ptr<TaskChecks> checks_;
  std::unique_ptr<NodeHealth> health_;
  std::unique_ptr<ScratchWatch> scratch_;
  std::unique_ptr<PeerLatencies> latencies_;
  std::unique_ptr<AgentCore> core_;
  std::unique_ptr<CorePump> pump_;
  std::unique_ptr<TaskRunner> runner_;
  std::unique_ptr<ChannelHub> channels_;
  std::unique_ptr<OutputServer> output_;
  std::unique_ptr<OutputWatch> output_watch_;
  std::unique_ptr<CommandServer> beside_;  // commands and files, beside tasks
  std::unique_ptr<AgentLink> link_;
  std::unique_ptr<Journal> journal_;
  base::WorkThread sweeper_{"sweeper"};
  base::WorkThread examiner_{"examiner"};
  std::unique_ptr<NodeWatch> watch_;  // last: it posts to the loop

  bool may_dial_ = false;
  bool awaits_health_ = true;
  bool dials_ = false;
  absl::Status fatal_;
};

}  // namespace berth::agentd
