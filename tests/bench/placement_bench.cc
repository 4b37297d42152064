// What one placement by full scan costs, per number of nodes.
//
//   tools/bench.sh placement
//
// Steady state: each step places and binds one task and releases the oldest, on a cluster about
// half full. "scalar" is the textbook loop over nodes with the same filters and scores for cpu and
// memory alone, as a yardstick.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/rng.h"
#include "tests/support/pipeline_harness.h"

namespace berth {
namespace {

using testing::NodeBuilder;
using testing::PipelineHarness;
using testing::TaskBuilder;

// Four sizes of machines; every fourth has eight GPUs, and is tainted so that CPU tasks leave it
// be.
void AddNodes(PipelineHarness& harness, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    NodeBuilder node("n" + std::to_string(i));
    node.Cpu(16 << (i % 4 / 2)).Memory(i % 2 == 0 ? "64Gi" : "128Gi");
    node.Label("zone", std::string(1, static_cast<char>('a' + i % 8)));
    if (i % 4 == 3) node.Gpus(8).Linked({0, 1, 2, 3}).Linked({4, 5, 6, 7}).Taint("gpu", "true");
    harness.cluster.Add(node);
  }
}

std::vector<TaskBuilder> CpuTasks(int count) {
  base::Rng rng(3);
  std::vector<TaskBuilder> tasks;
  for (int i = 0; i < count; ++i) {
    tasks.push_back(TaskBuilder()
                        .CpuMilli(static_cast<int32_t>(250 * (1 + rng.Uniform(16))))
                        .MemoryMib(static_cast<int32_t>(256 * (1 + rng.Uniform(64)))));
  }
  return tasks;
}

std::vector<TaskBuilder> GpuTasks() {
  return {TaskBuilder().Cpu(1).Memory("4Gi").Gpus(1).Tolerates("gpu"),
          TaskBuilder().Cpu(1).Memory("4Gi").Gpus(2).Tolerates("gpu"),
          TaskBuilder().Cpu(1).Memory("4Gi").GpuShare(300, "4Gi").Tolerates("gpu")};
}

std::vector<TaskBuilder> PickyTasks() {
  return {TaskBuilder()
              .Cpu(1)
              .Memory("1Gi")
              .Requires({testing::In("zone", {"a", "b"})})
              .Prefers(10, {testing::In("zone", {"b"})}),
          TaskBuilder()
              .Cpu(2)
              .Memory("2Gi")
              .Requires({testing::NotIn("zone", {"c"})})
              .Prefers(1, {testing::Exists("zone")})};
}

struct Bound {
  Slot slot;
  const TaskRequirements* needs;
  Reservation reservation;
};

// Binds a task for every second node, but at most so many that setting up stays quick; then
// measures place, bind, release.
void PlaceAndRelease(benchmark::State& state, const std::vector<TaskBuilder>& tasks) {
  PipelineHarness harness;
  AddNodes(harness, state.range(0));
  std::vector<const TaskRequirements*> needs;
  for (const TaskBuilder& task : tasks) needs.push_back(&harness.cluster.Needs(task));

  std::vector<Bound> ring(static_cast<size_t>(std::clamp<int64_t>(state.range(0) / 2, 1, 5000)));
  size_t next = 0;
  const auto step = [&](Bound& place) {
    const TaskRequirements& task = *needs[next++ % needs.size()];
    pipeline::Placement placement = harness.Place(task);
    place = {placement.slot, &task, std::move(placement.reservation)};
    if (place.slot != kNoSlot) {
      harness.cluster.table().Allocate(place.slot, task, place.reservation);
    }
  };
  for (Bound& place : ring) step(place);
  size_t oldest = 0;
  int64_t unplaced = 0;
  for (auto _ : state) {
    Bound& place = ring[oldest];
    oldest = (oldest + 1) % ring.size();
    if (place.slot != kNoSlot) {
      harness.cluster.table().Release(place.slot, *place.needs, place.reservation);
    }
    step(place);
    unplaced += place.slot == kNoSlot;
  }
  state.counters["placements/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
  state.counters["unplaced"] = static_cast<double>(unplaced);
}

void CpuTask(benchmark::State& state) { PlaceAndRelease(state, CpuTasks(100)); }
void GpuTask(benchmark::State& state) { PlaceAndRelease(state, GpuTasks()); }
void PickyTask(benchmark::State& state) { PlaceAndRelease(state, PickyTasks()); }

// The loop that one would write first: one node after the other, integers, a division per resource.
void Scalar(benchmark::State& state) {
  PipelineHarness harness;
  AddNodes(harness, state.range(0));
  const TaskRequirements& needs = harness.cluster.Needs(TaskBuilder().Cpu(1).Memory("1Gi"));
  const state::NodeTable& table = harness.cluster.table();
  for (auto _ : state) {
    int64_t best = -1;
    Slot chosen = kNoSlot;
    for (Slot slot = 0; slot < table.size(); ++slot) {
      if (!table.ready().Test(slot) || table.cordoned().Test(slot)) continue;
      bool fits = true;
      int64_t spread = 0;
      int64_t least = kMaxScore, most = 0;
      for (ResourceIndex r : {kCpu, kMemory}) {
        const int64_t capacity = table.capacity(r)[slot];
        const int64_t used = table.allocated(r)[slot] + needs.requests[r];
        fits = fits && used <= capacity;
        spread += (capacity - used) * (kMaxScore / 2) / capacity;
        const int64_t part = used * kMaxScore / capacity;
        least = std::min(least, part);
        most = std::max(most, part);
      }
      if (!fits) continue;
      const int64_t total = 2 * spread + (kMaxScore - (most - least));
      if (total > best || (total == best && table.rank()[slot] < table.rank()[chosen])) {
        best = total;
        chosen = slot;
      }
    }
    benchmark::DoNotOptimize(chosen);
  }
  state.counters["placements/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

// A task that never fits: every filter, every diagnosis, all suggestions.
void ExplainNever(benchmark::State& state) {
  PipelineHarness harness;
  AddNodes(harness, state.range(0));
  const TaskRequirements& needs = harness.cluster.Needs(TaskBuilder().Cpu(1).Memory("500Gi"));
  for (auto _ : state) benchmark::DoNotOptimize(harness.Explain(needs));
}

BENCHMARK(Scalar)->Arg(1000)->Arg(10'000)->Arg(100'000);
BENCHMARK(CpuTask)->Arg(1000)->Arg(10'000)->Arg(100'000);
BENCHMARK(GpuTask)->Arg(1000)->Arg(10'000);
BENCHMARK(PickyTask)->Arg(1000)->Arg(10'000);
BENCHMARK(ExplainNever)->Arg(1000)->Arg(10'000);

}  // namespace
}  // namespace berth

BENCHMARK_MAIN();
