// What a placement costs, against a scan over all nodes in the same run.
//
//   tools/bench.sh engine
//
// Steady state: each step places and binds one task and releases the oldest, on a cluster that a
// task for every second node is bound to. One JSON object a line on standard output; the keys are
// explained in docs/benchmarks.md.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/run_plugins.h"
#include "engine/shape_columns.h"
#include "plugins/common/exact_fraction.h"
#include "tests/bench/openb.h"
#include "tests/support/full_scan.h"
#include "tests/support/pipeline_harness.h"
#include "tests/support/scoped_plugins.h"

namespace berth::bench {
namespace {

using testing::FewNodes;
using testing::PipelineHarness;

struct Case {
  size_t nodes = 10'000;
  size_t shapes = 100;
  std::string scope = "node";
  std::string order = "runs";
  int churn_pct = 0;
  std::string devices = "none";
};

struct Bound {
  Slot slot = kNoSlot;
  const TaskRequirements* needs = nullptr;
  Reservation reservation;
};

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

constexpr size_t kDomains = 100;
pipeline::ProfileOptions OptionsOf(const std::string& scope) {
  pipeline::ProfileOptions options;
  if (scope == "domain") {
    options.filters.enabled = {"TopologySpread", "TaskAffinity"};
    options.scores.enabled = {{"TopologySpread", 2}, {"TaskAffinity", 2}};
  }
  if (scope == "sparse") options.scores.enabled = {{std::string(FewNodes::kName), 2}};
  return options;
}

// What a scalar scan takes into account of a node, besides whether it is ready and fits.
enum class Profile {
  kTwoScores,  // NodeResourcesFit and BalancedAllocation, and no other plugin
  kWhole,      // every plugin of the profile
};

// The profile's filters and scores for tasks without devices, in one pass, one node after the
// other: the tightest loop that a scheduler which scans would have. What is of domains is worked
// out once for each, and looked up. Nothing in the loop is a branch that depends on the node, so
// that none is mispredicted.
class ScalarScan {
 public:
  Slot operator()(const state::NodeTable& table, const TaskView& task, const std::string& scope,
                  Profile profile = Profile::kWhole) {
    FindEligible(table, task.needs, profile);
    if (profile == Profile::kTwoScores) return Scan<false, false, false>(table, task);
    if (scope == "domain") {
      FindDomainParts(table, task.needs);
      return Scan<true, true, false>(table, task);
    }
    if (scope != "sparse") return Scan<true, false, false>(table, task);
    few_.resize(table.size(), 0);
    for (size_t i = 0; i < FewNodes::kNodes; ++i) {
      few_[FewNodes::At(task, i, table.size())] = FewNodes::kScore;
    }
    const Slot chosen = Scan<true, false, true>(table, task);
    for (size_t i = 0; i < FewNodes::kNodes; ++i) few_[FewNodes::At(task, i, table.size())] = 0;
    return chosen;
  }

 private:
  // plugins::ScorePart of what fits: 0 <= part <= whole, 1 <= whole.
  [[gnu::always_inline]] static int32_t PartOf(int32_t part, int32_t whole, float inverse) {
    const float estimate = static_cast<float>(part) * (inverse * static_cast<float>(kMaxScore));
    return plugins::RoundedDown(estimate, static_cast<uint32_t>(part) << plugins::kMaxScoreBits,
                                whole);
  }

