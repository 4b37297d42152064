#include "agentd/agent_core.h"

#include <algorithm>
#include <utility>

#include "agentd/attempt_end.h"
#include "base/build_info.h"
#include "base/planted_fault.h"

namespace berth::agentd {
namespace {

// Longer than the shim takes to give up on what SIGKILL does not end.
constexpr int64_t kForceAfterMs = 15'000;
// berthd takes 4 MiB in one message.
constexpr int kMostFactsInMessage = 1000;
constexpr size_t kFullMessageBytes = 1 << 20;
// Of unanswered heartbeats; those before them renew no lease any more.
constexpr size_t kMostUnanswered = 1000;
constexpr int64_t kLongestLeaseMs = int64_t{366} * 24 * 3600 * 1000;

Say SayInfo(std::string text) { return {Say::Level::kInfo, std::move(text)}; }
Say SayWarn(std::string text) { return {Say::Level::kWarn, std::move(text)}; }

// "12.3#2", as people know it.
std::string Display(const v1::StartTask& start) {
  return start.task_id() + "#" + std::to_string(start.key().attempt());
}

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

}  // namespace

AgentCore::AgentCore(Options options)
    : options_(std::move(options)), inventory_(options_.inventory) {
  inventory_.set_isolation(options_.isolation);
}

// ---- events ----

std::vector<Effect> AgentCore::Handle(Event event, int64_t now_ms) {
  now_ms_ = now_ms;
  Effects effects;
  std::visit([&](auto& each) { On(each, effects); }, event);
  return effects;
}

void AgentCore::On(const Began& event, Effects& effects) {
  if (incarnation_.empty()) {
    incarnation_ = options_.fresh_incarnation;
    effects.emplace_back(Note{Opened()});
  }
  const bool rebooted = !boot_id_.empty() && boot_id_ != event.boot_id;
  if (boot_id_ != event.boot_id) {
    boot_id_ = event.boot_id;
    Note booted;
    booted.record.mutable_booted()->set_boot_id(boot_id_);
    effects.emplace_back(std::move(booted));
    // What an earlier boot's clock said means nothing on this one's.
    effects.emplace_back(RenewLease{});
  } else {
    lease_ = event.lease;
  }
  for (auto& [key, attempt] : attempts_) {
    if (attempt.ended) {
      effects.emplace_back(TidyAttempt{key});
    } else if (rebooted) {
      End(key,
          EndedLost(v1::REASON_CODE_NODE_LOST, "the node was restarted while it ran",
                    attempt.started),
          effects);
    } else {
      if (BERTH_PLANTED(kLaunchKnownAttempts)) {
        effects.emplace_back(Launch{key, attempt.start, lease_.until_ms});
      } else {
        effects.emplace_back(Inspect{key, attempt.start});
        std::get<Inspect>(effects.back()).start.clear_payload();
      }
      if (attempt.stop) BeginStop(key, attempt, effects);
    }
  }
}

void AgentCore::On(const LinkUp& event, Effects& effects) {
  link_.emplace();
  effects.emplace_back(MeasurePeers{});  // what the new session is not told is none
  link_->number = event.link;
  link_->hello_ms = now_ms_;
  Send hello{event.link, {}};
  *hello.message.mutable_hello() = MakeHello();
  effects.emplace_back(std::move(hello));
}

void AgentCore::On(const LinkDown& event, Effects&) {
  if (link_ && link_->number == event.link) link_.reset();
}

void AgentCore::On(MessageReceived& event, Effects& effects) {
  if (!link_ || link_->number != event.link || link_->closing) return;
  v1::DaemonMessage& message = event.message;
  if (message.has_welcome()) {
    OnWelcome(message.welcome(), effects);
    return;
  }
  if (!link_->welcomed) {
    Close("berthd spoke before its Welcome", effects);
    return;
  }
  switch (message.message_case()) {
    case v1::DaemonMessage::kDirectives:
      OnDirectives(*message.mutable_directives(), effects);
      break;
    case v1::DaemonMessage::kFactAck:
      OnFactAck(message.fact_ack().sequence(), effects);
      break;
    case v1::DaemonMessage::kOpenData:
      effects.emplace_back(OpenDataChannel{std::move(*message.mutable_open_data())});
      break;
    case v1::DaemonMessage::kPeers:
      effects.emplace_back(MeasurePeers{std::move(*message.mutable_peers())});
      break;
    case v1::DaemonMessage::kHeartbeatAck:
      OnHeartbeatAck(message.heartbeat_ack().sequence(), effects);
      break;
    default:
      // A newer daemon may say more.
      effects.emplace_back(Say{Say::Level::kDebug, "berthd sent a message of an unknown kind"});
  }
}

void AgentCore::OnWelcome(const v1::Welcome& welcome, Effects& effects) {
  if (link_->welcomed) {
    Close("berthd sent two Welcomes", effects);
    return;
  }
  if (!cluster_id_.empty() && welcome.cluster_id() != cluster_id_) {
    Refuse("berthd is of cluster " + Quoted(welcome.cluster_id()) +
               ", this agent's state directory belongs to cluster " + Quoted(cluster_id_) +
               ": point `server` in agent.yaml at the right daemon, or give the agent an empty"
               " state directory to join this one",
           effects);
    return;
  }
  if (welcome.generation() < generation_ ||
      (welcome.generation() == generation_ && welcome.term() < term_)) {
    Refuse("berthd is of generation " + std::to_string(welcome.generation()) + ", term " +
               std::to_string(welcome.term()) + ", and this agent has already spoken with " +
               std::to_string(generation_) + ", term " + std::to_string(term_) +
               ": an old daemon is still running, or its data directory is an old copy",
           effects);
    return;
  }
  if (welcome.protocol() != base::kAgentProtocol) {
    Refuse("berthd wants protocol " + std::to_string(welcome.protocol()) +
               ", this agent speaks only " + std::to_string(base::kAgentProtocol) +
               ": upgrade the older one",
           effects);
    return;
  }
  if (welcome.cluster_id().empty() || welcome.heartbeat_interval_ms() <= 0) {
    Refuse("berthd's Welcome has no cluster or no heartbeat interval", effects);
    return;
  }
  if (cluster_id_ != welcome.cluster_id() || generation_ != welcome.generation() ||
      term_ != welcome.term()) {
    cluster_id_ = welcome.cluster_id();
    generation_ = welcome.generation();
    term_ = welcome.term();
    Note joined;
    joined.record.mutable_joined()->set_cluster_id(cluster_id_);
    joined.record.mutable_joined()->set_generation(generation_);
    joined.record.mutable_joined()->set_term(term_);
    effects.emplace_back(std::move(joined));
  }
  link_->welcomed = true;
  link_->term = welcome.term();
  link_->session = welcome.session();
  link_->heartbeat_interval_ms = welcome.heartbeat_interval_ms();
  link_->lease_ms = welcome.lease_ms();
  link_->heartbeat_due_ms = now_ms_;
  link_->answered_ms = now_ms_;
  Renew(link_->hello_ms, effects);
  effects.emplace_back(SayInfo("in session " + std::to_string(welcome.term()) + "." +
                               std::to_string(welcome.session()) + " with cluster " + cluster_id_ +
                               " as node " + Quoted(options_.node)));
  OnFactAck(welcome.fact_sequence(), effects);
  // What is left was sent in an earlier session, if at all.
  link_->facts_sent = 0;
  TellInventory(effects);
  for (auto& [key, attempt] : attempts_) TellReadiness(key, attempt, effects);
}

std::string AgentCore::HeaderFault(const v1::DirectiveHeader& header) const {
  if (header.cluster_id() != cluster_id_) return "cluster " + Quoted(header.cluster_id());
  if (header.generation() != generation_) {
    return "generation " + std::to_string(header.generation());
  }
  if (header.incarnation() != incarnation_) return "incarnation " + Quoted(header.incarnation());
  if (BERTH_PLANTED(kSkipSessionCheck)) return {};
  if (header.term() != link_->term) return "term " + std::to_string(header.term());
  if (header.session() != link_->session) return "session " + std::to_string(header.session());
  return {};
}

void AgentCore::OnDirectives(v1::DirectiveBatch& batch, Effects& effects) {
  const std::string fault = HeaderFault(batch.header());
  if (!fault.empty()) {
    // Where the sequence stands is told anew in the next session.
    Close("berthd sent directives for " + fault + ", which is not this session's", effects);
    return;
  }
  for (v1::Directive& directive : *batch.mutable_directives()) {
    const uint64_t sequence = directive.sequence();
    const bool journalled_before = sequence <= directive_sequence_;
    if (journalled_before && !BERTH_PLANTED(kSkipSequenceCheck)) continue;
    directive_sequence_ = sequence;
    switch (directive.directive_case()) {
      case v1::Directive::kStart:
        OnStart(sequence, *directive.mutable_start(), effects);
        break;
      case v1::Directive::kStop:
        OnStop(sequence, directive.stop(), effects);
        break;
      case v1::Directive::kForget:
        OnForget(sequence, directive.forget(), effects);
        break;
      case v1::Directive::DIRECTIVE_NOT_SET:
        effects.emplace_back(SayWarn("directive " + std::to_string(sequence) +
                                     " is of a kind that this version does not know: passed over"));
        PassDirective(sequence, effects);
        break;
    }
  }
}

void AgentCore::OnStart(uint64_t sequence, v1::StartTask& start, Effects& effects) {
  const AttemptKey key = FromProto(start.key());
  if (attempts_.count(key) > 0) {
    effects.emplace_back(
        SayWarn("attempt " + Display(start) + " is here already: not started again"));
    PassDirective(sequence, effects);
    return;
  }
  Note accepted;
  auto* record = accepted.record.mutable_accepted();
  record->set_directive_sequence(sequence);
  record->set_fact_sequence(++fact_sequence_);
  *record->mutable_start() = start;
  if (journal_low_) record->mutable_start()->clear_payload();
  effects.emplace_back(std::move(accepted));
  v1::Fact fact;
  fact.set_sequence(fact_sequence_);
  *fact.mutable_key() = start.key();
  fact.mutable_accepted();
  AddFact(std::move(fact));

  Attempt& attempt = attempts_[key];
  attempt.start = start;
  if (journal_low_) {
    End(key,
        EndedCouldNotStart(v1::REASON_CODE_AGENT_JOURNAL_FULL,
                           "the disk of node " + Quoted(options_.node) +
                               " that holds the agent's journal is full"),
        effects);
    return;
  }
  effects.emplace_back(Launch{key, std::move(start), lease_.until_ms});
}

void AgentCore::OnStop(uint64_t sequence, const v1::StopTask& stop, Effects& effects) {
  const AttemptKey key = FromProto(stop.key());
  const auto found = attempts_.find(key);
  if (found == attempts_.end()) {
    PassDirective(sequence, effects);
    v1::Fact fact;
    *fact.mutable_key() = stop.key();
    *fact.mutable_ended() =
        EndedLost(v1::REASON_CODE_ATTEMPT_UNKNOWN_TO_NODE,
                  "node " + Quoted(options_.node) + " has no trace of attempt " + ToString(key),
                  std::nullopt);
    NoteFact(std::move(fact), effects);
    return;
  }
  Attempt& attempt = found->second;
  if (attempt.ended) {  // its end is on the way already
    PassDirective(sequence, effects);
    return;
  }
  // The first reason stays: it is what the end is recorded with. The grace may become shorter.
  journal::v1::StopAsked asked = attempt.stop.value_or(journal::v1::StopAsked());
  if (!attempt.stop) {
    *asked.mutable_stop() = stop;
  } else if (stop.has_grace_ms()) {
    asked.mutable_stop()->set_grace_ms(stop.grace_ms());
  }
  asked.set_directive_sequence(sequence);
  AskToStop(key, attempt, std::move(asked), effects);
}

void AgentCore::AskToStop(const AttemptKey& key, Attempt& attempt, journal::v1::StopAsked asked,
                          Effects& effects) {
  Note note;
  *note.record.mutable_stop_asked() = asked;
  effects.emplace_back(std::move(note));
  attempt.stop = std::move(asked);
  BeginStop(key, attempt, effects);
}

void AgentCore::OnForget(uint64_t sequence, const v1::ForgetAttempt& forget, Effects& effects) {
  const AttemptKey key = FromProto(forget.key());
  const auto found = attempts_.find(key);
  if (found != attempts_.end() && !found->second.ended) {
    effects.emplace_back(SayWarn("berthd wants attempt " + Display(found->second.start) +
                                 " forgotten, which has not ended: kept"));
    PassDirective(sequence, effects);
    return;
  }
  // Lost in a crash, it comes again: its sequence is then above the journal's.
  NoteLater forgotten;
  forgotten.record.mutable_forgotten()->set_directive_sequence(sequence);
  *forgotten.record.mutable_forgotten()->mutable_key() = forget.key();
  effects.emplace_back(std::move(forgotten));
  if (found != attempts_.end()) attempts_.erase(found);
}

void AgentCore::OnFactAck(uint64_t sequence, Effects& effects) {
  bool any = false;
  while (!facts_.empty() && facts_.front().sequence() <= sequence) {
    facts_.pop_front();
    any = true;
  }
  if (!any) return;
  // Lost in a crash, the facts are sent again; berthd knows their sequences.
  NoteLater acknowledged;
  acknowledged.record.mutable_acknowledged()->set_fact_sequence(sequence);
  effects.emplace_back(std::move(acknowledged));
}

void AgentCore::OnHeartbeatAck(uint64_t sequence, Effects& effects) {
  link_->answered_ms = now_ms_;
  auto& unanswered = link_->unanswered;
  while (!unanswered.empty() && unanswered.front().first < sequence) unanswered.pop_front();
  if (unanswered.empty() || unanswered.front().first != sequence) return;
  Renew(unanswered.front().second, effects);
  unanswered.pop_front();
}

void AgentCore::On(TaskStarted& event, Effects& effects) {
  const auto found = attempts_.find(event.key);
  if (found == attempts_.end() || found->second.ended) return;
  Attempt& attempt = found->second;
  WatchAttempt watch{event.key, attempt.start};
  watch.start.clear_payload();
  effects.emplace_back(std::move(watch));
  if (attempt.started) return;
  event.started.set_isolation(options_.isolation);
  for (std::string& name : NotEnforced(attempt.start, options_.powers)) {
    event.started.add_not_enforced(std::move(name));
  }
  attempt.started = event.started;
  attempt.start.clear_payload();
  v1::Fact fact;
  *fact.mutable_key() = ToProto(event.key);
  *fact.mutable_started() = std::move(event.started);
  NoteFact(std::move(fact), effects);
}

void AgentCore::On(const TaskNotStarted& event, Effects& effects) {
  End(event.key, EndedCouldNotStart(event.reason, event.message), effects);
}

void AgentCore::On(TaskEnded& event, Effects& effects) {
  const auto found = attempts_.find(event.key);
  if (found == attempts_.end()) return;
  TellTails(std::move(event.tails));
  const Attempt& attempt = found->second;
  End(event.key, EndedByItself(event.outcome, attempt.stop, attempt.start), effects);
}

void AgentCore::On(const TaskCondemned& event, Effects& effects) {
  const auto found = attempts_.find(event.key);
  if (found == attempts_.end() || found->second.ended) return;
  Attempt& attempt = found->second;
  if (attempt.stop) {
    // What is on its way out ends for the reason that it was given first; it may have to go sooner.
    const v1::StopTask& stop = attempt.stop->stop();
    if (!event.at_once || (stop.has_grace_ms() && stop.grace_ms() == 0)) return;
    journal::v1::StopAsked asked = *attempt.stop;
    asked.set_directive_sequence(directive_sequence_);
    asked.mutable_stop()->set_grace_ms(0);
    AskToStop(event.key, attempt, std::move(asked), effects);
    return;
  }
  effects.emplace_back(SayInfo("attempt " + Display(attempt.start) + ": " + event.message));
  journal::v1::StopAsked asked;
  asked.set_directive_sequence(directive_sequence_);
  *asked.mutable_stop()->mutable_key() = ToProto(event.key);
  asked.mutable_stop()->set_end(event.end);
  if (event.at_once) asked.mutable_stop()->set_grace_ms(0);
  asked.set_reason(event.reason);
  asked.set_message(event.message);
  AskToStop(event.key, attempt, std::move(asked), effects);
}

void AgentCore::On(const TaskReadiness& event, Effects& effects) {
  const auto found = attempts_.find(event.key);
  if (found == attempts_.end() || found->second.ended || !found->second.started) return;
  found->second.ready = event.ready;
  // Without a session only what it says last will be of interest.
  if (in_session()) TellReadiness(event.key, found->second, effects);
}

void AgentCore::TellReadiness(const AttemptKey& key, Attempt& attempt, Effects& effects) {
  if (!attempt.ready || attempt.ended || attempt.ready == attempt.ready_told) return;
  attempt.ready_told = attempt.ready;
  v1::Fact fact;
  *fact.mutable_key() = ToProto(key);
  fact.mutable_readiness()->set_ready(*attempt.ready);
  NoteFact(std::move(fact), effects);
}

void AgentCore::On(TaskLost& event, Effects& effects) {
  const auto found = attempts_.find(event.key);
  if (found == attempts_.end()) return;
  TellTails(std::move(event.tails));
  End(event.key, EndedLost(event.reason, event.message, found->second.started), effects);
}

void AgentCore::On(const TaskNeverStarted& event, Effects& effects) {
  const auto found = attempts_.find(event.key);
  if (found == attempts_.end() || found->second.ended) return;
  Attempt& attempt = found->second;
  if (attempt.stop) {
    TaskOutcome outcome;
    outcome.cause = TaskOutcome::Cause::kStopped;
    v1::AttemptEnded ended = EndedByItself(outcome, attempt.stop, attempt.start);
    ended.clear_exit_code();
    ended.set_message("stopped before it was started");
    End(event.key, std::move(ended), effects);
    return;
  }
  if (attempt.started) {
    End(event.key,
        EndedLost(v1::REASON_CODE_DRIVER_ERROR, "its directory on the node is gone",
                  attempt.started),
        effects);
    return;
  }
  // Whether its lease has ended since it was accepted is not known any more.
  if (attempt.start.on_partition() == v1::ON_PARTITION_KILL) {
    End(event.key,
        EndedLost(v1::REASON_CODE_NODE_LOST,
                  "the node's agent was restarted before it could start it, and onPartition: kill"
                  " asks not to run when berthd may have given it up",
                  std::nullopt),
        effects);
    return;
  }
  // It is journalled, and nothing of it ever ran: this is its first start.
  effects.emplace_back(Launch{event.key, attempt.start});
}

void AgentCore::On(UsageSampled& event, Effects& effects) {
  if (!link_ || !link_->welcomed || link_->closing || !link_->sampling) return;
  link_->sampling = false;
  Send send{link_->number, {}};
  v1::Heartbeat& heartbeat = *send.message.mutable_heartbeat();
  heartbeat.set_sequence(++link_->heartbeats);
  ReadTails tails;
  for (const auto& [key, usage] : event.attempts) tails.running.push_back(key);
  if (std::exchange(link_->tails_anew, false)) {
    tails.anew = true;
    for (const v1::Fact& fact : facts_) {
      if (fact.has_ended()) tails.ended.push_back(FromProto(fact.key()));
    }
  }
  *heartbeat.mutable_usage() = std::move(event.node);
  link_->usage.Fill(std::move(event.parts), std::move(event.attempts), std::move(event.latencies),
                    heartbeat);
  heartbeat.set_boot_time_ms(event.boot_time_ms);
  heartbeat.set_unix_ms(event.unix_ms);
  // Read before it is sent: the lease is never counted from too late.
  link_->unanswered.emplace_back(link_->heartbeats, event.boot_time_ms);
  if (link_->unanswered.size() > kMostUnanswered) link_->unanswered.pop_front();
  effects.emplace_back(std::move(send));
  effects.emplace_back(std::move(tails));  // where nothing runs, ends may be left from before
}

void AgentCore::On(TailsRead& event, Effects&) { TellTails(std::move(event.tails)); }

void AgentCore::TellTails(std::vector<v1::OutputTail> tails) {
  for (v1::OutputTail& tail : tails) tails_.push_back(std::move(tail));
}

void AgentCore::SendTails(Effects& effects) {
  std::vector<v1::OutputTail> tails = std::exchange(tails_, {});
  size_t next = 0;
  while (next < tails.size()) {
    Send send{link_->number, {}};
    size_t bytes = 0;
    for (; next < tails.size(); ++next) {
      const size_t size = tails[next].ByteSizeLong();
      if (bytes > 0 && bytes + size > kFullMessageBytes) break;
      bytes += size;
      *send.message.mutable_tails()->add_tails() = std::move(tails[next]);
    }
    effects.emplace_back(std::move(send));
  }
}

void AgentCore::On(const DeadlinePassed&, Effects& effects) {
  while (!force_.empty() && force_.begin()->first <= now_ms_) {
    const AttemptKey key = force_.begin()->second;
    Attempt& attempt = attempts_.at(key);
    effects.emplace_back(SayWarn("attempt " + Display(attempt.start) +
                                 " has not ended after its grace: killed without its shim"));
    effects.emplace_back(ForceKill{key});
    ForceAt(key, attempt, now_ms_ + kForceAfterMs);
  }
  if (!link_ || !link_->welcomed || link_->closing || now_ms_ < link_->heartbeat_due_ms) return;
  if (link_->lease_ms > 0 && now_ms_ - link_->answered_ms > link_->lease_ms) {
    Close("berthd has not answered for " + std::to_string((now_ms_ - link_->answered_ms) / 1000) +
              " s",
          effects);
    return;
  }
  link_->heartbeat_due_ms = now_ms_ + link_->heartbeat_interval_ms;
  link_->sampling = true;
  effects.emplace_back(SampleUsage{});
}

void AgentCore::On(const JournalSpace& event, Effects& effects) {
  if (event.low == journal_low_) return;
  journal_low_ = event.low;
  effects.emplace_back(
      journal_low_ ? SayWarn("the disk that holds the journal is full: new tasks are refused until"
                             " there is room")
                   : SayInfo("the journal has room again: new tasks are taken"));
}

void AgentCore::On(InventoryChanged& event, Effects& effects) {
  inventory_ = std::move(event.inventory);
  inventory_.set_isolation(options_.isolation);
  if (!link_ || link_->closing) return;
  link_->inventory_changed = true;
  if (link_->welcomed) TellInventory(effects);
}

void AgentCore::TellInventory(Effects& effects) {
  if (!std::exchange(link_->inventory_changed, false)) return;
  Send send{link_->number, {}};
  *send.message.mutable_inventory() = inventory_;
  effects.emplace_back(std::move(send));
}

std::vector<Effect> AgentCore::EndTurn() {
  Effects effects;
  if (!link_ || !link_->welcomed || link_->closing) {
    tails_.clear();  // they are read again in the next session
    return effects;
  }
  SendTails(effects);
  if (facts_.empty() || facts_.back().sequence() <= link_->facts_sent) return effects;
  // The facts not sent yet are at the end, usually the last few.
  auto next = facts_.end();
  while (next != facts_.begin() && std::prev(next)->sequence() > link_->facts_sent) --next;
  while (next != facts_.end()) {
    Send send{link_->number, {}};
    v1::FactBatch& batch = *send.message.mutable_facts();
    size_t bytes = 0;
    for (; next != facts_.end() && batch.facts_size() < kMostFactsInMessage &&
           bytes < kFullMessageBytes;
         ++next) {
      *batch.add_facts() = *next;
      bytes += next->ByteSizeLong();
    }
    effects.emplace_back(std::move(send));
  }
  link_->facts_sent = facts_.back().sequence();
  return effects;
}

std::optional<int64_t> AgentCore::deadline_ms() const {
  std::optional<int64_t> deadline;
  if (link_ && link_->welcomed && !link_->closing) deadline = link_->heartbeat_due_ms;
  if (!force_.empty()) deadline = std::min(deadline.value_or(INT64_MAX), force_.begin()->first);
  return deadline;
}

size_t AgentCore::live_attempts() const {
  return static_cast<size_t>(
      std::count_if(attempts_.begin(), attempts_.end(),
                    [](const auto& each) { return !each.second.ended.has_value(); }));
}

bool AgentCore::IsLive(const AttemptKey& key) const {
  const auto found = attempts_.find(key);
  return found != attempts_.end() && !found->second.ended;
}

// ---- what several of them do ----

void AgentCore::Refuse(std::string why, Effects& effects) {
  effects.emplace_back(Say{Say::Level::kError, why});
  link_->closing = true;
  effects.emplace_back(CloseLink{link_->number, std::move(why), true});
}

void AgentCore::Close(std::string why, Effects& effects) {
  effects.emplace_back(SayWarn(why + ": connecting again"));
  link_->closing = true;
  effects.emplace_back(CloseLink{link_->number, std::move(why), false});
}

void AgentCore::Renew(int64_t sent_ms, Effects& effects) {
  if (link_->lease_ms <= 0) return;
  if (now_ms_ > lease_.until_ms) lease_.since_ms = now_ms_;
  if (BERTH_PLANTED(kRenewFromAck)) sent_ms = now_ms_;
  lease_.until_ms = sent_ms + std::min(link_->lease_ms, kLongestLeaseMs);
  effects.emplace_back(RenewLease{lease_});
}

void AgentCore::PassDirective(uint64_t sequence, Effects& effects) {
  NoteLater passed;
  passed.record.mutable_directive_passed()->set_directive_sequence(sequence);
  effects.emplace_back(std::move(passed));
}

void AgentCore::ForceAt(const AttemptKey& key, Attempt& attempt, std::optional<int64_t> at_ms) {
  if (attempt.force_at_ms) force_.erase({*attempt.force_at_ms, key});
  attempt.force_at_ms = at_ms;
  if (at_ms) force_.emplace(*at_ms, key);
}

void AgentCore::BeginStop(const AttemptKey& key, Attempt& attempt, Effects& effects) {
  const int64_t grace = Grace(attempt);
  const int64_t force_at = now_ms_ + grace + kForceAfterMs;
  if (!attempt.force_at_ms || force_at < *attempt.force_at_ms) ForceAt(key, attempt, force_at);
  effects.emplace_back(StopAttempt{key, grace});
}

void AgentCore::End(const AttemptKey& key, v1::AttemptEnded ended, Effects& effects) {
  const auto found = attempts_.find(key);
  if (found == attempts_.end() || found->second.ended) return;
  Attempt& attempt = found->second;
  attempt.start.clear_payload();
  ForceAt(key, attempt, std::nullopt);
  attempt.ended = ended;
  v1::Fact fact;
  *fact.mutable_key() = ToProto(key);
  *fact.mutable_ended() = std::move(ended);
  NoteFact(std::move(fact), effects);
  effects.emplace_back(TidyAttempt{key});
}

void AgentCore::NoteFact(v1::Fact fact, Effects& effects) {
  fact.set_sequence(fact_sequence_ + 1);
  Note note;
  *note.record.mutable_fact() = fact;
  effects.emplace_back(std::move(note));
  AddFact(std::move(fact));
}

void AgentCore::AddFact(v1::Fact fact) {
  fact_sequence_ = std::max(fact_sequence_, fact.sequence());
  facts_.push_back(std::move(fact));
}

v1::Hello AgentCore::MakeHello() const {
  v1::Hello hello;
  hello.set_node(options_.node);
  hello.set_incarnation(incarnation_);
  hello.set_cluster_id(cluster_id_);
  hello.set_generation(generation_);
  hello.set_directive_sequence(directive_sequence_);
  *hello.mutable_inventory() = inventory_;
  hello.set_version(options_.version);
  hello.set_protocol_min(base::kAgentProtocol);
  hello.set_protocol_max(base::kAgentProtocol);
  std::set<AttemptKey> end_follows;
  for (const v1::Fact& fact : facts_) {
    if (fact.has_ended()) end_follows.insert(FromProto(fact.key()));
  }
  size_t bytes = 0;
  for (const auto& [key, attempt] : attempts_) {
    v1::AttemptReport& report = *hello.add_attempts();
    *report.mutable_key() = ToProto(key);
    if (attempt.started) *report.mutable_started() = *attempt.started;
    if (!attempt.ended) {
      *report.mutable_start() = attempt.start;
      report.mutable_start()->clear_payload();
    }
    // Facts come in batches; a Hello is one message. What berthd has acknowledged it has in full.
    const bool full = bytes > kFullMessageBytes;
    if (attempt.ended && !(full && end_follows.count(key) > 0)) {
      *report.mutable_ended() = *attempt.ended;
      if (full) report.mutable_ended()->clear_message();
    }
    bytes += report.ByteSizeLong();
    report.set_phase(attempt.ended     ? v1::ATTEMPT_PHASE_ENDED
                     : attempt.stop    ? v1::ATTEMPT_PHASE_STOPPING
                     : attempt.started ? v1::ATTEMPT_PHASE_RUNNING
                                       : v1::ATTEMPT_PHASE_ACCEPTED);
  }
  return hello;
}

int64_t AgentCore::Grace(const Attempt& attempt) {
  const bool given = attempt.stop && attempt.stop->stop().has_grace_ms();
  return std::max<int64_t>(0, given ? attempt.stop->stop().grace_ms() : attempt.start.grace_ms());
}

}  // namespace berth::agentd
