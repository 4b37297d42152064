// A machine with an agent on it: what survives what.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agentd/agent_core.h"
#include "agentd/core_pump.h"
#include "tests/simulation/context.h"
#include "tests/simulation/ledger.h"
#include "tests/simulation/network.h"
#include "tests/simulation/workload.h"

namespace berth::simulation {

class SimNode;

// One run of the agent's program: the shipped mind and pump, with simulated hands. Dies whole.
class AgentLife final : public agentd::AgentHands, public std::enable_shared_from_this<AgentLife> {
 public:
  explicit AgentLife(SimNode& node);

  // Reads the journal and begins; false when the journal is refused.
  bool Begin();
  void Die();
  bool dead() const { return dead_; }
  void Stall() { stalled_ = true; }
  void Resume();

  // Runs `what` as an event of this process, unless it has died; later, while it is stalled.
  void Enter(std::function<void()> what);
  void Report(agentd::Event event) { pump_.Report(std::move(event)); }
  const agentd::AgentCore& core() const { return core_; }
  void BreakConnection() {
    if (stream_) stream_->Break();
  }
  void RouteChanged() {
    if (stream_) stream_->Kick();
  }

  // ---- AgentHands ----
  void Append(std::vector<std::string> records, uint64_t ticket) override;
  void AppendLater(std::vector<std::string> records) override;
  void Replace(std::vector<std::string> snapshot, uint64_t ticket) override;
  uint64_t journal_bytes() const override;
  void Do(agentd::Effect& effect) override;

 private:
  // Records that are written together.
  struct Group {
    std::vector<std::string> records;
    std::optional<std::vector<std::string>> snapshot;
    uint64_t ticket = 0;
    bool urgent = false;
  };

  void Pump();
  void Write();
  void Written(const Group& group, const std::string& frame);
  void Dial();
  void DialLater(int64_t delay_us);
  void LinkClosed(uint64_t link);
  void CleanUp();

  SimNode& node_;
  Context& context_;
  agentd::AgentCore core_;
  agentd::CorePump pump_;
  bool dead_ = false;
  bool stalled_ = false;
  std::deque<std::function<void()>> deferred_;
  int64_t planned_wake_us_ = 0;

  Group next_;
  bool writing_ = false;
  uint64_t next_group_ = 1;

  uint64_t link_ = 0;
  std::shared_ptr<Stream> stream_;
};

// Where an agent's dialling ends; null: nobody listens.
using Listener = std::function<std::shared_ptr<Stream>(SimNode& node, Route& route)>;

class SimNode {
 public:
  SimNode(Context& context, Ledger& ledger, uint64_t seed, std::string name, int64_t cpu_milli,
          int64_t memory_mib, Listener listener);

  ~SimNode() {
    if (agent_ != nullptr) agent_->Die();
  }

  const std::string& name() const { return name_; }
  Route& route() { return route_; }
  const Route& route() const { return route_; }
  void RouteChanged();

  // ---- what may happen to it ----
  void Boot();
  // kill -9 of the agent; it is started again after a while.
  void CrashAgent(bool loses_journal);
  // Its inventory changes, as its agent finds at once.
  void ChangeInventory();
  int revision() const { return revision_; }
  // Power is lost: processes are gone, and what was not synced.
  void PowerOff();
  void StallAgent(int64_t for_us);
  // The journal's next write fails, and the agent ends by itself.
  void FailJournal() { journal_fails_ = true; }
  void SetJournalFull(bool full) { journal_full_ = full; }
  // What berthd said on a stream that is dead may still come.
  void set_lingers(bool lingers) { lingers_ = lingers; }
  void SlowJournal(int64_t slowest_us) { journal_slowest_us_ = slowest_us; }
  // The shim of some running attempt is killed.
  void KillShim();
  void BreakConnection();
  bool is_on() const { return is_on_; }
  // Nothing is left to do: no process, no fact that berthd has not got.
  bool settled() const;

 private:
  friend class AgentLife;

  // What the file system and the process table know of an attempt.
  struct Shim {
    agentd::AttemptKey key;
    v1::StartTask start;
    Behaviour behaviour;
    enum class Stage {
      kPrepared,
      kRunning,
      kEnded,
      kCouldNotStart,
      kLeaseEnded,
      kGone
    } stage = Stage::kPrepared;
    agentd::TaskOutcome outcome;
    int64_t started_unix_ms = 0;
    agentd::TaskOutcome::Cause cause = agentd::TaskOutcome::Cause::kItself;
    int64_t lease_until_ms = 0;
    bool dead = false;  // of this boot no more
    int64_t kill_at_us = INT64_MAX;
  };

  state::AgentAttempt NameOf(const agentd::AttemptKey& key) const;
  int64_t BootMs() const { return (context_.events.now_us() - booted_us_) / 1000; }
  int64_t UnixMs() const {
    return 1'700'000'000'000 + wall_offset_ms_ + context_.events.now_us() / 1000;
  }

  void StartAgentAfter(int64_t delay_us);
  void StartAgent();
  void Launch(const agentd::Launch& launch);
  void Spawn(const std::shared_ptr<Shim>& shim);
  void Inspect(const agentd::AttemptKey& key);
  void Stop(const agentd::AttemptKey& key, int64_t grace_ms);
  void ForceKill(const agentd::AttemptKey& key);
  void Tidy(const agentd::AttemptKey& key);
  void BeginStop(const std::shared_ptr<Shim>& shim, agentd::TaskOutcome::Cause cause,
                 int64_t grace_ms, int64_t kill_at_us);
  void AwaitLeaseEnd(const std::shared_ptr<Shim>& shim);
  void End(const std::shared_ptr<Shim>& shim, int exit_code, int signal);
  void Tell(const std::shared_ptr<Shim>& shim);
  void ToAgent(int64_t delay_us, std::function<agentd::Event()> make);

  Context& context_;
  Ledger& ledger_;
  const uint64_t seed_;
  const std::string name_;
  v1::NodeInventory inventory_;
  int revision_ = 0;  // of it, a label
  const Listener listener_;
  Route route_;

  bool is_on_ = false;
  int boots_ = 0;
  int64_t booted_us_ = 0;
  int64_t wall_offset_ms_ = 0;
  int incarnations_ = 0;
  uint64_t links_ = 0;
  std::shared_ptr<AgentLife> agent_;
  std::vector<std::weak_ptr<Stream>> streams_;  // connections of it, given up or not
  std::map<agentd::AttemptKey, std::shared_ptr<Shim>> shims_;

  // The journal's file, and how much of it is on disk for sure.
  std::string journal_;
  size_t journal_synced_ = 0;
  bool journal_fails_ = false;
  bool journal_full_ = false;
  int64_t journal_slowest_us_ = 3'000;
  // The lease file.
  shim::Lease lease_;
  std::set<std::string> peers_;  // whom to measure the way to
  // What berthd said on streams that are dead.
  std::deque<std::string> lingering_;
  bool lingers_ = false;
};

}  // namespace berth::simulation
