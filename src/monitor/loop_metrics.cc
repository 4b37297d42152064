#include "monitor/loop_metrics.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "berth/resources.h"
#include "observe/families.h"
#include "state/task_lifecycle.h"

namespace berth::monitor {
namespace {

using observe::ByLabel;
using observe::CounterFamily;
using observe::GaugeFamily;
using observe::HistogramFamily;
using prometheus::MetricFamily;
using scheduler::LatencyHistogram;
using scheduler::LoopSnapshot;

constexpr std::array<const char*, state::kCommandClasses> kClassNames = {"agents", "operators",
                                                                         "submissions"};
constexpr std::array<const char*, 3> kResultNames = {"scheduled", "unschedulable", "error"};
constexpr std::array<const char*, 3> kEndNames = {"succeeded", "failed", "cancelled"};

// How a resource is shown: the quantum in the metric's unit.
struct Unit {
  std::string_view resource;
  std::string_view name;  // "memory" of berth_memory_capacity_bytes
  std::string_view unit;
  double quantum;
};
constexpr std::array kUnits = {
    Unit{"cpu", "cpu", "cores", 1e-3},
    Unit{"memory", "memory", "bytes", double{kMemoryQuantumBytes}},
    Unit{"storage", "storage", "bytes", double{kStorageQuantumBytes}},
    Unit{"bandwidth", "bandwidth", "bytes_per_second", double{kBandwidthQuantumBitsPerSecond} / 8}};

template <typename Names, typename Values>
ByLabel Zip(const Names& names, const Values& values) {
  ByLabel pairs;
  for (size_t i = 0; i < names.size(); ++i) {
    pairs.emplace_back(names[i], static_cast<double>(values[i]));
  }
  return pairs;
}

MetricFamily Durations(std::string name, std::string help, const LatencyHistogram& durations) {
  std::array<double, LatencyHistogram::kBuckets - 1> bounds;
  for (size_t i = 0; i < bounds.size(); ++i) bounds[i] = LatencyHistogram::Bound(i);
  return HistogramFamily(std::move(name), std::move(help), durations.counts, bounds,
                         durations.sum_s);
}

class Page {
 public:
  void Counter(std::string name, std::string help, uint64_t value) {
    families_.push_back(
        CounterFamily(std::move(name), std::move(help), static_cast<double>(value)));
  }
  void Gauge(std::string name, std::string help, double value) {
    families_.push_back(GaugeFamily(std::move(name), std::move(help), value));
  }
  void Add(MetricFamily family) { families_.push_back(std::move(family)); }
  std::vector<MetricFamily> Take() { return std::move(families_); }