  template <bool kAll, bool kDomain, bool kFew>
  __attribute__((optimize("no-tree-vectorize"), noinline)) Slot Scan(const state::NodeTable& table,
                                                                     const TaskView& task) const {
    const TaskRequirements& needs = task.needs;
    const int32_t* cpu = table.capacity(kCpu).data();
    const int32_t* cpu_used = table.allocated(kCpu).data();
    const float* cpu_inverse = table.inverse_capacity(kCpu).data();
    const int32_t* memory = table.capacity(kMemory).data();
    const int32_t* memory_used = table.allocated(kMemory).data();
    const float* memory_inverse = table.inverse_capacity(kMemory).data();
    const int32_t* idle = table.idle_devices().data();
    const uint32_t* ranks = table.rank().data();
    const int32_t* domain = nullptr;
    if constexpr (kDomain) domain = table.domains(needs.terms[0].key).data();
    const int32_t cpu_asked = needs.requests[kCpu];
    const int32_t memory_asked = needs.requests[kMemory];
    // Total and, below it, how early the node's rank is; negative: it does not fit.
    int64_t best = -1;
    Slot chosen = kNoSlot;
    for (size_t w = 0; w < eligible_.size(); ++w) {
      uint64_t bits = eligible_[w];
      const size_t end = std::min<size_t>(w * 64 + 64, table.size());
      for (size_t i = w * 64; i < end; ++i, bits >>= 1) {
        const int32_t cpu_then = cpu_used[i] + cpu_asked;
        const int32_t memory_then = memory_used[i] + memory_asked;
        bool fits = (bits & 1) & static_cast<uint64_t>(cpu_then <= cpu[i]) &
                    static_cast<uint64_t>(memory_then <= memory[i]);
        const int32_t cpu_part = PartOf(cpu_then, cpu[i], cpu_inverse[i]);
        const int32_t memory_part = PartOf(memory_then, memory[i], memory_inverse[i]);
        int32_t fit = (2 * kMaxScore - cpu_part - memory_part) / 2;
        if constexpr (kAll) fit = std::max(0, fit - idle[i]);
        int32_t total = 2 * fit + kMaxScore - std::abs(cpu_part - memory_part);
        if constexpr (kAll) total += 3 * kMaxScore;
        if constexpr (kDomain) {
          const int32_t part = domain_parts_[static_cast<size_t>(domain[i])];
          fits &= part >= 0;
          total += part;
        }
        if constexpr (kFew) total += 2 * few_[i];
        const int64_t key = fits ? int64_t{total} << 32 | (UINT32_MAX - ranks[i]) : -1;
        chosen = key > best ? static_cast<Slot>(i) : chosen;
        best = std::max(key, best);
      }
    }
    return chosen;
  }

  // Readiness, cordon and taints are words of 64 nodes, as in the plugins.
  void FindEligible(const state::NodeTable& table, const TaskRequirements& needs, Profile profile) {
    eligible_.assign(table.live().words().begin(), table.live().words().end());
    if (profile == Profile::kTwoScores) return;
    for (size_t w = 0; w < eligible_.size(); ++w) {
      eligible_[w] &= table.ready().words()[w] & ~table.cordoned().words()[w];
    }
    for (uint32_t i = 0; i < table.taint_count(); ++i) {
      if (table.effect(TaintId{i}) == TaintEffect::kPreferNoSchedule) continue;
      if (table.Tolerates(needs.tolerations, TaintId{i})) continue;
      for (size_t w = 0; w < eligible_.size(); ++w) {
        eligible_[w] &= ~table.with_taint(TaintId{i}).words()[w];
      }
    }
  }

  // By domain, -1 where a rule forbids it. All domains have a node that is eligible.
  void FindDomainParts(const state::NodeTable& table, const TaskRequirements& needs) {
    const std::span<const int32_t> counts = table.counts(needs.terms[0].counter);
    const int32_t fewest = *std::min_element(counts.begin(), counts.end());
    domain_parts_.clear();
    for (const int32_t count : counts) {
      const bool fits = count + 1 - fewest <= needs.terms[0].max_skew;
      const int64_t more = std::max(0, count - fewest);
      const auto spread = static_cast<int32_t>(int64_t{kMaxScore} * needs.terms[1].max_skew /
                                               (needs.terms[1].max_skew + more));
      const auto together = static_cast<int32_t>(int64_t{kMaxScore} * count / (count + 1));
      domain_parts_.push_back(fits ? 2 * spread + 2 * together : -1);
    }
  }

