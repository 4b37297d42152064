#include "scheduler/loop.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <optional>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "base/mutex.h"
#include "scheduler/commit_step.h"
#include "scheduler/loop_gate.h"
#include "scheduler/turn_budget.h"

namespace berth::scheduler {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr auto kSnapshotAge = std::chrono::milliseconds(100);
// How far ahead a wait for a deadline looks; a later one is looked at again then.
constexpr int64_t kLongestWaitMs = 60'000;

double SecondsSince(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

}  // namespace

struct Loop::Impl {
  struct CommitStats {
    uint64_t commits = 0;
    uint64_t bytes = 0;
    uint64_t records = 0;
    uint64_t durable_epoch = 0;
    LatencyHistogram latency;
  };

  Impl(const LoopOptions& loop_options, std::unique_ptr<Turn> loop_turn,
       store::StateStore& state_store, const base::Clock& system_clock,
       std::function<void(absl::Status)> fatal)
      : options(loop_options),
        turn(std::move(loop_turn)),
        store(state_store),
        clock(system_clock),
        on_fatal(std::move(fatal)),
        gate(loop_options.inbox_capacity) {
    stats.durable_epoch = store.head().epoch;
  }

  const LoopOptions options;
  const std::unique_ptr<Turn> turn;  // the loop thread's
  store::StateStore& store;          // the store thread's, for commits
  const base::Clock& clock;
  const std::function<void(absl::Status)> on_fatal;
  agents::AgentLink* link = nullptr;
  WatchHub hub;
  std::thread loop_thread;
  std::thread store_thread;

  base::Mutex mutex;
  base::CondVar loop_wakes;
  base::CondVar store_wakes;
  LoopGate gate BERTH_GUARDED_BY(mutex);
  bool loop_done BERTH_GUARDED_BY(mutex) = false;
  CommitStats stats BERTH_GUARDED_BY(mutex);

  mutable base::Mutex snapshot_mutex;
  std::shared_ptr<const LoopSnapshot> snapshot BERTH_GUARDED_BY(snapshot_mutex) =
      std::make_shared<const LoopSnapshot>();

  // The loop thread's own.
  uint64_t turns = 0;
  TurnBudget budget{
      {.work_units = options.work_units_per_turn, .commands = options.commands_per_turn}};
  LatencyHistogram turn_latency;
  SteadyClock::time_point published;

