#include "tests/simulation/sim_node.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "agentd/journal/journal_frames.h"

namespace berth::simulation {

using agentd::AttemptKey;
using agentd::TaskOutcome;

namespace {

constexpr uint64_t kCompactBytes = 3000;
constexpr int64_t kKillTakesUs = 5'000;

agentd::AgentCore::Options OptionsOf(const std::string& name, const v1::NodeInventory& inventory,
                                     int incarnation) {
  agentd::AgentCore::Options options;
  options.node = name;
  options.version = "0.1.0";
  options.isolation = "none";
  options.inventory = inventory;
  options.fresh_incarnation = "journal-" + name + "-" + std::to_string(incarnation);
  return options;
}

}  // namespace

// ---- the agent's process ----

AgentLife::AgentLife(SimNode& node)
    : node_(node),
      context_(node.context_),
      core_(OptionsOf(node.name_, node.inventory_, ++node.incarnations_)),
      pump_(core_, *this, kCompactBytes) {}

bool AgentLife::Begin() {
  const auto loaded =
      agentd::LoadFrames(node_.journal_, "journal of " + node_.name_,
                         [this](std::string_view record) { return core_.Replay(record); });
  if (!loaded.ok()) {
    context_.Violated(node_.name_ + ": " + loaded.status().ToString());
    return false;
  }
  if (loaded->bytes < node_.journal_.size()) {
    context_.Fault("the journal's last write is torn", node_.name_);
  }
  node_.journal_.resize(loaded->bytes);
  node_.journal_synced_ = node_.journal_.size();
  next_group_ = loaded->next_group;
  Enter([this] {
    Report(agentd::Began{"boot-" + std::to_string(node_.boots_), node_.lease_});
    CleanUp();
  });
  return true;
}

// Dials once nothing runs that the journal does not know.
void AgentLife::CleanUp() {
  bool waits = false;
  for (const auto& [key, shim] : node_.shims_) {
    if (core_.Knows(key) || shim->stage != SimNode::Shim::Stage::kRunning) continue;
    waits = true;
    context_.coverage.Count("seen", "an attempt that the journal does not know is killed");
    node_.Stop(key, 0);
  }
  if (!waits) return DialLater(context_.Between(0, 2'000'000));
  context_.events.After(1'000'000,
                        [self = shared_from_this()] { self->Enter([self] { self->CleanUp(); }); });
}

void AgentLife::Die() {
  dead_ = true;
  if (stream_) {
    for (std::string& bytes : stream_->TakeLingering()) node_.lingering_.push_back(bytes);
    stream_->CloseFromAgent();
  }
  stream_.reset();
  deferred_.clear();
}

void AgentLife::Resume() {
  stalled_ = false;
  std::deque<std::function<void()>> deferred;
  deferred.swap(deferred_);
  for (auto& what : deferred) Enter(std::move(what));
}

void AgentLife::Enter(std::function<void()> what) {
  if (dead_) return;
  if (stalled_) {
    deferred_.push_back(std::move(what));
    return;
  }
  const auto self = shared_from_this();
  what();
  Pump();
}

void AgentLife::Pump() {
  while (!dead_ && pump_.Pass(node_.BootMs())) {
  }
  if (dead_) return;
  const auto deadline = core_.deadline_ms();
  if (!deadline) return;
  const int64_t at_us = node_.booted_us_ + *deadline * 1000;
  if (planned_wake_us_ == at_us) return;
  planned_wake_us_ = at_us;
  context_.events.At(at_us, [self = shared_from_this(), at_us] {
    if (self->planned_wake_us_ != at_us) return;
    self->Enter([self] { self->planned_wake_us_ = 0; });
  });
}

// ---- its journal ----

void AgentLife::Append(std::vector<std::string> records, uint64_t ticket) {
  for (auto& record : records) next_.records.push_back(std::move(record));
  next_.ticket = ticket;
  next_.urgent = true;
  Write();
}

void AgentLife::AppendLater(std::vector<std::string> records) {
  for (auto& record : records) next_.records.push_back(std::move(record));
}

void AgentLife::Replace(std::vector<std::string> snapshot, uint64_t ticket) {
  next_.records.clear();
  next_.snapshot = std::move(snapshot);
  next_.ticket = ticket;
  next_.urgent = true;
  Write();
}

uint64_t AgentLife::journal_bytes() const { return node_.journal_.size(); }

void AgentLife::Write() {
  if (writing_ || !next_.urgent || dead_) return;
  writing_ = true;
  Group group = std::exchange(next_, {});
  std::string frame;
  if (group.snapshot) {
    std::vector<std::string> whole = *group.snapshot;
    whole.insert(whole.end(), group.records.begin(), group.records.end());
    frame = agentd::MakeFrame(whole, next_group_++);
  } else {
    frame = agentd::MakeFrame(group.records, next_group_++);
    node_.journal_ += frame;  // written, and not synced yet
  }
  const int64_t delay_us = context_.Between(100, node_.journal_slowest_us_);
  context_.events.After(delay_us, [self = shared_from_this(), group = std::move(group), frame] {
    if (!self->dead_) self->Written(group, frame);
  });
}

void AgentLife::Written(const Group& group, const std::string& frame) {
  if (std::exchange(node_.journal_fails_, false)) {
    context_.Fault("a write of the journal fails", node_.name_);
    pump_.Halt();
    node_.CrashAgent(false);
    return;
  }
  if (group.snapshot) {
    node_.journal_ = frame;
    context_.coverage.Count("seen", "the journal is compacted");
  }
  node_.journal_synced_ = node_.journal_.size();
  writing_ = false;
  Enter([this, ticket = group.ticket, low = node_.journal_full_] { pump_.Durable(ticket, low); });
  Write();
}

// ---- its connection ----

void AgentLife::DialLater(int64_t delay_us) {
  context_.events.After(delay_us,
                        [self = shared_from_this()] { self->Enter([self] { self->Dial(); }); });
}

void AgentLife::Dial() {
  if (node_.route_.up_is_cut || node_.route_.down_is_cut) return DialLater(2'000'000);
  stream_ = node_.listener_(node_, node_.route_);
  if (stream_ == nullptr) return DialLater(context_.Between(100'000, 3'000'000));
  node_.streams_.push_back(stream_);
  const uint64_t link = ++node_.links_;
  link_ = link;
  const std::weak_ptr<AgentLife> weak = shared_from_this();
  stream_->set_agent({[weak, link](const std::string& bytes) {
                        const auto self = weak.lock();
                        if (self == nullptr) return;
                        self->Enter([self, link, bytes] {
                          agentd::MessageReceived received{link, {}};
                          received.message.ParseFromString(bytes);
                          const bool welcome = received.message.has_welcome();
                          self->Report(std::move(received));
                          // Directives of a session before this one come out of some buffer.
                          if (!welcome) return;
                          const auto lingering = std::exchange(self->node_.lingering_, {});
                          if (!self->node_.lingers_) return;
                          for (const std::string& late : lingering) {
                            agentd::MessageReceived stray{link, {}};
                            stray.message.ParseFromString(late);
                            if (!stray.message.has_directives()) continue;
                            self->context_.Fault("directives of a dead stream come late",
                                                 self->node_.name_);
                            self->Report(std::move(stray));
                          }
                        });
                      },
                      [weak, link] {
                        const auto self = weak.lock();
                        if (self != nullptr) self->Enter([self, link] { self->LinkClosed(link); });
                      }});
  Report(agentd::LinkUp{link});
}

void AgentLife::LinkClosed(uint64_t link) {
  if (link != link_ || stream_ == nullptr) return;
  stream_.reset();
  Report(agentd::LinkDown{link});
  DialLater(context_.Between(100'000, 5'000'000));
}

// ---- its effects ----

void AgentLife::Do(agentd::Effect& effect) {
  if (auto* launch = std::get_if<agentd::Launch>(&effect)) {
    node_.Launch(*launch);
  } else if (const auto* renew = std::get_if<agentd::RenewLease>(&effect)) {
    node_.lease_ = renew->lease;
  } else if (const auto* inspect = std::get_if<agentd::Inspect>(&effect)) {
    node_.Inspect(inspect->key);
  } else if (const auto* stop = std::get_if<agentd::StopAttempt>(&effect)) {
    node_.Stop(stop->key, stop->grace_ms);
  } else if (const auto* force = std::get_if<agentd::ForceKill>(&effect)) {
    context_.coverage.Count("seen", "an attempt is killed without its shim");
    node_.ForceKill(force->key);
  } else if (const auto* tidy = std::get_if<agentd::TidyAttempt>(&effect)) {
    node_.Tidy(tidy->key);
  } else if (auto* send = std::get_if<agentd::Send>(&effect)) {
    if (stream_ && send->link == link_) stream_->SendUp(send->message.SerializeAsString());
  } else if (const auto* close = std::get_if<agentd::CloseLink>(&effect)) {
    if (!stream_ || close->link != link_) return;
    if (context_.traces()) context_.Trace(node_.name_ + ": closes its link: " + close->reason);
    for (std::string& bytes : stream_->TakeLingering()) node_.lingering_.push_back(bytes);
    stream_->CloseFromAgent();
    stream_.reset();
    Report(agentd::LinkDown{close->link});
    DialLater(close->slow_retry ? 20'000'000 : context_.Between(0, 1'000'000));
  } else if (std::holds_alternative<agentd::SampleUsage>(effect)) {
    agentd::UsageSampled sampled;
    sampled.boot_time_ms = node_.BootMs();
    sampled.unix_ms = node_.UnixMs();
    for (const std::string& peer : node_.peers_) {
      v1::PeerLatency& latency = sampled.latencies.emplace_back();
      latency.set_node(peer);
      latency.set_round_trip_us(context_.Between(100, 10'000));
    }
    Report(std::move(sampled));
  } else if (const auto* measure = std::get_if<agentd::MeasurePeers>(&effect)) {
    node_.peers_.clear();
    for (const v1::Peer& peer : measure->peers.peers()) node_.peers_.insert(peer.node());
  } else if (const auto* say = std::get_if<agentd::Say>(&effect)) {
    if (context_.traces()) context_.Trace(node_.name_ + " says: " + say->text);
  }
}

// ---- the machine ----

SimNode::SimNode(Context& context, Ledger& ledger, uint64_t seed, std::string name,
                 int64_t cpu_milli, int64_t memory_mib, Listener listener)
    : context_(context),
      ledger_(ledger),
      seed_(seed),
      name_(std::move(name)),
      listener_(std::move(listener)) {
  inventory_.mutable_capacity()->set_cpu_milli(cpu_milli);
  inventory_.mutable_capacity()->set_memory_bytes(memory_mib << 20);
  inventory_.add_addresses("10.0.0." + name_.substr(1));
  ledger_.AddNode(name_, cpu_milli, memory_mib);
}

state::AgentAttempt SimNode::NameOf(const AttemptKey& key) const {
  return {JobId{key.job_id}, key.group, key.index, key.attempt};
}

void SimNode::Boot() {
  if (is_on_) return;
  is_on_ = true;
  ++boots_;
  booted_us_ = context_.events.now_us();
  context_.Trace(name_ + ": the machine starts");
  StartAgent();
}

void SimNode::StartAgentAfter(int64_t delay_us) {
  context_.events.After(delay_us, [this, boot = boots_] {
    if (is_on_ && boot == boots_) StartAgent();
  });
}

void SimNode::StartAgent() {
  if (agent_ != nullptr) return;
  context_.Trace(name_ + ": the agent starts");
  agent_ = std::make_shared<AgentLife>(*this);
  agent_->Begin();
}

void SimNode::CrashAgent(bool loses_journal) {
  if (agent_ == nullptr) return;
  context_.Trace(name_ + ": the agent is killed");
  agent_->Die();
  agent_.reset();
  if (loses_journal) {
    journal_.clear();
    journal_synced_ = 0;
  }
  StartAgentAfter(context_.Between(100'000, 8'000'000));
}

void SimNode::ChangeInventory() {
  (*inventory_.mutable_labels())["revision"] = std::to_string(++revision_);
  ToAgent(context_.Between(0, 5'000),
          [inventory = inventory_] { return agentd::InventoryChanged{inventory}; });
}

void SimNode::PowerOff() {
  if (!is_on_) return;
  context_.Trace(name_ + ": the machine loses power");
  is_on_ = false;
  if (agent_ != nullptr) {
    agent_->Die();
    agent_.reset();
  }
  const auto unsynced = static_cast<uint64_t>(journal_.size() - journal_synced_);
  journal_.resize(journal_synced_ + context_.rng.Uniform(unsynced + 1));
  for (auto& [key, shim] : shims_) {
    shim->dead = true;
    if (shim->stage == Shim::Stage::kRunning) ledger_.Ended(NameOf(key), 0, 9);
  }
  shims_.clear();
  journal_fails_ = false;
  lease_ = {};
}

void SimNode::StallAgent(int64_t for_us) {
  if (agent_ == nullptr) return;
  agent_->Stall();
  context_.events.After(for_us, [agent = agent_] { agent->Resume(); });
}

void SimNode::BreakConnection() {
  if (agent_ != nullptr) agent_->BreakConnection();
}

void SimNode::RouteChanged() {
  if (agent_ != nullptr) agent_->RouteChanged();
  // What is left on connections that were given up comes when it comes.
  std::erase_if(streams_, [](const auto& stream) { return stream.expired(); });
  for (const auto& stream : streams_) {
    context_.events.After(context_.Between(0, 8'000'000), [stream] {
      if (const auto late = stream.lock()) late->Kick();
    });
  }
}

bool SimNode::settled() const {
  if (!is_on_ || agent_ == nullptr) return false;
  const auto records = agent_->core().Snapshot();
  return std::none_of(records.begin(), records.end(), [](const auto& record) {
    return record.has_kept_attempt() || record.has_fact();
  });
}

// ---- its processes ----

void SimNode::ToAgent(int64_t delay_us, std::function<agentd::Event()> make) {
  if (agent_ == nullptr) return;
  context_.events.After(delay_us, [agent = agent_, make = std::move(make)] {
    agent->Enter([agent, make] { agent->Report(make()); });
  });
}

void SimNode::Launch(const agentd::Launch& launch) {
  // The agent makes the directory and starts the shim; killed in between, nothing has started.
  const int64_t takes_us =
      context_.Chance(5) ? context_.Between(1'000'000, 40'000'000) : context_.Between(200, 20'000);
  context_.events.After(takes_us, [this, agent = agent_, launch] {
    if (agent->dead()) return;
    auto shim = std::make_shared<Shim>();
    shim->key = launch.key;
    shim->start = launch.start;
    shim->behaviour = BehaviourOf(seed_, NameOf(launch.key));
    shim->lease_until_ms = launch.lease_until_ms;
    shims_[launch.key] = shim;
    Spawn(shim);
  });
}

void SimNode::Spawn(const std::shared_ptr<Shim>& shim) {
  if (shim->behaviour.could_not_start) {
    shim->stage = Shim::Stage::kCouldNotStart;
    context_.coverage.Count("seen", shim->behaviour.node_at_fault
                                        ? "a node cannot start an attempt"
                                        : "an attempt cannot be started anywhere");
    Tell(shim);
    return;
  }
  const bool fenced = shim->start.on_partition() == v1::ON_PARTITION_KILL;
  if (fenced && shim::RenewedUntil(lease_, shim->lease_until_ms) <= BootMs()) {
    context_.coverage.Count("seen", "a fenced attempt is not started: the lease has ended");
    shim->stage = Shim::Stage::kLeaseEnded;
    Tell(shim);
    return;
  }
  shim->stage = Shim::Stage::kRunning;
  shim->started_unix_ms = UnixMs();
  const v1::Resources& resources = shim->start.resources();
  ledger_.Started(name_, NameOf(shim->key),
                  {.cpu_milli = resources.cpu_milli(),
                   .memory_mib = resources.memory_bytes() >> 20,
                   .fenced = fenced});
  Tell(shim);
  const Behaviour& behaviour = shim->behaviour;
  const bool too_much = behaviour.uses_mib > resources.memory_bytes() >> 20;
  context_.events.After(behaviour.runs_us, [this, shim, too_much] {
    shim->outcome.out_of_memory = too_much;
    const int signal = too_much ? 9 : shim->behaviour.signal;
    End(shim, signal != 0 ? 0 : shim->behaviour.exit_code, signal);
  });
  // Its checks and its scratch directory are looked at while an agent runs.
  ToAgent(behaviour.runs_us / 4, [key = shim->key] { return agentd::TaskReadiness{key, true}; });
  if (behaviour.condemned) {
    ToAgent(behaviour.runs_us / 2, [key = shim->key] {
      return agentd::TaskCondemned{key, v1::ATTEMPT_END_OUT_OF_STORAGE,
                                   v1::REASON_CODE_OUT_OF_STORAGE, "too much scratch"};
    });
  }
  if (fenced) AwaitLeaseEnd(shim);
}

// The shim wakes, a little late, when the lease ends as it knew it last.
void SimNode::AwaitLeaseEnd(const std::shared_ptr<Shim>& shim) {
  const int64_t wakes_us =
      booted_us_ + shim->lease_until_ms * 1000 + context_.Between(0, 2'000'000);
  context_.events.At(wakes_us, [this, shim] {
    if (shim->dead || shim->stage != Shim::Stage::kRunning) return;
    shim->lease_until_ms = shim::RenewedUntil(lease_, shim->lease_until_ms);
    if (shim->lease_until_ms > BootMs()) return AwaitLeaseEnd(shim);
    context_.coverage.Count("seen", "a fenced attempt is ended by its shim");
    const int64_t grace_ms = shim->start.grace_ms();
    BeginStop(shim, TaskOutcome::Cause::kLeaseEnded, grace_ms,
              booted_us_ + (shim->lease_until_ms + grace_ms) * 1000);
  });
}

void SimNode::End(const std::shared_ptr<Shim>& shim, int exit_code, int signal) {
  if (shim->dead || shim->stage != Shim::Stage::kRunning) return;
  shim->stage = Shim::Stage::kEnded;
  shim->outcome.cause = shim->cause;
  shim->outcome.exit_code = exit_code;
  shim->outcome.signal = signal;
  shim->outcome.started_unix_ms = shim->started_unix_ms;
  shim->outcome.ended_unix_ms = UnixMs();
  ledger_.Ended(NameOf(shim->key), exit_code, signal);
  Tell(shim);
}

// How it stands with an attempt, to the agent that runs now.
void SimNode::Tell(const std::shared_ptr<Shim>& shim) {
  const auto stage = shim->stage;
  ToAgent(context_.Between(50, 3'000), [shim, stage]() -> agentd::Event {
    switch (stage) {
      case Shim::Stage::kCouldNotStart:
        if (shim->behaviour.node_at_fault) {
          return agentd::TaskNotStarted{shim->key, v1::REASON_CODE_PROLOG_FAILED, "a bad prolog"};
        }
        return agentd::TaskNotStarted{shim->key, v1::REASON_CODE_PROGRAM_NOT_FOUND, "no program"};
      case Shim::Stage::kEnded:
        return agentd::TaskEnded{shim->key, shim->outcome};
      case Shim::Stage::kLeaseEnded:
        return agentd::TaskLost{shim->key, "its lease has ended", v1::REASON_CODE_NODE_LOST};
      case Shim::Stage::kGone:
        return agentd::TaskLost{shim->key, "its shim is gone"};
      default: {
        agentd::TaskStarted started{shim->key, {}};
        started.started.set_unix_ms(shim->started_unix_ms);
        return started;
      }
    }
  });
}

void SimNode::Inspect(const AttemptKey& key) {
  const auto found = shims_.find(key);
  if (found == shims_.end()) {
    ToAgent(context_.Between(50, 3'000), [key] { return agentd::TaskNeverStarted{key}; });
    return;
  }
  if (found->second->stage == Shim::Stage::kEnded) {
    ToAgent(40, [shim = found->second]() -> agentd::Event {
      agentd::TaskStarted started{shim->key, {}};
      started.started.set_unix_ms(shim->started_unix_ms);
      return started;
    });
  }
  Tell(found->second);
}

void SimNode::Stop(const AttemptKey& key, int64_t grace_ms) {
  const auto found = shims_.find(key);
  if (found == shims_.end() || found->second->stage != Shim::Stage::kRunning) return;
  BeginStop(found->second, TaskOutcome::Cause::kStopped, grace_ms,
            context_.events.now_us() + grace_ms * 1000);
}

void SimNode::BeginStop(const std::shared_ptr<Shim>& shim, TaskOutcome::Cause cause,
                        int64_t grace_ms, int64_t kill_at_us) {
  if (shim->cause == TaskOutcome::Cause::kItself) {
    shim->cause = cause;
    if (grace_ms > 0 && shim->behaviour.heeds_sigterm) {
      context_.events.After(context_.Between(1'000, 1'500'000), [this, shim] { End(shim, 0, 15); });
    }
  }
  if (kill_at_us >= shim->kill_at_us) return;
  shim->kill_at_us = kill_at_us;
  context_.events.At(kill_at_us + kKillTakesUs, [this, shim] { End(shim, 0, 9); });
}

void SimNode::ForceKill(const AttemptKey& key) {
  const auto found = shims_.find(key);
  if (found != shims_.end()) End(found->second, 0, 9);
}

void SimNode::Tidy(const AttemptKey& key) {
  const auto found = shims_.find(key);
  if (found == shims_.end()) return;
  if (found->second->stage == Shim::Stage::kRunning) {
    context_.Violated(name_ + ": the agent gives away the directory of " + Text(NameOf(key)) +
                      ", which runs");
  }
  shims_.erase(found);
}

void SimNode::KillShim() {
  for (const auto& [key, shim] : shims_) {
    if (shim->stage != Shim::Stage::kRunning) continue;
    context_.Fault("a shim is killed", name_ + ": " + Text(NameOf(key)));
    shim->stage = Shim::Stage::kGone;
    ledger_.Ended(NameOf(key), 0, 9);  // the kernel takes the task with it
    Tell(shim);
    return;
  }
}

}  // namespace berth::simulation