  std::vector<uint64_t> eligible_;
  std::vector<int32_t> domain_parts_, few_;
};

class Run {
 public:
  Run(const Case& one, const std::string& data)
      : case_(one),
        harness_(OptionsOf(one.scope), /*seed=*/1, testing::RegisterScopedPlugins),
        engine_(harness_.cluster.table()) {
    for (const state::NodeSpec& node : OpenbNodes(data, one.nodes, kDomains)) {
      harness_.cluster.Add(node);
    }
    const auto shapes =
        one.devices == "openb" ? DeviceShapes(data, one.shapes) : CpuShapes(one.shapes);
    for (const state::NeedsSpec& needs : shapes) {
      shapes_.push_back(harness_.cluster.Needs(needs));
      if (one.scope == "domain") AddTerms(shapes_.back());
      needs_.push_back(&shapes_.back());
    }
    ring_.resize(std::max<size_t>(one.nodes / 2, 1));
    for (Bound& place : ring_) Bind(place, NextShape());
    // Whoever comes first pays for nobody else: every shape has been used, in the order measured.
    for (size_t i = 0; i < 2 * one.shapes * (one.order == "runs" ? 100 : 2) && i < 20'000; ++i) {
      Step();
    }
  }

  // Nanoseconds a step, by the engine.
  double MeasureEngine(double seconds) {
    const auto start = std::chrono::steady_clock::now();
    int64_t steps = 0;
    double elapsed = 0;
    // Whole rounds over all shapes, so that each pays its share.
    const size_t round = case_.shapes * (case_.order == "runs" ? 100 : 1);
    do {
      for (size_t i = 0; i < round; ++i) Step();
      steps += static_cast<int64_t>(round);
      elapsed = SecondsSince(start);
    } while (elapsed < seconds);
    return elapsed * 1e9 / static_cast<double>(steps);
  }

  double MeasureScalar(double seconds, Profile profile) {
    return MeasureScan(
        seconds, [&](size_t shape) { scalar_(table(), TaskOf(shape), case_.scope, profile); });
  }

  // The plugins' own vector kernels over all nodes, a thousand at a time, with what they say of
  // static columns kept.
  double MeasureVector(double seconds) {
    const engine::PluginSet& set = harness_.profile().placing();
    engine::ColumnScratch scratch;
    std::vector<std::unique_ptr<engine::ShapeColumns>> columns;
    for (const TaskRequirements* needs : needs_) {
      columns.push_back(std::make_unique<engine::ShapeColumns>(set, *needs));
      const auto layout = [&](const std::vector<DomainKey>& keys) {
        return std::make_shared<const engine::CellLayout>(table(), keys);
      };
      BERTH_CHECK(columns.back()->SetStatic({*needs, {}}, table(), layout, scratch).ok());
    }
    return MeasureScan(seconds, [&](size_t shape) {
      engine::ShapeColumns& one = *columns[shape];
      engine::Choice choice;
      BERTH_CHECK(one.Rebuild(TaskOf(shape), table(), scratch).ok());
      BERTH_CHECK(one.Choose(TaskOf(shape), table(), scratch, choice).ok());
    });
  }

  // Engine, scan and, where it applies, the scalar loop choose the same node.
  void Verify() {
    for (int i = 0; i < 50; ++i) {
      const size_t shape = NextShape();
      const TaskView task = TaskOf(shape);
      const auto oracle = testing::PlaceByFullScan(harness_.profile().placing(), task, table());
      const auto placed = engine_.Place(harness_.profile().placing(), {Id(shape), 1}, task);
      BERTH_CHECK(oracle.ok() && placed.ok());
      BERTH_CHECK(oracle->slot == placed->slot && oracle->total == placed->total &&
                  oracle->reservation == placed->reservation)
          << "the engine and the oracle differ";
      if (case_.devices == "none") {
        BERTH_CHECK(scalar_(table(), task, case_.scope) == oracle->slot)
            << "the scalar loop and the oracle differ";
      }
      Step();
    }
  }

  size_t BytesPerShape() const { return engine_.bytes() / std::max<size_t>(engine_.shapes(), 1); }
  int64_t unplaced() const { return unplaced_; }
  const engine::Engine& engine() const { return engine_; }

 private:
  state::NodeTable& table() { return harness_.cluster.table(); }
  static state::ShapeId Id(size_t shape) { return static_cast<state::ShapeId>(shape); }

