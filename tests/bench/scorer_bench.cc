// What scores from outside cost the loop: the reading of the nodes, the taking in of columns, and a
// placement that adds one more score.
//
//   tools/bench.sh scorer
//
// The loop's own state machine and its engine, without a store and without a network. One JSON
// object on standard output; the keys are explained in docs/benchmarks.md.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/rng.h"
#include "tests/support/pipeline_harness.h"
#include "tests/support/task_builder.h"
#include "tests/support/turn_harness.h"

namespace berth::bench {
namespace {

using scheduler::PutScoresReply;
using scheduler::ScoringReply;
using scheduler::TurnHarness;

constexpr int kNodes = 10'000;
constexpr int kShapes = 100;
// As the client posts them: so many slots in one command.
constexpr int kSlotsPerPut = 131'072;

double Microseconds(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
      .count();
}

pipeline::ProfileOptions Scored() {
  pipeline::ProfileOptions profile;
  profile.scores.enabled = {{"RemoteScorer", 2}};
  return profile;
}

// Sum and longest of some turns.
struct Turns {
  double sum_us = 0;
  double longest_us = 0;

  void Add(double us) {
    sum_us += us;
    longest_us = std::max(longest_us, us);
  }
};

class ScoredLoop {
 public:
  ScoredLoop()
      : harness_(
            {}, [](PluginRegistry&) {}, Scored()) {
    for (int i = 0; i < kNodes; ++i) {
      harness_.Connect("n" + std::to_string(i), 16'000, 64 << 10);
      harness_.batches.clear();
      harness_.effects.clear();
    }
    for (int i = 0; i < kShapes; ++i) harness_.SubmitOk({.cpu_milli = 100 + i});
  }

  // From the start, or what has changed.
  Turns Read() {
    Turns turns;
    for (;;) {
      const auto start = std::chrono::steady_clock::now();
      auto reply = harness_.Get<ScoringReply>(
          state::ReadForScoring{.profile = "default", .args = {}, .after = cursor_});
      turns.Add(Microseconds(start));
      cursor_ = reply.page.next;
      for (const auto& node : reply.page.nodes) {
        if (node.slot >= generations_.size()) generations_.resize(node.slot + 1);
        generations_[node.slot] = node.generation;
      }
      if (!reply.page.complete) continue;
      last_ = std::move(reply);
      return turns;
    }
  }

  Turns Put() {
    const auto generations = std::make_shared<const std::vector<uint32_t>>(generations_);
    Turns turns;
    const int at_once = kSlotsPerPut / kNodes;
    for (size_t begin = 0; begin < last_.shapes.size(); begin += at_once) {
      state::PutScores put{.profile = "default",
                           .config = last_.config,
                           .epoch = last_.epoch,
                           .read_at_ms = last_.now_ms,
                           .time_to_live_ms = 60'000,
                           .generations = generations,
                           .columns = {}};
      for (size_t i = begin; i < std::min(begin + at_once, last_.shapes.size()); ++i) {
        std::vector<int32_t> scores(kNodes);
        for (int32_t& score : scores) score = static_cast<int32_t>(rng_.Uniform(kMaxScore + 1));
        put.columns.push_back({.shape = last_.shapes[i].key, .scores = std::move(scores)});
      }
      const auto start = std::chrono::steady_clock::now();
      BERTH_CHECK(harness_.Get<PutScoresReply>(std::move(put)).refused == 0);
      turns.Add(Microseconds(start));
    }
    return turns;
  }

  // A task of each shape.
  Turns PlaceEach() {
    Turns turns;
    for (int i = 0; i < kShapes; ++i) {
      const auto start = std::chrono::steady_clock::now();
      harness_.SubmitOk({.cpu_milli = 100 + i});
      turns.Add(Microseconds(start));
    }
    return turns;
  }
  // A part of the nodes changes.
  void Change(int nodes) {
    for (int i = 0; i < nodes; ++i) {
      const std::string name = "n" + std::to_string(i * 7 % kNodes);
      harness_.Ask(state::SetCordon{name, true});
      harness_.Ask(state::SetCordon{name, false});
    }
  }

 private:
  TurnHarness harness_;
  base::Rng rng_{1};
  std::optional<state::PictureCursor> cursor_;
  std::vector<uint32_t> generations_;
  ScoringReply last_;
};

// Nanoseconds of a placement and a release, in runs of `run` tasks of a shape.
double PlacementNs(bool is_scored, int run, double seconds) {
  testing::PipelineHarness harness(is_scored ? Scored() : pipeline::ProfileOptions());
  base::Rng rng(1);
  for (int i = 0; i < kNodes; ++i) {
    harness.cluster.Add(
        testing::NodeBuilder("n" + std::to_string(i)).Cpu(16).Memory("64Gi").Build());
  }
  state::NodeTable& table = harness.cluster.table();
  engine::Engine engine(table);
  std::vector<const TaskRequirements*> shapes;
  for (int i = 0; i < kShapes; ++i) {
    shapes.push_back(
        &harness.cluster.Needs(testing::TaskBuilder().CpuMilli(100 + i).Memory("64Mi")));
    if (!is_scored) continue;
    std::vector<int32_t> scores(kNodes);
    for (int32_t& score : scores) score = static_cast<int32_t>(rng.Uniform(kMaxScore + 1));
    table.outside_scores().Put(static_cast<state::ShapeId>(i), std::move(scores));
  }
  struct Bound {
    Slot slot;
    const TaskRequirements* needs;
  };
  std::deque<Bound> bound;
  int64_t next = 0;
  const auto step = [&] {
    const auto shape = static_cast<size_t>(next++ / run % kShapes);
    TaskView task{*shapes[shape], {}};
    task.outside_scores = table.outside_scores().Of(static_cast<state::ShapeId>(shape));
    const auto placed =
        engine.Place(harness.profile().placing(), {static_cast<state::ShapeId>(shape), 1}, task);
    BERTH_CHECK(placed.ok() && placed->slot != kNoSlot);
    table.Allocate(placed->slot, *shapes[shape], {});
    bound.push_back({placed->slot, shapes[shape]});
    if (bound.size() <= kNodes / 2) return;
    table.Release(bound.front().slot, *bound.front().needs, {});
    bound.pop_front();
  };
  for (int i = 0; i < 30'000; ++i) step();
  const auto start = std::chrono::steady_clock::now();
  int64_t steps = 0;
  do {
    for (int i = 0; i < run * kShapes; ++i) step();
    steps += run * kShapes;
  } while (Microseconds(start) < seconds * 1e6);
  return Microseconds(start) * 1e3 / static_cast<double>(steps);
}

int Main() {
  ScoredLoop loop;
  const Turns whole = loop.Read();
  loop.Change(kNodes / 100);
  const Turns delta = loop.Read();
  const Turns nothing = loop.Read();
  loop.PlaceEach();
  const Turns before = loop.PlaceEach();
  const Turns put = loop.Put();
  const Turns after = loop.PlaceEach();
  const Turns again = loop.PlaceEach();
  std::printf(
      "{\"bench\": \"scorer\", \"nodes\": %d, \"shapes\": %d, \"read_all_us\": %.0f, "
      "\"read_all_longest_turn_us\": %.0f, \"read_1pct_us\": %.0f, \"read_nothing_us\": %.0f, "
      "\"put_us\": %.0f, \"put_longest_turn_us\": %.0f, \"submit_each_before_us\": %.0f, "
      "\"submit_each_after_put_us\": %.0f, \"submit_each_again_us\": %.0f}\n",
      kNodes, kShapes, whole.sum_us, whole.longest_us, delta.sum_us, nothing.sum_us, put.sum_us,
      put.longest_us, before.sum_us, after.sum_us, again.sum_us);
  for (const int run : {100, 1}) {
    std::printf(
        "{\"bench\": \"scorer_placement\", \"nodes\": %d, \"shapes\": %d, \"order\": \"%s\", "
        "\"ns_without\": %.0f, \"ns_with\": %.0f}\n",
        kNodes, kShapes, run == 1 ? "round_robin" : "runs", PlacementNs(false, run, 0.5),
        PlacementNs(true, run, 0.5));
  }
  return 0;
}

}  // namespace
}  // namespace berth::bench

int main() { return berth::bench::Main(); }
