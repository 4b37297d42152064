// How much of the devices of a cluster each placement policy gives away, beside what was published.
//
//   tools/bench.sh policy
//
// The experiment of Weng, Yang et al., "Beware of Fragmentation" (USENIX ATC '23), on the default
// list of the openb trace: its 1,213 nodes with GPUs are filled by its tasks, in random order, one
// at a time; a task that fits nowhere is dropped. One JSON object a line on standard output: the
// part of all GPUs that is given away when tasks have asked for as many as there are, mean over
// seeds, in per cent.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "base/rng.h"
#include "engine/engine.h"
#include "tests/bench/openb.h"
#include "tests/support/pipeline_harness.h"
#include "tests/support/plugin_args_builder.h"

namespace berth::bench {
namespace {

using testing::Arg;
using testing::ArgList;
using testing::ArgMap;
using testing::PipelineHarness;

struct Policy {
  const char* label;
  const char* plugin;
  PluginArgs args;
  double published;  // per cent of the GPUs given away; 0: not published
  int weight = 1;    // 0: the default profile
};

int64_t DeviceMilli(const state::NeedsSpec& task) {
  if (task.devices.empty()) return 0;
  return int64_t{task.devices[0].count} * task.devices[0].share_milli;
}

// The trace's classes of tasks by decreasing number, as many as make up 95 % of the tasks.
PluginArgs MixOf(const std::vector<state::NeedsSpec>& tasks) {
  using Class = std::tuple<int32_t, int32_t, int32_t, std::vector<std::string>>;
  std::map<Class, int64_t> counts;
  for (const state::NeedsSpec& task : tasks) {
    const int32_t cpu = task.requests.builtin[kCpu];
    if (task.devices.empty()) {
      ++counts[{cpu, 0, 1000, {}}];
    } else {
      const state::DeviceNeedSpec& need = task.devices[0];
      ++counts[{cpu, need.count, need.share_milli, need.models}];
    }
  }
  std::vector<std::pair<int64_t, Class>> ordered;
  for (const auto& [task, count] : counts) ordered.emplace_back(-count, task);
  std::sort(ordered.begin(), ordered.end());
  PluginArgs::List mix;
  int64_t covered = 0;
  for (const auto& [count, task] : ordered) {
    if (covered * 100 >= static_cast<int64_t>(tasks.size()) * 95) break;
    covered -= count;
    const auto& [cpu, devices, share, models] = task;
    PluginArgs::Map entry{{"cpuMilli", Arg(cpu)},
                          {"devices", Arg(devices)},
                          {"shareMilli", Arg(share)},
                          {"weight", Arg(-count)}};
    PluginArgs::List names;
    for (const std::string& model : models) names.push_back(Arg(model));
    if (!names.empty()) entry["models"] = ArgList(names);
    mix.push_back(ArgMap(std::move(entry)));
  }
  return ArgList(std::move(mix));
}

pipeline::ProfileOptions ProfileOf(const Policy& policy) {
  pipeline::ProfileOptions options;
  if (policy.weight == 0) return options;
  options.scores.disabled = {"*"};
  options.scores.enabled = {{policy.plugin, policy.weight}};
  if (!policy.args.is_null()) options.plugin_config = {{policy.plugin, policy.args}};
  return options;
}

// The trace's tasks in random order; once they are through, random ones of them.
class Arrivals {
 public:
  Arrivals(const std::vector<state::NeedsSpec>& tasks, base::Rng& rng) : rng_(rng) {
    for (size_t i = 0; i < tasks.size(); ++i) order_.push_back(i);
    for (size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[rng.Uniform(i)]);
  }
  size_t Next() {
    return next_ < order_.size() ? order_[next_++] : order_[rng_.Uniform(order_.size())];
  }