  void RunLoop();
  void RunStore();
  void Publish();
};

Loop::Loop(const LoopOptions& options, std::unique_ptr<Turn> turn, store::StateStore& store,
           const base::Clock& clock, std::function<void(absl::Status)> on_fatal)
    : impl_(std::make_unique<Impl>(options, std::move(turn), store, clock, std::move(on_fatal))) {
  impl_->Publish();
}

Loop::~Loop() { Stop(); }

void Loop::set_agent_link(agents::AgentLink* link) { impl_->link = link; }

void Loop::Start() {
  BERTH_CHECK(impl_->link != nullptr) << "the loop needs an agent link before it starts";
  impl_->loop_thread = std::thread([this] { impl_->RunLoop(); });
  impl_->store_thread = std::thread([this] { impl_->RunStore(); });
}

void Loop::Stop() {
  {
    base::MutexLock lock(impl_->mutex);
    impl_->gate.Stop();
    impl_->loop_wakes.NotifyAll();
    impl_->store_wakes.NotifyAll();
  }
  if (impl_->loop_thread.joinable()) impl_->loop_thread.join();
  if (impl_->store_thread.joinable()) impl_->store_thread.join();
}

absl::Status Loop::Post(state::CommandClass command_class, state::Command command,
                        ReplyCallback reply) {
  base::MutexLock lock(impl_->mutex);
  auto status = impl_->gate.Post(command_class, std::move(command), std::move(reply));
  if (status.ok()) impl_->loop_wakes.NotifyOne();
  return status;
}

absl::Status Loop::Post(state::Command command, std::function<void()> applied) {
  return Post(state::CommandClass::kAgents, std::move(command),
              [applied = std::move(applied)](const Reply&) { applied(); });
}

absl::Status Loop::ReplaceProfiles(ProfileChange change) {
  auto waiter = std::make_unique<ProfileWaiter>(std::move(change));
  std::future<absl::Status> done = waiter->answer();
  {
    base::MutexLock lock(impl_->mutex);
    if (auto status = impl_->gate.Post(std::move(waiter)); !status.ok()) return status;
    impl_->loop_wakes.NotifyOne();
  }
  return done.get();
}

WatchHub& Loop::watches() { return impl_->hub; }

std::shared_ptr<const LoopSnapshot> Loop::snapshot() const {
  base::MutexLock lock(impl_->snapshot_mutex);
  return impl_->snapshot;
}

// ---- the loop thread ----

void Loop::Impl::RunLoop() {
  const int64_t started_ms = clock.MonotonicMs();
  const int64_t persisted_ms = turn->state().meta().now_ms;
  // The first turn runs at once: it makes the new term durable.
  bool more_work = true;
  bool snapshot_due = false;
  std::optional<int64_t> deadline_ms;
  for (;;) {
    TurnInput input;
    Outcome outcome;
    {
      base::MutexLock lock(mutex);
      for (;;) {
        const int64_t now = persisted_ms + clock.MonotonicMs() - started_ms;
        const LoopGate::Next next = gate.Decide(more_work, deadline_ms && *deadline_ms <= now);
        if (next == LoopGate::Next::kRun) break;
        if (next == LoopGate::Next::kDone) {
          loop_done = true;
          store_wakes.NotifyAll();
          return;
        }
        if (gate.is_full()) {
          loop_wakes.Wait(mutex);
          continue;
        }
        const int64_t wait_ms =
            std::min(deadline_ms.value_or(now + kLongestWaitMs) - now, kLongestWaitMs);
        auto until = SteadyClock::now() + std::chrono::milliseconds(wait_ms);
        if (snapshot_due) until = std::min(until, published + kSnapshotAge);
        const bool notified = loop_wakes.WaitUntil(mutex, until);
        if (!notified) {
          // Also when nothing happens, so that a loop that stands still can be told from one that
          // has nothing to do.
          snapshot_due = false;
          mutex.Unlock();
          Publish();
          mutex.Lock();
        }
      }
      gate.Take(budget.next(), input, outcome);
    }

    const auto start = SteadyClock::now();
    input.now_ms = persisted_ms + clock.MonotonicMs() - started_ms;
    input.wall_ms = clock.WallMs();
    const size_t commands = input.commands.size();
    outcome.output = turn->Run(std::move(input));
    for (const std::string& warning : outcome.output.warnings) BERTH_LOG_WARN("{}", warning);
    more_work = outcome.output.more_work;
    deadline_ms = outcome.output.next_deadline_ms;
    ++turns;
    const double seconds = SecondsSince(start);
    turn_latency.Observe(seconds);
    budget.Note(outcome.output.work_units, outcome.output.command_work_units, commands, seconds);

    {
      base::MutexLock lock(mutex);
      gate.Pass(std::move(outcome));
      store_wakes.NotifyOne();
    }
    snapshot_due = true;
    if (SteadyClock::now() - published >= kSnapshotAge) {
      Publish();
      snapshot_due = false;
    }
  }
}

void Loop::Impl::Publish() {
  auto made = std::make_shared<LoopSnapshot>();
  LoopSnapshot& s = *made;
  const state::ClusterState& cluster = turn->state();
  const TurnCounters& counters = turn->counters();
  s.epoch = cluster.meta().epoch;
  s.term = cluster.meta().term;
  s.generation = cluster.meta().generation;
  s.published_monotonic_ms = clock.MonotonicMs();
  s.turns_total = turns;
  s.turn_latency = turn_latency;
  s.schedule_attempts_total[0] = counters.scheduled;
  s.schedule_attempts_total[1] = counters.unschedulable;
  s.schedule_attempts_total[2] = counters.scheduling_errors;
  s.plugin_errors_total.assign(counters.plugin_errors.begin(), counters.plugin_errors.end());
  s.placements_checked_total = counters.placements_checked;
  s.placements_wrong_total = counters.placements_wrong;
  s.jobs = cluster.jobs().size();
  s.tasks = cluster.task_counts();
  s.tasks_ended_total[0] = counters.succeeded;
  s.tasks_ended_total[1] = counters.failed;
  s.tasks_ended_total[2] = counters.cancelled;
  s.parked_shapes = cluster.parked_shapes();
  s.scored_shapes = turn->scored_shapes();
  s.nodes = static_cast<uint64_t>(cluster.nodes().live().Count());
  s.nodes_ready = static_cast<uint64_t>(cluster.nodes().ready().Count());
  s.nodes_cordoned = static_cast<uint64_t>(cluster.nodes().cordoned().Count());
  s.sessions = turn->sessions();
  s.heartbeats_total = counters.heartbeats;
  s.attempts_unknown_total = counters.attempts_unknown;
  s.attempts_lost_total = counters.attempts_lost;
  s.attempts_quarantined = cluster.quarantined();
  s.reconciled_total = counters.reconciled;
  for (ResourceIndex i = 0; i < cluster.nodes().resource_count(); ++i) {
    LoopSnapshot::ResourceTotals totals;
    totals.resource = state::ResourceName(cluster.nodes().names(), i);
    for (const int32_t amount : cluster.nodes().capacity(i)) totals.capacity += amount;
    for (const int32_t amount : cluster.nodes().allocated(i)) totals.allocated += amount;
    s.resources.push_back(std::move(totals));
  }
  for (const state::SharedResource& shared : cluster.nodes().shared_resources()) {
    if (!shared.is_configured) continue;
    LoopSnapshot::ClusterResourceTotals totals{.resource = shared.name};
    const std::span<const int32_t> nodes_in = cluster.nodes().topology().nodes_in(shared.key);
    const std::span<const int32_t> taken = cluster.nodes().counts(shared.counter);
    for (size_t domain = 0; domain < nodes_in.size(); ++domain) {
      if (nodes_in[domain] == 0) continue;
      totals.capacity += shared.capacity;
      totals.allocated += taken[domain];
      if (shared.capacity == 0) continue;
      totals.fullest =
          std::max(totals.fullest, static_cast<double>(taken[domain]) / shared.capacity);
    }
    s.cluster_resources.push_back(std::move(totals));
  }
  s.watchers = hub.size();
  {
    base::MutexLock lock(mutex);
    s.durable_epoch = stats.durable_epoch;
    s.commits_total = stats.commits;
    s.commit_bytes_total = stats.bytes;
    s.commit_records_total = stats.records;
    s.commit_latency = stats.latency;
    s.inbox_refused_total = gate.refused();
    s.commands_total = gate.taken();
    for (size_t i = 0; i < s.inbox_depth.size(); ++i) s.inbox_depth[i] = gate.depth(i);
  }
  published = SteadyClock::now();
  base::MutexLock lock(snapshot_mutex);
  snapshot = std::move(made);
}

// ---- the store thread ----

void Loop::Impl::RunStore() {
  CommitStep step(store, *link, hub, options.watch_history_epochs);
  for (;;) {
    Outcome outcome;
    {
      base::MutexLock lock(mutex);
      while (!gate.has_outcome() && !loop_done) store_wakes.Wait(mutex);
      if (!gate.has_outcome()) return;
      outcome = gate.TakeOutcome();
    }
    const auto start = SteadyClock::now();
    const auto on_durable = [&](const CommitStep::Written& written) {
      base::MutexLock lock(mutex);
      ++stats.commits;
      stats.bytes += written.bytes;
      stats.records += written.records;
      stats.durable_epoch = written.epoch;
      stats.latency.Observe(SecondsSince(start));
    };
    if (auto status = step.Run(outcome, on_durable); !status.ok()) {
      {
        base::MutexLock lock(mutex);
        gate.Fail();
        loop_wakes.NotifyAll();
      }
      on_fatal(status);
      return;
    }
    base::MutexLock lock(mutex);
    gate.Released();
    loop_wakes.NotifyOne();
  }
}

}  // namespace berth::scheduler
