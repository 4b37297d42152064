// What the loop publishes of itself, for metrics and health.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "berth/resources.h"
#include "scheduler/reconciled.h"
#include "scheduler/scored_shape_counts.h"
#include "state/commands.h"
#include "state/task_lifecycle.h"

namespace berth::scheduler {

// Counts of observations by upper bound, as Prometheus has them; bounds in seconds.
struct LatencyHistogram {
  // 2^i * 10 us for i in 0..19: 10 us to 5.2 s; the last counts the rest.
  static constexpr size_t kBuckets = 21;
  std::array<uint64_t, kBuckets> counts{};
  double sum_s = 0;

  static double Bound(size_t bucket);  // REQUIRES: bucket < kBuckets - 1
  void Observe(double seconds);
};

// Immutable once published. Counters count from the start of the process.
struct LoopSnapshot {
  uint64_t epoch = 0;  // last applied
  uint64_t durable_epoch = 0;
  uint64_t term = 0;
  uint32_t generation = 0;
  int64_t published_monotonic_ms = 0;

  uint64_t turns_total = 0;
  LatencyHistogram turn_latency;
  std::array<uint64_t, state::kCommandClasses> inbox_depth{};
  std::array<uint64_t, state::kCommandClasses> inbox_refused_total{};
  std::array<uint64_t, state::kCommandClasses> commands_total{};

  uint64_t schedule_attempts_total[3] = {};  // scheduled, unschedulable, error
  // One of the cluster's own resources, over all its domains.
  struct ClusterResourceTotals {
    std::string resource;
    int64_t capacity = 0;
    int64_t allocated = 0;
    double fullest = 0;  // what is taken of the fullest domain: 0 to 1, more after it was lowered
  };
  std::vector<ClusterResourceTotals> cluster_resources;
  std::vector<std::pair<std::string, uint64_t>> plugin_errors_total;  // by plugin
  uint64_t placements_checked_total = 0;
  uint64_t placements_wrong_total = 0;
  uint64_t jobs = 0;
  std::array<int64_t, state::kTaskStates> tasks{};  // by state, as kept
  uint64_t tasks_ended_total[3] = {};               // succeeded, failed, cancelled
  uint64_t parked_shapes = 0;
  std::vector<ScoredShapeCounts> scored_shapes;  // of profiles with a scorer outside

  uint64_t nodes = 0;
  uint64_t nodes_ready = 0;
  uint64_t nodes_cordoned = 0;
  uint64_t sessions = 0;
  uint64_t heartbeats_total = 0;
  uint64_t attempts_unknown_total = 0;
  uint64_t attempts_lost_total = 0;
  uint64_t attempts_quarantined = 0;
  ReconciledCounts reconciled_total{};
  struct ResourceTotals {
    std::string resource;
    int64_t capacity = 0;   // quanta
    int64_t allocated = 0;  // quanta
  };
  std::vector<ResourceTotals> resources;

  uint64_t commits_total = 0;
  uint64_t commit_bytes_total = 0;
  uint64_t commit_records_total = 0;
  LatencyHistogram commit_latency;
  uint64_t watchers = 0;
};

}  // namespace berth::scheduler
