// The daemon's machine: a disk that lasts, and the daemon's program on it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "agents/agent_link.h"
#include "agents/agent_messages.h"
#include "agents/daemon_messages.h"
#include "berth/plugin_registry.h"
#include "scheduler/commit_step.h"
#include "scheduler/loop_gate.h"
#include "scheduler/turn.h"
#include "scheduler/watch_hub.h"
#include "store/memory_store.h"
#include "tests/simulation/context.h"
#include "tests/simulation/ledger.h"
#include "tests/simulation/network.h"

namespace berth::simulation {

// What the configuration of a simulated cluster says.
struct DaemonOptions {
  scheduler::TurnOptions turn;
  std::array<size_t, state::kCommandClasses> inbox_capacity = {64, 32, 32};
};

// The shipped loop without its threads: gate, turns, commits, releases; its agents' streams end
// here. Killed and started again, it goes on from its disk.
class SimDaemon final : public agents::AgentLink {
 public:
  SimDaemon(Context& context, Ledger& ledger, const PluginRegistry& registry,
            const DaemonOptions& options, uint64_t seed);
  ~SimDaemon() override;

  // ---- what may happen to it ----
  void Start();
  // kill -9, or a loss of power: a commit under way is on the disk or it is not.
  void Crash(bool keeps_unsynced);
  void Stall(int64_t for_us);
  void FailNextCommit(bool in_sync);
  // Keeps a snapshot of what is durable; one that was kept before is replaced.
  void SaveSnapshot();
  // Ends the daemon and starts one on the snapshot that was kept; nothing without one.
  void Restore();
  int restores() const { return restores_; }
  void SlowDisk(int64_t slowest_us) { disk_slowest_us_ = slowest_us; }
  void SetDiskFull(bool full);
  void JumpWallClock(int64_t by_ms) { wall_offset_ms_ += by_ms; }
  bool is_up() const { return life_ != nullptr; }
  int starts() const { return starts_; }

  // ---- what others ask of it ----
  // A connection from a node; null: nobody listens.
  std::shared_ptr<Stream> Accept(Route& route);
  // A call of a client. `reply` is called when the answer is durable, or never: the daemon died.
  absl::Status Post(state::CommandClass command_class, state::CommandBody body,
                    scheduler::ReplyCallback reply);
  scheduler::WatchHub& watches();

  const state::ClusterState& cluster() const { return life_->turn->state(); }
  const scheduler::Turn& turn() const { return *life_->turn; }
  bool idle() const;

  // ---- AgentLink ----
  void Deliver(std::vector<state::AgentEffect> effects) override;

 private:
  struct Session {
    std::shared_ptr<Stream> stream;
    agents::AgentMessages messages;
    int under_way = 0;
  };
  // Everything of one process.
  struct Life {
    std::unique_ptr<store::MemoryStore> store;
    std::unique_ptr<scheduler::Turn> turn;
    std::unique_ptr<scheduler::LoopGate> gate;
    std::unique_ptr<scheduler::WatchHub> hub;
    std::unique_ptr<scheduler::CommitStep> step;
    std::unique_ptr<agents::DaemonMessages> messages;
    std::map<uint64_t, Session> sessions;
    int64_t persisted_ms = 0;
    int64_t started_us = 0;
    bool more_work = true;
    std::optional<int64_t> deadline_ms;
    std::optional<scheduler::Outcome> committing;
    bool stalled = false;
    std::vector<std::function<void()>> deferred;
    int64_t planned_wake_us = -1;
    scheduler::ReconciledCounts reconciled{};  // of them, in the books
    uint64_t attempts_lost = 0;                // likewise
    std::map<Slot, uint64_t> last_streams;    // latest connection of each node that was its session
    std::map<std::string, int64_t> heard_us;  // when the loop read something of each node
    std::deque<std::pair<std::string, uint64_t>> unread;  // node and stream, in the agents' inbox
  };

  void Pump();
  void RunTurn(int64_t now_ms);
  void CheckLosses(const scheduler::TurnOutput& output);
  // No task gets an attempt beside one that runs on a node that is heard from.
  void CheckBindings(const scheduler::TurnOutput& output);
  void StartCommit();
  void FinishCommit();
  void Die();
  // Runs `what` as an event of this process; later, while it is stalled.
  void Enter(std::function<void()> what);
  void OnAgentMessage(uint64_t stream, const std::string& bytes);
  void OnAgentGone(uint64_t stream);
  void EndStream(uint64_t stream);

  Context& context_;
  Ledger& ledger_;
  const PluginRegistry& registry_;
  const DaemonOptions options_;
  const uint64_t seed_;
  std::shared_ptr<store::MemoryDisk> disk_;
  std::shared_ptr<Life> life_;
  std::shared_ptr<scheduler::WatchSink> observer_;
  int starts_ = 0;
  std::set<state::AgentAttempt> given_up_;
  std::map<std::string, int64_t> heard_us_;  // as Life's, of every life
  int restores_ = 0;
  bool was_restored_ = false;  // and no daemon has begun on it yet
  struct Kept {
    store::Head head;
    state::ClusterMeta meta;
    std::vector<std::tuple<store::Table, std::string, std::string>> records;
  };
  std::optional<Kept> kept_;
  uint32_t last_generation_ = 0;
  uint64_t last_term_ = 0;
  uint64_t next_stream_ = 1;
  int64_t disk_slowest_us_ = 2'000;
  int64_t wall_offset_ms_ = 0;
};

}  // namespace berth::simulation