 private:
  std::vector<MetricFamily> families_;
};

void AddLoop(const LoopSnapshot& loop, double age_s, Page& page) {
  page.Gauge("berth_loop_applied_epoch", "Last epoch that the loop has applied.",
             static_cast<double>(loop.epoch));
  page.Gauge("berth_loop_durable_epoch", "Last epoch that is on disk.",
             static_cast<double>(loop.durable_epoch));
  page.Gauge("berth_loop_leader_term", "Leader term; rises at each start of berthd.",
             static_cast<double>(loop.term));
  page.Gauge("berth_loop_restore_generation", "Restore generation of the cluster.",
             static_cast<double>(loop.generation));
  page.Gauge("berth_loop_snapshot_age_seconds",
             "Time since the loop published what this page shows.", age_s);
  page.Counter("berth_loop_turns_total", "Turns of the loop.", loop.turns_total);
  page.Add(Durations("berth_loop_turn_duration_seconds", "Time that a turn of the loop takes.",
                     loop.turn_latency));
  page.Add(GaugeFamily("berth_inbox_commands", "Commands that wait for the loop, by class.",
                       "class", Zip(kClassNames, loop.inbox_depth)));
  page.Add(CounterFamily("berth_commands_total", "Commands that the loop has taken, by class.",
                         "class", Zip(kClassNames, loop.commands_total)));
  page.Add(CounterFamily("berth_commands_refused_total",
                         "Commands refused because the inbox was full, by class.", "class",
                         Zip(kClassNames, loop.inbox_refused_total)));
}

void AddScheduling(const LoopSnapshot& loop, Page& page) {
  page.Add(CounterFamily("berth_schedule_attempts_total",
                         "Attempts to place a task, by what came of them.", "result",
                         Zip(kResultNames, std::to_array(loop.schedule_attempts_total))));
  ByLabel errors;
  for (const auto& [plugin, count] : loop.plugin_errors_total) {
    errors.emplace_back(plugin, static_cast<double>(count));
  }
  page.Add(CounterFamily("berth_plugin_errors_total",
                         "Attempts to place a task that a plugin could not answer, by plugin.",
                         "plugin", errors));
  page.Counter("berth_placements_checked_total",
               "Placements that were held against a look at every node (checkPlacements).",
               loop.placements_checked_total);
  page.Counter("berth_placements_wrong_total",
               "Of those, the ones that were wrong: a plugin depends on more than it declares.",
               loop.placements_wrong_total);
  page.Gauge("berth_parked_shapes", "Sorts of tasks that wait until a node can take them.",
             static_cast<double>(loop.parked_shapes));
}

void AddScoredShapes(const LoopSnapshot& loop, Page& page) {
  if (loop.scored_shapes.empty()) return;
  ByLabel scored, stale, unscored;
  for (const scheduler::ScoredShapeCounts& counts : loop.scored_shapes) {
    scored.emplace_back(counts.profile, static_cast<double>(counts.scored));
    stale.emplace_back(counts.profile, static_cast<double>(counts.stale));
    unscored.emplace_back(counts.profile, static_cast<double>(counts.unscored));
  }
  page.Add(GaugeFamily("berth_scorer_shapes_scored",
                       "Sorts of tasks that have scores from outside, by profile.", "profile",
                       scored));
  page.Add(GaugeFamily("berth_scorer_shapes_stale",
                       "Sorts of tasks whose scores from outside are stale, by profile.", "profile",
                       stale));
  page.Add(GaugeFamily("berth_scorer_shapes_unscored",
                       "Sorts of tasks that have no scores from outside yet, by profile.",
                       "profile", unscored));
}

void AddTasks(const LoopSnapshot& loop, Page& page) {
  page.Gauge("berth_jobs", "Jobs that are kept, ended ones included.",
             static_cast<double>(loop.jobs));
  ByLabel tasks;
  for (int state = 1; state < state::kTaskStates; ++state) {
    const auto as_state = static_cast<state::TaskState>(state);
    tasks.emplace_back(state::ToString(as_state),
                       static_cast<double>(loop.tasks[static_cast<size_t>(state)]));
  }
  page.Add(GaugeFamily("berth_tasks", "Tasks that are kept, by state.", "state", tasks));
  page.Add(CounterFamily("berth_tasks_ended_total", "Tasks that have ended, by how.", "state",
                         Zip(kEndNames, std::to_array(loop.tasks_ended_total))));
}

void AddNodes(const LoopSnapshot& loop, Page& page) {
  page.Gauge("berth_nodes", "Nodes of the cluster.", static_cast<double>(loop.nodes));
  page.Gauge("berth_nodes_ready", "Nodes that may get tasks: connected and heard from.",
             static_cast<double>(loop.nodes_ready));
  page.Gauge("berth_nodes_cordoned", "Nodes that take no new tasks.",
             static_cast<double>(loop.nodes_cordoned));
  page.Gauge("berth_agent_sessions", "Connected agents.", static_cast<double>(loop.sessions));
  page.Counter("berth_agent_heartbeats_total", "Heartbeats of agents.", loop.heartbeats_total);
  page.Counter(
      "berth_attempts_lost_total",
      "Attempts given up because their node was not heard from: for lostAfter, or until it "
      "had ended them by itself.",
      loop.attempts_lost_total);
  page.Counter("berth_attempts_unknown_total",
               "Attempts that agents have and that belong to no job known here.",
               loop.attempts_unknown_total);
  page.Gauge("berth_attempts_quarantined",
             "Attempts that run on connected nodes and are not known here, after a restore.",
             static_cast<double>(loop.attempts_quarantined));
  ByLabel reconciled;
  for (size_t i = 0; i < loop.reconciled_total.size(); ++i) {
    reconciled.emplace_back(ToString(static_cast<scheduler::Reconciled>(i)),
                            static_cast<double>(loop.reconciled_total[i]));
  }
  page.Add(CounterFamily("berth_reconciled_attempts_total",
                         "Attempts of agents that connected, by what became of them.", "outcome",
                         reconciled));
}

void AddClusterResources(const LoopSnapshot& loop, Page& page) {
  if (loop.cluster_resources.empty()) return;
  ByLabel capacity, allocated, fullest;
  for (const LoopSnapshot::ClusterResourceTotals& totals : loop.cluster_resources) {
    capacity.emplace_back(totals.resource, static_cast<double>(totals.capacity));
    allocated.emplace_back(totals.resource, static_cast<double>(totals.allocated));
    fullest.emplace_back(totals.resource, totals.fullest);
  }
  page.Add(GaugeFamily("berth_cluster_resource_capacity",
                       "How much there is of a resource that belongs to no node, in all domains "
                       "that have nodes.",
                       "resource", capacity));
  page.Add(GaugeFamily("berth_cluster_resource_allocated",
                       "What tasks hold of a resource that belongs to no node.", "resource",
                       allocated));
  page.Add(GaugeFamily("berth_cluster_resource_fullest_ratio",
                       "What tasks hold of a resource that belongs to no node in its fullest "
                       "domain, as a part of what is there.",
                       "resource", fullest));
}

void AddResources(const LoopSnapshot& loop, Page& page) {
  ByLabel extended_capacity;
  ByLabel extended_allocated;
  for (const LoopSnapshot::ResourceTotals& totals : loop.resources) {
    const auto capacity = static_cast<double>(totals.capacity);
    const auto allocated = static_cast<double>(totals.allocated);
    bool built_in = false;
    for (const Unit& unit : kUnits) {
      if (unit.resource != totals.resource) continue;
      built_in = true;
      const std::string name = "berth_" + std::string(unit.name);
      const std::string what(unit.name);
      page.Gauge((name + "_capacity_").append(unit.unit), "All nodes' " + what + " for tasks.",
                 capacity * unit.quantum);
      page.Gauge((name + "_allocated_").append(unit.unit),
                 "What tasks hold of all nodes' " + what + ".", allocated * unit.quantum);
    }
    if (!built_in) {
      extended_capacity.emplace_back(totals.resource, capacity);
      extended_allocated.emplace_back(totals.resource, allocated);
    }
  }
  if (extended_capacity.empty()) return;
  page.Add(GaugeFamily("berth_extended_resource_capacity",
                       "All nodes' amount of a resource that nodes declare by name.", "resource",
                       extended_capacity));
  page.Add(GaugeFamily("berth_extended_resource_allocated",
                       "What tasks hold of a resource that nodes declare by name.", "resource",
                       extended_allocated));
}

void AddCommits(const LoopSnapshot& loop, Page& page) {
  page.Counter("berth_store_commits_total", "Batches committed to the store.", loop.commits_total);
  page.Counter("berth_store_committed_bytes_total", "Bytes of keys and values committed.",
               loop.commit_bytes_total);
  page.Counter("berth_store_committed_records_total", "Records written or deleted.",
               loop.commit_records_total);
  page.Add(Durations("berth_store_commit_duration_seconds",
                     "Time until a batch is on disk, its encoding included.", loop.commit_latency));
  page.Gauge("berth_watches", "Clients that watch for changes.",
             static_cast<double>(loop.watchers));
}

}  // namespace

LoopMetrics::LoopMetrics(SnapshotSource source, const base::Clock& clock)
    : source_(std::move(source)), clock_(clock) {}

std::vector<MetricFamily> LoopMetrics::Collect() const {
  const auto loop = source_();
  if (loop == nullptr) return {};
  const auto age_ms = static_cast<double>(clock_.MonotonicMs() - loop->published_monotonic_ms);
  Page page;
  AddLoop(*loop, age_ms / 1e3, page);
  AddScheduling(*loop, page);
  AddScoredShapes(*loop, page);
  AddTasks(*loop, page);
  AddNodes(*loop, page);
  AddResources(*loop, page);
  AddClusterResources(*loop, page);
  AddCommits(*loop, page);
  return page.Take();
}

}  // namespace berth::monitor
