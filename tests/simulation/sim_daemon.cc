#include "tests/simulation/sim_daemon.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "agents/inventory.h"
#include "api/job_spec_reader.h"
#include "scheduler/recovery.h"
#include "state/generation.h"
#include "store/recover.h"
#include "store/restored_records.h"

namespace berth::simulation {

namespace {

constexpr int kMostUnderWay = 4;
constexpr scheduler::TurnBudget::Allowance kAllowance = {.work_units = 100'000, .commands = 16};
constexpr int64_t kStartsAtMs = 1'000'000;

state::Principal AgentPrincipal() {
  state::Principal principal;
  principal.name = "agent";
  return principal;
}

state::Principal Client() {
  state::Principal principal;
  principal.name = "uid:0";
  principal.verified = true;
  principal.is_operator = true;
  principal.all_namespaces = true;
  return principal;
}

// Takes each durable batch to the books.
class Observer final : public scheduler::WatchSink {
 public:
  explicit Observer(Ledger& ledger) : ledger_(ledger) {}
  void OnChanges(const std::shared_ptr<const state::ChangeBatch>& batch) override {
    ledger_.Released(*batch);
  }

 private:
  Ledger& ledger_;
};

}  // namespace

SimDaemon::SimDaemon(Context& context, Ledger& ledger, const PluginRegistry& registry,
                     const DaemonOptions& options, uint64_t seed)
    : context_(context),
      ledger_(ledger),
      registry_(registry),
      options_(options),
      seed_(seed),
      disk_(std::make_shared<store::MemoryDisk>()),
      observer_(std::make_shared<Observer>(ledger)) {}

SimDaemon::~SimDaemon() {
  if (life_ != nullptr) life_->deferred.clear();  // what waits there holds it
}

// ---- its life ----

void SimDaemon::Start() {
  if (life_ != nullptr) return;
  auto life = std::make_shared<Life>();
  life->store = std::make_unique<store::MemoryStore>(disk_);
  auto recovered =
      store::Recover(*life->store, {.job = api::DecodeJobSpec, .node = agents::DecodeInventory});
  if (!recovered.ok()) return context_.Violated("recovery: " + recovered.status().ToString());
  auto state = scheduler::BuildState(*std::move(recovered),
                                     {.profiles = {"default"},
                                      .watch_history_epochs = options_.turn.watch_history_epochs,
                                      .new_seed = seed_});
  if (!state.ok()) return context_.Violated("recovery: " + state.status().ToString());
  auto turn = scheduler::Turn::Create(options_.turn, *std::move(state), registry_,
                                      {pipeline::ProfileOptions{}});
  if (!turn.ok()) return context_.Violated("start: " + turn.status().ToString());
  life->turn = *std::move(turn);
  life->gate = std::make_unique<scheduler::LoopGate>(options_.inbox_capacity);
  life->hub = std::make_unique<scheduler::WatchHub>();
  life->hub->Subscribe(observer_);
  life->step = std::make_unique<scheduler::CommitStep>(
      *life->store, *this, *life->hub, static_cast<int64_t>(options_.turn.watch_history_epochs));
  life->messages = std::make_unique<agents::DaemonMessages>(
      [store = life->store.get()](const std::string& hash) { return store->GetBlob(hash); },
      [this](uint64_t stream, v1::DaemonMessage message) {
        const auto session = life_->sessions.find(stream);
        if (session != life_->sessions.end()) {
          session->second.stream->SendDown(message.SerializeAsString());
        }
      });
  life->persisted_ms = life->turn->state().meta().now_ms;
  life->started_us = context_.events.now_us();
  life_ = std::move(life);
  ++starts_;
  if (context_.traces()) {
    context_.Trace("berthd starts: term " + std::to_string(cluster().meta().term) + ", epoch " +
                   std::to_string(cluster().meta().epoch));
  }
  last_generation_ = cluster().meta().generation;
  last_term_ = cluster().meta().term;
  ledger_.Recovered(cluster(), std::exchange(was_restored_, false));
  Pump();
}

void SimDaemon::Die() {
  for (auto& [stream, session] : life_->sessions) session.stream->CloseFromDaemon();
  life_->deferred.clear();
  life_.reset();
  context_.events.After(context_.Between(50'000, 15'000'000), [this] { Start(); });
}

void SimDaemon::Crash(bool keeps_unsynced) {
  if (life_ == nullptr) return;
  if (life_->committing && life_->committing->output.batch != nullptr) {
    context_.Fault(keeps_unsynced ? "berthd dies in a commit that lasts"
                                  : "berthd dies in a commit that is lost");
    if (keeps_unsynced) {
      disk_->FailNextSync(absl::AbortedError("killed"));
    } else {
      disk_->FailNextWrite(absl::AbortedError("killed"));
    }
    if (life_->step->Run(*life_->committing, [](const auto&) {}).ok()) {
      context_.Violated("a commit succeeds on a disk that fails");
    }
  } else {
    context_.Fault("berthd dies between commits");
  }
  Die();
}

void SimDaemon::FailNextCommit(bool in_sync) {
  if (in_sync) {
    disk_->FailNextSync(absl::UnavailableError("input/output error"));
  } else {
    disk_->FailNextWrite(absl::UnavailableError("input/output error"));
  }
}

void SimDaemon::SaveSnapshot() {
  if (life_ == nullptr) return;
  const auto reader = life_->store->Snapshot();
  if (!reader.ok() || (*reader)->head().epoch == 0) return;
  kept_.emplace();
  kept_->head = (*reader)->head();
  kept_->meta = cluster().meta();
  for (const store::Table table : store::kTables) {
    const auto scanned = (*reader)->Scan(table, [&](std::string_view key, std::string_view value) {
      kept_->records.emplace_back(table, key, value);
      return true;
    });
    if (!scanned.ok()) context_.Violated("snapshot: " + scanned.ToString());
  }
  context_.Trace("a snapshot is saved: epoch " + std::to_string(kept_->head.epoch));
}

void SimDaemon::Restore() {
  if (!kept_ || life_ == nullptr) return;
  context_.Fault("berthd is restored from an older snapshot");
  const state::ClusterMeta meta =
      store::RestoredMeta(kept_->meta, kept_->head, last_generation_ + 1, last_term_);
  auto disk = store::MemoryDisk::Build(
      meta.cluster_id, {.epoch = meta.epoch, .term = meta.term},
      [&](const store::RecordSink& sink) -> absl::Status {
        for (const auto& [table, key, value] : kept_->records) {
          if (auto put = store::PutRestored(table, key, value, meta, sink); !put.ok()) return put;
        }
        return store::PutRestoredEpoch(meta, sink);
      });
  if (!disk.ok()) return context_.Violated("restore: " + disk.status().ToString());
  Die();
  disk_ = *std::move(disk);
  ++restores_;
  was_restored_ = true;
}

void SimDaemon::SetDiskFull(bool full) {
  disk_->SetRoom(full ? absl::ResourceExhaustedError("the disk is full") : absl::OkStatus());
}

void SimDaemon::Stall(int64_t for_us) {
  if (life_ == nullptr || life_->stalled) return;
  life_->stalled = true;
  context_.events.After(for_us, [this, life = life_] {
    life->stalled = false;
    if (life != life_) return;
    auto deferred = std::exchange(life->deferred, {});
    // What its threads do first is not said: its clock, or what has come in meanwhile.
    if (context_.Chance(500)) Pump();
    for (auto& what : deferred) {
      if (life == life_) what();
    }
    if (life == life_) Pump();
  });
}

void SimDaemon::Enter(std::function<void()> what) {
  if (life_ == nullptr) return;
  if (life_->stalled) {
    life_->deferred.push_back(std::move(what));
    return;
  }
  what();
}

bool SimDaemon::idle() const {
  return life_ != nullptr && !life_->committing && !life_->more_work && !life_->stalled;
}

// ---- its loop ----

void SimDaemon::Pump() {
  if (life_ == nullptr || life_->stalled || context_.failed()) return;
  const std::shared_ptr<Life> life = life_;
  for (;;) {
    const int64_t now_ms =
        life->persisted_ms + (context_.events.now_us() - life->started_us) / 1000;
    const auto next =
        life->gate->Decide(life->more_work, life->deadline_ms && *life->deadline_ms <= now_ms);
    if (next != scheduler::LoopGate::Next::kRun) break;
    RunTurn(now_ms);
    if (life != life_ || context_.failed()) return;
  }
  if (!life->deadline_ms || life->gate->is_full()) return;
  const int64_t at_us = life->started_us + (*life->deadline_ms - life->persisted_ms) * 1000;
  if (life->planned_wake_us == at_us) return;
  life->planned_wake_us = at_us;
  context_.events.At(at_us, [this, life, at_us] {
    if (life != life_ || life->planned_wake_us != at_us) return;
    life->planned_wake_us = -1;
    Pump();
  });
}

void SimDaemon::RunTurn(int64_t now_ms) {
  scheduler::TurnInput input;
  scheduler::Outcome outcome;
  const size_t waiting = life_->gate->depth(static_cast<size_t>(state::CommandClass::kAgents));
  life_->gate->Take(kAllowance, input, outcome);
  const size_t read =
      waiting - life_->gate->depth(static_cast<size_t>(state::CommandClass::kAgents));
  input.now_ms = now_ms;
  input.wall_ms = kStartsAtMs + wall_offset_ms_ + context_.events.now_us() / 1000;
  outcome.output = life_->turn->Run(std::move(input));
  const scheduler::ReconciledCounts& reconciled = life_->turn->counters().reconciled;
  for (size_t i = 0; i < reconciled.size(); ++i) {
    const uint64_t since = reconciled[i] - std::exchange(life_->reconciled[i], reconciled[i]);
    const auto outcome_name = ToString(static_cast<scheduler::Reconciled>(i));
    if (since > 0) context_.coverage.Count("reconcile", std::string(outcome_name), since);
  }
  CheckLosses(outcome.output);
  for (size_t i = 0; i < read; ++i) {
    const auto [node, stream] = std::move(life_->unread.front());
    life_->unread.pop_front();
    const Slot slot = cluster().nodes().Find(node);
    // What comes on a stream that is not the node's session is nothing heard of it.
    if (slot != kNoSlot && cluster().FindLink(slot)->stream == stream) {
      life_->heard_us[node] = heard_us_[node] = context_.events.now_us();
    }
  }
  CheckBindings(outcome.output);
  for (const auto& [node, slot] : cluster().nodes().by_name()) {
    const uint64_t stream = cluster().FindLink(slot)->stream;
    uint64_t& last = life_->last_streams[slot];
    if (stream != 0 && stream < last) {
      context_.Violated("node " + node + ": a connection that it has given up is its session");
    }
    last = std::max(last, stream);
  }
  life_->more_work = outcome.output.more_work;
  life_->deadline_ms = outcome.output.next_deadline_ms;
  if (context_.traces()) {
    for (const auto& warning : outcome.output.warnings) context_.Trace("berthd warns: " + warning);
  }
  ledger_.CheckState(cluster());
  life_->gate->Pass(std::move(outcome));
  StartCommit();
}

void SimDaemon::CheckBindings(const scheduler::TurnOutput& output) {
  if (output.batch == nullptr) return;
  const int64_t since_us = context_.events.now_us() - options_.turn.lease_ms * 1000;
  for (const state::Change& change : output.batch->changes) {
    const auto* task = std::get_if<state::TaskChange>(&change);
    if (task == nullptr || task->task.row.state != state::TaskState::kBound) continue;
    const state::TaskStatusView& view = task->task;
    const uint32_t index = view.spec->groups[view.group].IndexAt(view.position);
    // What was given up may be elsewhere when a daemon is started; after a restore nobody has given
    // it up.
    const bool is_settling =
        cluster().meta().settling &&
        view.job.value / state::kJobsPerGeneration < cluster().meta().generation;
    const auto& all_heard = is_settling ? heard_us_ : life_->heard_us;
    ledger_.CheckBinding({view.job, view.group, index, view.row.attempt.number},
                         [&](const std::string& node) {
                           const auto heard = all_heard.find(node);
                           return heard != all_heard.end() && heard->second > since_us;
                         });
  }
}

// A node is given up only for its silence, and not sooner.
void SimDaemon::CheckLosses(const scheduler::TurnOutput& output) {
  const uint64_t lost = life_->turn->counters().attempts_lost;
  if (std::exchange(life_->attempts_lost, lost) == lost) return;
  for (const state::Change& change : output.batch->changes) {
    const auto* task = std::get_if<state::TaskChange>(&change);
    if (task == nullptr) continue;
    const state::TaskRow& row = task->task.row;
    const state::AttemptRow& attempt =
        row.attempt.end == state::AttemptEnd::kNone && !row.past.empty() ? row.past.back()
                                                                         : row.attempt;
    if (attempt.reason != Reason::kNodeLost || !attempt.message.starts_with("node \"")) continue;
    const state::GroupSpec& group = task->task.spec->groups[task->task.group];
    const state::AgentAttempt name{task->task.job, task->task.group,
                                   group.IndexAt(task->task.position), attempt.number};
    if (!given_up_.insert(name).second) continue;
    context_.coverage.Count("seen", group.kill_on_partition
                                        ? "a fenced attempt is given up"
                                        : "an attempt of a silent node is given up");
    if (group.kill_on_partition) ledger_.CheckFenced(name);
    const int64_t after_ms = group.kill_on_partition ? options_.turn.lease_ms + group.grace_ms +
                                                           scheduler::Leases::kFenceMarginMs
                                                     : options_.turn.lost_after_ms;
    const auto heard = life_->heard_us.find(attempt.node);
    const int64_t since_us =
        std::max(life_->started_us, heard == life_->heard_us.end() ? int64_t{0} : heard->second);
    const int64_t silent_ms = (context_.events.now_us() - since_us) / 1000;
    if (silent_ms + 1 < after_ms) {
      context_.Violated("attempt " + Text(name) + " is given up after " +
                        std::to_string(silent_ms) + " ms of silence of " + attempt.node);
    }
  }
}

void SimDaemon::StartCommit() {
  Life& life = *life_;
  if (life.committing || !life.gate->has_outcome()) return;
  life.committing = life.gate->TakeOutcome();
  const int64_t takes_us =
      life.committing->output.batch == nullptr ? 0 : context_.Between(100, disk_slowest_us_);
  context_.events.After(takes_us, [this, started = life_] {
    Enter([this, started] {
      if (started == life_) FinishCommit();
    });
  });
}

void SimDaemon::FinishCommit() {
  const std::shared_ptr<Life> life = life_;
  scheduler::Outcome outcome = std::move(*life->committing);
  const absl::Status status = life->step->Run(outcome, [](const auto&) {});
  if (!status.ok()) {
    context_.Fault("a commit of berthd fails", std::string(status.message()));
    Die();
    if (context_.Chance(500)) disk_->LoseUnsynced();
    return;
  }
  life->committing.reset();
  life->gate->Released();
  StartCommit();
  Pump();
}

// ---- clients ----

absl::Status SimDaemon::Post(state::CommandClass command_class, state::CommandBody body,
                             scheduler::ReplyCallback reply) {
  if (life_ == nullptr) return absl::UnavailableError("nobody listens");
  if (command_class == state::CommandClass::kSubmissions) {
    if (auto room = life_->store->CheckRoom(); !room.ok()) {
      context_.coverage.Count("seen", "a submission is refused: the disk is full");
      return room;
    }
  }
  state::Command command;
  command.principal = Client();
  command.body = std::move(body);
  auto status = life_->gate->Post(command_class, std::move(command), std::move(reply));
  if (!status.ok()) context_.coverage.Count("seen", "the inbox is full");
  Pump();
  return status;
}

scheduler::WatchHub& SimDaemon::watches() { return *life_->hub; }

// ---- agents ----

std::shared_ptr<Stream> SimDaemon::Accept(Route& route) {
  if (life_ == nullptr) return nullptr;
  const uint64_t number = next_stream_++;
  auto stream = std::make_shared<Stream>(context_, route);
  life_->sessions.emplace(number, Session{stream, agents::AgentMessages(number)});
  const std::weak_ptr<Life> weak = life_;
  stream->set_daemon({[this, weak, number](const std::string& bytes) {
                        if (weak.lock() != life_ || life_ == nullptr) return;
                        Enter([this, number, bytes] { OnAgentMessage(number, bytes); });
                      },
                      [this, weak, number] {
                        if (weak.lock() != life_ || life_ == nullptr) return;
                        Enter([this, number] { OnAgentGone(number); });
                      }});
  return stream;
}

void SimDaemon::OnAgentMessage(uint64_t stream, const std::string& bytes) {
  const auto found = life_->sessions.find(stream);
  if (found == life_->sessions.end()) return;
  Session& session = found->second;
  v1::AgentMessage message;
  message.ParseFromString(bytes);
  agents::AgentMessages::Read read = session.messages.Take(message);
  if (std::holds_alternative<wire::Refusal>(read)) return EndStream(stream);
  auto* body = std::get_if<state::CommandBody>(&read);
  if (body == nullptr) return;
  const std::string node = session.messages.node();
  if (++session.under_way >= kMostUnderWay) session.stream->PauseUp();
  const auto status = life_->gate->Post(state::CommandClass::kAgents,
                                        {.principal = AgentPrincipal(), .body = std::move(*body)},
                                        [this, stream](const scheduler::Reply&) {
                                          const auto applied = life_->sessions.find(stream);
                                          if (applied == life_->sessions.end()) return;
                                          --applied->second.under_way;
                                          applied->second.stream->ResumeUp();
                                        });
  if (status.ok()) {
    life_->unread.push_back({node, stream});
  } else {
    context_.coverage.Count("seen", "the inbox of agents is full");
    EndStream(stream);
  }
  Pump();
}

void SimDaemon::OnAgentGone(uint64_t stream) {
  life_->sessions.erase(stream);
  const auto status =
      life_->gate->Post(state::CommandClass::kAgents,
                        {.principal = AgentPrincipal(), .body = state::CloseSession{stream}},
                        [](const scheduler::Reply&) {});
  if (status.ok()) {
    life_->unread.push_back({"", stream});
  } else {
    context_.events.After(10'000, [this, life = life_, stream] {
      if (life == life_) Enter([this, stream] { OnAgentGone(stream); });
    });
  }
  Pump();
}

// The daemon ends a stream; the loop hears of its end as of any other.
void SimDaemon::EndStream(uint64_t stream) {
  const auto session = life_->sessions.find(stream);
  if (session == life_->sessions.end()) return;
  session->second.stream->CloseFromDaemon();
  context_.events.After(100, [this, life = life_, stream] {
    if (life == life_) Enter([this, stream] { OnAgentGone(stream); });
  });
}

void SimDaemon::Deliver(std::vector<state::AgentEffect> effects) {
  for (const state::AgentEffect& effect : effects) {
    if (const auto* refuse = std::get_if<state::RefuseAgent>(&effect)) {
      if (context_.traces()) context_.Trace("berthd refuses a stream: " + refuse->message);
      EndStream(refuse->stream);
      continue;
    }
    if (const auto* sent = std::get_if<state::SendDirectives>(&effect)) {
      for (const state::Directive& directive : sent->directives) {
        if (const auto* stop = std::get_if<state::StopTask>(&directive)) {
          ledger_.StopSent(stop->attempt);
        }
        if (!context_.traces()) continue;
        std::visit(
            [&](const auto& each) {
              using Kind = std::decay_t<decltype(each)>;
              const char* verb = std::is_same_v<Kind, state::StartTask>  ? "start "
                                 : std::is_same_v<Kind, state::StopTask> ? "stop "
                                                                         : "forget ";
              context_.Trace("berthd to stream " + std::to_string(sent->stream) + ": " + verb +
                             Text(each.attempt) + " (" + std::to_string(each.sequence) + ")");
            },
            directive);
      }
    }
    std::visit(
        [this](const auto& each) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(each)>, state::RefuseAgent>) {
            life_->messages->Write(each);
          }
        },
        effect);
  }
}

}  // namespace berth::simulation
