// Prints what plugins and engine answer about random clusters and tasks, a line with a digest for
// each: builds of it for several instruction sets must print the same (vector_paths_test.py).
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/rng.h"
#include "base/strings.h"
#include "berth/filter.h"
#include "berth/score.h"
#include "builtin.h"
#include "engine/engine.h"
#include "pipeline/profile.h"
#include "pipeline/table_context.h"
#include "state/requirements_table.h"
#include "tests/conformance/plugin_variants.h"
#include "tests/support/random_cluster.h"

namespace berth::testing {
namespace {

constexpr TaskKey kKey{.job = JobId{7}, .group = 0, .position = 3};

// FNV-1a, by words.
class Digest {
 public:
  void Add(uint64_t word) { value_ = (value_ ^ word) * 0x100'0000'01b3; }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xcbf2'9ce4'8422'2325;
};

class Answers {
 public:
  explicit Answers(uint64_t seed) : rng_(seed), table_(seed) {}

  void Print(int nodes) {
    FillRandomly(rng_, nodes, table_);
    counters_ = AddCounters(table_, {"zone", "disk"});
    CountRandomly(rng_, counters_, table_);
    SetSharedRandomly(rng_, table_);
    for (const Variant& variant : AllVariants()) PrintPlugin(nodes, variant);
    PrintPlacements(nodes);
  }

 private:
  TaskRequirements Needs() {
    const auto shape = shapes_.Acquire(RandomNeeds(rng_), 0, table_, /*intern_unknown=*/true);
    BERTH_CHECK(shape.ok());
    TaskRequirements needs = shapes_.Get(*shape);
    if (Chance(rng_, 60)) needs.terms.push_back(RandomTerm(rng_, counters_));
    if (Chance(rng_, 30)) needs.shared = RandomShared(rng_, table_);
    return needs;
  }

  void PrintPlugin(int nodes, const Variant& variant) {
    pipeline::TableContext context(table_.names());
    const auto plugin = MakeVariant(variant, context);
    BERTH_CHECK(plugin.ok()) << base::S(plugin.status().message());
    const auto* filter = dynamic_cast<const FilterPlugin*>(plugin->get());
    const auto* score = dynamic_cast<const ScorePlugin*>(plugin->get());
    Digest digest;
    for (int i = 0; i < 20; ++i) {
      const TaskRequirements needs = Needs();
      const TaskView task{needs, kKey};
      const SlotSpan all = SlotSpan::All(table_.size());
      if (filter != nullptr) {
        NodeMask mask = table_.live();
        SlotMask of_all(all, mask.mutable_words());
        BERTH_CHECK(filter->Filter(task, table_, of_all).ok());
        for (const uint64_t word : mask.words()) digest.Add(word);
      }
      if (score != nullptr) {
        std::vector<int32_t> scores(table_.size());
        BERTH_CHECK(score->Score(task, table_, all, scores).ok());
        for (const int32_t one : scores) digest.Add(static_cast<uint32_t>(one));
      }
    }
    std::printf("%d nodes, %s %s: %016lx\n", nodes, variant.plugin.c_str(), variant.label.c_str(),
                digest.value());
  }

  // By the default profile: trees, totals, ties.
  void PrintPlacements(int nodes) {
    PluginRegistry registry;
    plugins::RegisterBuiltinPlugins(registry);
    pipeline::TableContext context(table_.names());
    const auto profile = pipeline::CompileProfile({}, "profiles[0]", registry, context);
    BERTH_CHECK(profile.ok()) << base::S(profile.status().message());
    engine::Engine engine(table_);
    Digest digest;
    int placed = 0;
    std::vector<TaskRequirements> shapes;
    for (int i = 0; i < 10; ++i) shapes.push_back(Needs());
    for (uint32_t i = 0; i < 400; ++i) {
      const size_t shape = rng_.Uniform(shapes.size());
      const auto placement =
          engine.Place(profile->placing(), {static_cast<state::ShapeId>(shape), 1},
                       {shapes[shape], {.job = {}, .group = 0, .position = i}});
      BERTH_CHECK(placement.ok()) << base::S(placement.status().message());
      digest.Add(placement->slot);
      digest.Add(static_cast<uint64_t>(placement->total));
      digest.Add(static_cast<uint64_t>(placement->nodes_feasible));
      if (placement->slot == kNoSlot) continue;
      ++placed;
      table_.Allocate(placement->slot, shapes[shape], placement->reservation);
    }
    std::printf("%d nodes, %d placed: %016lx\n", nodes, placed, digest.value());
  }

  base::Rng rng_;
  state::NodeTable table_;
  state::RequirementsTable shapes_;
  std::vector<KeyedCounter> counters_;
};

}  // namespace
}  // namespace berth::testing

// vector_paths SEED
int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: vector_paths SEED\n");
    return 2;
  }
  const uint64_t seed = std::strtoull(argv[1], nullptr, 10);
  for (const int nodes : {0, 1, 63, 64, 65, 300, 5000}) berth::testing::Answers(seed).Print(nodes);
  return 0;
}