  // Its own tasks evenly over racks, at most twenty more than in the emptiest, and rather with each
  // other.
  void AddTerms(TaskRequirements& needs) {
    const KeyId rack = table().InternKey("rack");
    const CounterId own = table().AddCounter(rack);
    needs.terms = {{.kind = TermKind::kSpread,
                    .key = rack,
                    .counter = own,
                    .max_skew = 20,
                    .counts_itself = true},
                   {.kind = TermKind::kSpread,
                    .key = rack,
                    .counter = own,
                    .weight = 1,
                    .max_skew = 4,
                    .counts_itself = true},
                   {.kind = TermKind::kAffinity,
                    .key = rack,
                    .counter = own,
                    .weight = 1,
                    .counts_itself = true}};
    needs.counted_in = {own};
  }

  // Each task is another one.
  TaskView TaskOf(size_t shape) {
    return {*needs_[shape], {.job = {}, .group = 0, .position = ++tasks_}};
  }

  size_t NextShape() {
    const size_t i = next_++;
    return (case_.order == "runs" ? i / 100 : i) % case_.shapes;
  }

  void Bind(Bound& place, size_t shape) {
    auto placement =
        engine_.Place(harness_.profile().placing(), {Id(shape), 1}, {*needs_[shape], {}});
    BERTH_CHECK(placement.ok()) << base::S(placement.status().message());
    place = {placement->slot, needs_[shape], std::move(placement->reservation)};
    if (place.slot == kNoSlot) {
      ++unplaced_;
    } else {
      table().Allocate(place.slot, *place.needs, place.reservation);
    }
  }

  void Step() {
    Bound& place = ring_[oldest_];
    oldest_ = (oldest_ + 1) % ring_.size();
    if (place.slot != kNoSlot) table().Release(place.slot, *place.needs, place.reservation);
    if (case_.churn_pct > 0 && ++since_churn_ * case_.churn_pct >= 100) {
      since_churn_ = 0;
      Churn();
    }
    Bind(place, NextShape());
  }

  // One node more is cordoned, and the one of a hundred changes ago opened again.
  void Churn() {
    const auto node = static_cast<Slot>((churned_ * 7919) % case_.nodes);
    table().SetCordoned(node, true);
    if (churned_ >= 100) {
      table().SetCordoned(static_cast<Slot>(((churned_ - 100) * 7919) % case_.nodes), false);
    }
    ++churned_;
  }

  double MeasureScan(double seconds, const std::function<void(size_t)>& scan) {
    const auto start = std::chrono::steady_clock::now();
    int64_t steps = 0;
    double elapsed = 0;
    do {
      // State changes between scans, as it does between placements.
      scan(static_cast<size_t>(steps) % case_.shapes);
      Bound& place = ring_[oldest_];
      oldest_ = (oldest_ + 1) % ring_.size();
      if (place.slot != kNoSlot) {
        table().Release(place.slot, *place.needs, place.reservation);
        table().Allocate(place.slot, *place.needs, place.reservation);
      }
      ++steps;
      elapsed = SecondsSince(start);
    } while (elapsed < seconds);
    return elapsed * 1e9 / static_cast<double>(steps);
  }

