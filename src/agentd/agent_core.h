#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "agentd/agent_effect.h"
#include "agentd/agent_event.h"
#include "agentd/attempt_key.h"
#include "agentd/task_powers.h"
#include "agentd/usage_delta.h"

namespace berth::agentd {

// The agent's mind: a state machine from (state, event, now) to effects. It holds what the agent
// knows for sure (its journal's contents) and the session with berthd, and decides everything else:
// which directives to obey, what to start, stop and report, and when.
//
// What it promises: an attempt is started only after it is journalled and never twice; a fact is
// sent only after it is journalled, and again in each session until berthd has acknowledged it; a
// directive whose header is not that of the current session is not obeyed.
//
//   attempt:  accepted ──▶ started ──▶ ended ──▶ (forgotten)
//                 └──────────────────────▲        could not start; never started and asked to stop
//
// The node's lease: berthd counts on the node for so long after each message that it has answered.
// The core counts from when the message was sent, which was before berthd heard it. A lease that
// has ended is not renewed: the next answer begins another one.
//
// It reads no clock and does no I/O. `now_ms` is CLOCK_BOOTTIME, as the shims read it.
//
// Threading: one thread. Errors: Replay() only; what berthd does wrong becomes a Say and, where the
// session is of no use any more, a CloseLink.
class AgentCore {
 public:
  struct Options {
    std::string node;
    std::string version;
    std::string isolation;  // "cgroup-v1", "cgroup-v2" or "none"
    v1::NodeInventory inventory;
    // Uuid for a journal that has none yet.
    std::string fresh_incarnation;
    // What tasks are held to here, beyond what `isolation` stands for.
    TaskPowers powers;
  };

  explicit AgentCore(Options options);

  // Applies one record of the journal. Before the first Handle(). The error says what is wrong with
  // the record; the caller knows where it stands.
  absl::Status Replay(std::string_view record);

  // Takes in one event. Began is the first.
  std::vector<Effect> Handle(Event event, int64_t now_ms);

  // What is said once after several events: facts, all in one message. Call it before effects are
  // waited for.
  std::vector<Effect> EndTurn();

  // When DeadlinePassed is wanted next, on the clock of `now_ms`; nothing: never.
  [[nodiscard]] std::optional<int64_t> deadline_ms() const;

  // Records that leave a new journal in this state.
  [[nodiscard]] std::vector<journal::v1::JournalRecord> Snapshot() const;

  [[nodiscard]] const std::string& incarnation() const { return incarnation_; }
  [[nodiscard]] const std::string& cluster_id() const { return cluster_id_; }
  // Attempts that have not ended.
  [[nodiscard]] size_t live_attempts() const;
  // Since berthd last answered a heartbeat; nothing: there is no session.
  [[nodiscard]] std::optional<int64_t> unanswered_ms(int64_t now_ms) const {
    if (!in_session()) return std::nullopt;
    return now_ms - link_->answered_ms;
  }
  // Of the session; 0: there is none.
  [[nodiscard]] int64_t heartbeat_interval_ms() const {
    return link_ ? link_->heartbeat_interval_ms : 0;
  }
  [[nodiscard]] bool in_session() const { return link_ && link_->welcomed && !link_->closing; }
  [[nodiscard]] bool Knows(const AttemptKey& key) const { return attempts_.count(key) > 0; }
  [[nodiscard]] bool IsLive(const AttemptKey& key) const;

 private:
  struct Attempt {
    v1::StartTask start;  // without its payload once started
    std::optional<journal::v1::StopAsked> stop;
    std::optional<v1::AttemptStarted> started;
    std::optional<v1::AttemptEnded> ended;
    // When a stop without effect is followed by force; nothing: no stop was asked for. In force_
    // too.
    std::optional<int64_t> force_at_ms;
    // What its readiness check says, and what berthd was told of it.
    std::optional<bool> ready;
    std::optional<bool> ready_told;
  };

