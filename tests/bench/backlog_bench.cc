// What a million tasks that fit nowhere cost: a turn of the loop while they wait, and their memory.
//
//   tools/bench.sh engine
//
// The loop's own state machine, without a store and without a network: 10,000 nodes of which each
// is full but for one CPU, and tasks of a hundred shapes that need more. One JSON object on
// standard output; the keys are explained in docs/benchmarks.md.
#include <malloc.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/sha256.h"
#include "tests/support/turn_harness.h"

namespace berth::bench {
namespace {

using scheduler::Operator;
using scheduler::TurnHarness;

constexpr int kNodes = 10'000;
constexpr int kShapes = 100;
constexpr int kParked = 1'000'000;
constexpr int kChangedPercent = 1;

std::string NodeName(int i) { return "n" + std::to_string(i); }

int64_t HeapBytes() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<int64_t>(info.uordblks + info.hblkhd);
}

class Backlog {
 public:
  Backlog() {
    harness_.work_units = INT64_MAX;
    for (int i = 0; i < kNodes; ++i) {
      harness_.Connect(NodeName(i), /*cpu_milli=*/16'000, /*memory_mib=*/64 << 10);
      Forget();
    }
    // Each node is full but for one CPU.
    harness_.SubmitOk({.tasks = kNodes, .cpu_milli = 15'000, .memory_mib = 1024});
    Forget();
    BERTH_CHECK(Count(state::TaskState::kBound) == kNodes);
  }

  // Individual jobs, as people submit them: each with a name, a label and a script of its own.
  void SubmitEach(int jobs) {
    std::vector<state::Command> commands;
    for (int i = 0; i < jobs; ++i) {
      commands.push_back({.principal = Operator(), .token = 0, .body = Job(i, /*tasks=*/1)});
      if (commands.size() == 1000) {
        harness_.Run(std::exchange(commands, {}));
        Forget();
      }
    }
    harness_.Run(std::move(commands));
    Forget();
  }
  void SubmitArrays(int arrays, int tasks) {
    for (int i = 0; i < arrays; ++i) {
      std::vector<state::Command> commands;
      commands.push_back({.principal = Operator(), .token = 0, .body = Job(i, tasks)});
      harness_.Run(std::move(commands));
      Forget();
    }
  }

  int64_t Count(state::TaskState state) {
    return harness_.turn().state().task_counts()[static_cast<size_t>(state)];
  }
  size_t parked_shapes() { return harness_.turn().queue().parked_shapes(); }

  // Microseconds of a turn in which nothing happens.
  double IdleTurn(int turns) {
    return Measure(turns, [](int) { return std::vector<state::Command>(); });
  }

  // Microseconds of a turn with the changes of a second: so many nodes are opened that were
  // cordoned the turn before, and as many others are cordoned. What becomes free suffices for
  // nobody.
  double ChangingTurn(int turns) {
    constexpr int kChanged = kNodes * kChangedPercent / 100 / 2;
    const auto cordon = [](int node, bool cordoned) {
      return state::Command{.principal = Operator(),
                            .token = 0,
                            .body = state::SetCordon{NodeName(node % kNodes), cordoned}};
    };
    return Measure(turns, [&](int turn) {
      std::vector<state::Command> commands;
      for (int i = 0; i < kChanged; ++i) {
        if (turn > 0) commands.push_back(cordon((turn - 1) * kChanged + i, false));
        commands.push_back(cordon(turn * kChanged + i, true));
      }
      return commands;
    });
  }

 private:
  state::SubmitJob Job(int i, int tasks) {
    auto spec = std::make_shared<state::JobSpec>();
    spec->ns = "team-" + std::to_string(i % 20);
    spec->name = "experiment-" + std::to_string(i);
    spec->queue = "default";
    spec->profile = "default";
    spec->labels = {{"sweep", std::to_string(i / 1000)}};
    spec->blob = base::Sha256Of(std::to_string(++blobs_));
    spec->groups.resize(1);
    spec->groups[0].ranges = {{0, static_cast<uint32_t>(tasks - 1), 1}};
    spec->groups[0].in_array = tasks > 1;
    spec->groups[0].needs.Edit().requests.builtin = {2000 + 10 * (i % kShapes), 4096, 0, 0};
    state::SubmitJob submit;
    submit.spec = std::move(spec);
    submit.blob = std::make_shared<const std::string>("content");
    submit.run_as = {.verified = true, .uid = 1000, .gid = 1000};
    return submit;
  }

  template <typename F>
  double Measure(int turns, F&& commands_of) {
    double seconds = 0;
    for (int turn = 0; turn < turns; ++turn) {
      std::vector<state::Command> commands = commands_of(turn);
      harness_.now_ms += 1;
      const auto start = std::chrono::steady_clock::now();
      harness_.Run(std::move(commands));
      seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      Forget();
    }
    return seconds * 1e6 / turns;
  }

  // What a store and the agents would have taken.
  void Forget() {
    harness_.batches.clear();
    harness_.effects.clear();
    harness_.warnings.clear();
  }

  TurnHarness harness_;
  uint64_t blobs_ = 0;
};

int Main() {
  auto arrays = std::make_unique<Backlog>();
  const int64_t before_array = HeapBytes();
  arrays->SubmitArrays(1000, kParked / 1000);
  const int64_t array_bytes = HeapBytes() - before_array;
  BERTH_CHECK(arrays->parked_shapes() == kShapes);
  arrays.reset();

  Backlog backlog;
  const int64_t before = HeapBytes();
  backlog.SubmitEach(kParked);
  const int64_t bytes = HeapBytes() - before;
  BERTH_CHECK(backlog.parked_shapes() == kShapes) << backlog.parked_shapes();
  const double idle_us = backlog.IdleTurn(2000);
  const double changing_us = backlog.ChangingTurn(50);
  BERTH_CHECK(backlog.parked_shapes() == kShapes) << backlog.parked_shapes();
  for (const auto& [changed, us] :
       {std::pair(0, idle_us), std::pair(kChangedPercent, changing_us)}) {
    std::printf(
        "{\"bench\": \"backlog\", \"parked\": %d, \"shapes\": %d, \"changed_pct_per_s\": %d, "
        "\"turn_us\": %.1f, \"bytes_per_task\": %.0f, \"bytes_per_array_task\": %.3f}\n",
        kParked, kShapes, changed, us, static_cast<double>(bytes) / kParked,
        static_cast<double>(array_bytes) / kParked);
  }
  return 0;
}

}  // namespace
}  // namespace berth::bench

int main() { return berth::bench::Main(); }