 private:
  base::Rng& rng_;
  std::vector<size_t> order_;
  size_t next_ = 0;
};

struct Outcome {
  double allocated_percent = 0;
  int64_t placements = 0;
};

Outcome Fill(const Policy& policy, uint64_t seed, const std::vector<state::NodeSpec>& nodes,
             const std::vector<state::NeedsSpec>& tasks) {
  // Ranks, drawn by the seed, are the order of nodes that breaks ties.
  PipelineHarness harness(ProfileOf(policy), seed);
  int64_t capacity = 0;
  for (const state::NodeSpec& node : nodes) {
    harness.cluster.Add(node);
    capacity += 1000 * static_cast<int64_t>(node.devices.size());
  }
  base::Rng rng(seed);
  Arrivals arrivals(tasks, rng);
  std::vector<const TaskRequirements*> needs(tasks.size(), nullptr);
  int64_t arrived = 0, allocated = 0;
  double sum = 0;
  Outcome outcome;
  for (int64_t at_hundred = 0;;) {
    const size_t task = arrivals.Next();
    if (needs[task] == nullptr) needs[task] = &harness.cluster.Needs(tasks[task]);
    arrived += DeviceMilli(tasks[task]);
    const int64_t percent =
        std::llround(100.0 * static_cast<double>(arrived) / static_cast<double>(capacity));
    if (percent > 100) {
      outcome.allocated_percent = sum / static_cast<double>(std::max<int64_t>(at_hundred, 1));
      return outcome;
    }
    if (!harness.Bind(*needs[task]).empty()) allocated += DeviceMilli(tasks[task]);
    ++outcome.placements;
    if (percent < 100) continue;
    ++at_hundred;
    sum += 100.0 * static_cast<double>(allocated) / static_cast<double>(capacity);
  }
}

int Main(int argc, char** argv) {
  uint64_t seeds = 5;
  std::string only, data = "tests/data/traces/openb";
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::string value = argument.substr(std::min(argument.size(), argument.find('=') + 1));
    if (argument.starts_with("--seeds=")) {
      seeds = std::stoul(value);
    } else if (argument.starts_with("--policy=")) {
      only = value;
    } else if (argument.starts_with("--data=")) {
      data = value;
    } else {
      std::fprintf(
          stderr,
          "policy_bench: unknown argument '%s'; there are --seeds=, --policy= and --data=\n",
          argument.c_str());
      return 2;
    }
  }
  const auto nodes = OpenbDeviceNodes(data);
  const auto tasks = OpenbTasks(data);
  const PluginArgs mix = MixOf(tasks);
  const PluginArgs percent = ArgMap({{"resolution", Arg("percent")}});
  const PluginArgs published_gradient =
      ArgMap({{"mix", mix}, {"cpuTasks", Arg(true)}, {"resolution", Arg("percent")}});
  const PluginArgs full_gradient = ArgMap({{"mix", mix}, {"cpuTasks", Arg(true)}});
  const std::vector<Policy> policies = {
      {"Random", "Random", {}, 86.30},
      {"DotProduct", "DotProduct", percent, 90.62},
      {"GpuClustering", "GpuClustering", {}, 91.65},
      {"GpuPacking", "GpuPacking", {}, 91.78},
      {"BestFit", "BestFit", percent, 92.86},
      {"FragmentationGradient", "FragmentationGradient", published_gradient, 95.23},
      {"DotProduct, full resolution", "DotProduct", {}, 0},
      {"BestFit, full resolution", "BestFit", {}, 0},
      {"FragmentationGradient, full resolution", "FragmentationGradient", full_gradient, 0},
      {"FragmentationGradient, its own mix", "FragmentationGradient",
       ArgMap({{"cpuTasks", Arg(true)}}), 0},
      {"FragmentationGradient, its own mix, tasks with devices alone",
       "FragmentationGradient",
       {},
       0},
      {"default profile", "", {}, 0, /*weight=*/0},
  };
  for (const Policy& policy : policies) {
    if (!only.empty() && only != policy.label) continue;
    const auto start = std::chrono::steady_clock::now();
    double sum = 0, squares = 0;
    int64_t placements = 0;
    for (uint64_t seed = 1; seed <= seeds; ++seed) {
      const Outcome outcome = Fill(policy, seed, nodes, tasks);
      sum += outcome.allocated_percent;
      squares += outcome.allocated_percent * outcome.allocated_percent;
      placements += outcome.placements;
    }
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const auto n = static_cast<double>(seeds);
    const double mean = sum / n;
    std::printf(
        "{\"bench\": \"policy\", \"policy\": \"%s\", \"seeds\": %lu, "
        "\"allocated_pct\": %.2f, \"sd\": %.2f, \"published_pct\": %.2f, "
        "\"us_per_task\": %.1f}\n",
        policy.label, seeds, mean,
        std::sqrt(std::max(0.0, (squares - sum * sum / n) / std::max(1.0, n - 1))),
        policy.published, seconds * 1e6 / static_cast<double>(placements));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace berth::bench

int main(int argc, char** argv) { return berth::bench::Main(argc, argv); }