  const Case case_;
  PipelineHarness harness_;
  engine::Engine engine_;
  ScalarScan scalar_;
  std::deque<TaskRequirements> shapes_;
  std::vector<const TaskRequirements*> needs_;
  uint32_t tasks_ = 0;
  std::vector<Bound> ring_;
  size_t oldest_ = 0;
  size_t next_ = 0;
  int since_churn_ = 0;
  uint64_t churned_ = 0;
  int64_t unplaced_ = 0;
};

struct Wanted {
  std::vector<size_t> nodes{1000, 10'000, 100'000};
  std::vector<size_t> shapes{1, 100, 1000};
  std::vector<std::string> scopes{"node", "domain", "sparse"};
  std::vector<std::string> orders{"runs", "round_robin"};
  std::vector<int> churn{0, 1};
  std::vector<std::string> devices{"none", "openb"};
  double seconds = 0.5;
  std::string data = "tests/data/traces/openb";
  bool counters = false;
};

void RunCase(const Case& one, const Wanted& wanted) {
  Run run(one, wanted.data);
  run.Verify();
  const double vector_ns = run.MeasureVector(wanted.seconds / 4);
  const bool has_scalar = one.devices == "none";
  const auto scalar = [&](Profile profile) {
    return has_scalar ? run.MeasureScalar(wanted.seconds / 4, profile) : 0;
  };
  const double scalar_ns = scalar(Profile::kWhole);
  const double two_scores_ns = scalar(Profile::kTwoScores);
  run.MeasureEngine(0);
  const auto before = run.engine().counters();
  const double ns = run.MeasureEngine(wanted.seconds);
  std::printf(
      "{\"bench\": \"engine\", \"nodes\": %zu, \"shapes\": %zu, \"scope\": \"%s\", \"order\": "
      "\"%s\", \"churn_pct\": %d, \"devices\": \"%s\", \"placements_per_s\": %.0f, "
      "\"ns_per_placement\": %.1f, \"oracle_ratio\": %.1f, \"vector_ratio\": %.1f, "
      "\"bytes_per_shape\": %zu, \"scalar_ns_per_node\": %.2f, \"scalar_two_scores_ns_per_node\": "
      "%.2f, \"vector_ns_per_node\": %.2f}\n",
      one.nodes, one.shapes, one.scope.c_str(), one.order.c_str(), one.churn_pct,
      one.devices.c_str(), 1e9 / ns, ns, scalar_ns / ns, vector_ns / ns, run.BytesPerShape(),
      scalar_ns / static_cast<double>(one.nodes), two_scores_ns / static_cast<double>(one.nodes),
      vector_ns / static_cast<double>(one.nodes));
  std::fflush(stdout);
  if (wanted.counters) {
    const auto after = run.engine().counters();
    std::fprintf(stderr, "  updates %ld of %ld slots, rebuilds %ld, unplaced %ld\n",
                 after.updates - before.updates, after.updated - before.updated,
                 after.rebuilds - before.rebuilds, run.unplaced());
  }
}

// "--nodes=1000,10000": what a list is narrowed to.
std::vector<std::string> ListOf(const char* text) {
  std::vector<std::string> items(1);
  for (; *text != 0; ++text) {
    if (*text == ',') {
      items.emplace_back();
    } else {
      items.back() += *text;
    }
  }
  return items;
}

int Main(int argc, char** argv) {
  Wanted wanted;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const std::vector<std::string> items =
        ListOf(equals == std::string::npos ? "" : argument.c_str() + equals + 1);
    const auto numbers = [&](auto& out) {
      out.clear();
      for (const std::string& item : items) {
        out.push_back(
            static_cast<typename std::decay_t<decltype(out)>::value_type>(std::stoul(item)));
      }
    };
    if (name == "--nodes") {
      numbers(wanted.nodes);
    } else if (name == "--shapes") {
      numbers(wanted.shapes);
    } else if (name == "--churn") {
      numbers(wanted.churn);
    } else if (name == "--scope") {
      wanted.scopes = items;
    } else if (name == "--order") {
      wanted.orders = items;
    } else if (name == "--devices") {
      wanted.devices = items;
    } else if (name == "--seconds") {
      wanted.seconds = std::stod(items[0]);
    } else if (name == "--data") {
      wanted.data = items[0];
    } else if (name == "--counters") {
      wanted.counters = true;
    } else {
      std::fprintf(stderr,
                   "engine_bench: unknown argument '%s'; there are --nodes=, --shapes=, --scope=, "
                   "--order=, --churn=, --devices=, --seconds=, --data= and --counters\n",
                   argument.c_str());
      return 2;
    }
  }
  for (const std::string& devices : wanted.devices) {
    for (const size_t nodes : wanted.nodes) {
      for (const size_t shapes : wanted.shapes) {
        for (const std::string& scope : wanted.scopes) {
          for (const std::string& order : wanted.orders) {
            for (const int churn : wanted.churn) {
              RunCase({nodes, shapes, scope, order, churn, devices}, wanted);
            }
          }
        }
      }
    }
  }
  return 0;
}

}  // namespace
}  // namespace berth::bench

int main(int argc, char** argv) { return berth::bench::Main(argc, argv); }