  // One connection to berthd. Before Welcome there is no session in it.
  struct Link {
    uint64_t number = 0;
    bool welcomed = false;
    bool closing = false;
    uint64_t term = 0;
    uint64_t session = 0;
    int64_t heartbeat_interval_ms = 0;
    int64_t lease_ms = 0;
    int64_t heartbeat_due_ms = 0;
    bool sampling = false;           // SampleUsage has not been answered yet
    bool inventory_changed = false;  // since the Hello
    bool tails_anew = true;          // no ends of output have been asked for in this session
    uint64_t heartbeats = 0;
    int64_t hello_ms = 0;
    std::deque<std::pair<uint64_t, int64_t>> unanswered;  // heartbeats: (sequence, when sent)
    int64_t answered_ms = 0;  // when berthd was last heard to answer a heartbeat
    uint64_t facts_sent = 0;  // sequence of the last one in this session
    UsageDelta usage;
  };

  using Effects = std::vector<Effect>;

  // First record of a journal.
  journal::v1::JournalRecord Opened() const;

  void On(const Began& event, Effects& effects);
  void On(const LinkUp& event, Effects& effects);
  void On(const LinkDown& event, Effects& effects);
  void On(MessageReceived& event, Effects& effects);
  void On(TaskStarted& event, Effects& effects);
  void On(const TaskNotStarted& event, Effects& effects);
  void On(TaskEnded& event, Effects& effects);
  void On(TaskLost& event, Effects& effects);
  void On(const TaskCondemned& event, Effects& effects);
  void On(const TaskReadiness& event, Effects& effects);
  void On(const TaskNeverStarted& event, Effects& effects);
  void On(UsageSampled& event, Effects& effects);
  void On(TailsRead& event, Effects& effects);
  void On(const DeadlinePassed& event, Effects& effects);
  void On(const JournalSpace& event, Effects& effects);
  void On(InventoryChanged& event, Effects& effects);

  void OnWelcome(const v1::Welcome& welcome, Effects& effects);
  void OnDirectives(v1::DirectiveBatch& batch, Effects& effects);
  void OnStart(uint64_t sequence, v1::StartTask& start, Effects& effects);
  void OnStop(uint64_t sequence, const v1::StopTask& stop, Effects& effects);
  void OnForget(uint64_t sequence, const v1::ForgetAttempt& forget, Effects& effects);
  void OnFactAck(uint64_t sequence, Effects& effects);
  // If they changed since they were told. REQUIRES: a session.
  void TellInventory(Effects& effects);
  void TellReadiness(const AttemptKey& key, Attempt& attempt, Effects& effects);
  void OnHeartbeatAck(uint64_t sequence, Effects& effects);

  // Why the header is not current; empty: it is.
  [[nodiscard]] std::string HeaderFault(const v1::DirectiveHeader& header) const;
  void Refuse(std::string why, Effects& effects);
  void Close(std::string why, Effects& effects);
  // berthd has heard what was sent at `sent_ms`.
  void Renew(int64_t sent_ms, Effects& effects);
  void PassDirective(uint64_t sequence, Effects& effects);
  void ForceAt(const AttemptKey& key, Attempt& attempt, std::optional<int64_t> at_ms);
  void AskToStop(const AttemptKey& key, Attempt& attempt, journal::v1::StopAsked asked,
                 Effects& effects);
  void BeginStop(const AttemptKey& key, Attempt& attempt, Effects& effects);
  void End(const AttemptKey& key, v1::AttemptEnded ended, Effects& effects);
  void NoteFact(v1::Fact fact, Effects& effects);
  // They go out with this turn's facts, before them, if there is a session.
  void TellTails(std::vector<v1::OutputTail> tails);
  void SendTails(Effects& effects);
  void AddFact(v1::Fact fact);
  [[nodiscard]] v1::Hello MakeHello() const;
  [[nodiscard]] static int64_t Grace(const Attempt& attempt);

  const Options options_;
  v1::NodeInventory inventory_;
  int64_t now_ms_ = 0;

  // As in the journal.
  std::string incarnation_;
  std::string cluster_id_;
  uint32_t generation_ = 0;
  uint64_t term_ = 0;
  std::string boot_id_;
  uint64_t directive_sequence_ = 0;
  uint64_t fact_sequence_ = 0;
  std::map<AttemptKey, Attempt> attempts_;
  std::deque<v1::Fact> facts_;  // not acknowledged yet, in order of sequence

  std::set<std::pair<int64_t, AttemptKey>> force_;
  shim::Lease lease_;
  bool journal_low_ = false;
  std::optional<Link> link_;
  std::vector<v1::OutputTail> tails_;  // of this turn
};

}  // namespace berth::agentd
