#include "features/baseline.h"

#include <re2/re2.h>

#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include "features/quantities_in_text.h"

namespace berth::features {
namespace {

constexpr int32_t kConfidence = 50;
constexpr size_t kMostBytes = 64 << 10;

// What the first match of any of the patterns captures; empty: none.
template <size_t kCount>
std::string First(std::string_view script, const std::array<const RE2*, kCount>& patterns) {
  const re2::StringPiece text(script.data(), script.size());
  std::string value;
  for (const RE2* pattern : patterns) {
    if (RE2::PartialMatch(text, *pattern, &value)) return value;
  }
  return "";
}

template <typename T>
Estimate<T> Found(T value) {
  return {std::move(value), kConfidence, Source::kRules};
}

}  // namespace

Features ReadBaseline(const JobText& text) {
  static const RE2 kSlurmCores(R"((?m)^#SBATCH.*?(?:--cpus-per-task[= ]|-c ?)(\d+))");
  static const RE2 kPbsCores(R"((?m)^#PBS.*?(?:ncpus|ppn)=(\d+))");
  static const RE2 kLsfCores(R"((?m)^#BSUB -n (\d+))");
  static const RE2 kSgeCores(R"((?m)^#\$ -pe \S+ (\d+))");
  static const RE2 kHqCores(R"((?m)^#HQ.*?--cpus[= ]"?(\d+))");
  static const RE2 kSlurmMemory(R"((?m)^#SBATCH.*?--mem[= ](\w+))");
  static const RE2 kPbsMemory(R"((?m)^#PBS.*?\bmem=(\w+))");
  static const RE2 kLsfMemory(R"((?m)^#BSUB.*?mem=(\w+))");
  static const RE2 kSgeMemory(R"((?m)^#\$.*?h_vmem=(\w+))");
  static const RE2 kSlurmGpus(
      R"((?m)^#SBATCH.*?(?:--gres[= ]gpu:|--gpus[^= ]*[= ])(?:\w+:)?(\d+))");
  static const RE2 kPbsGpus(R"((?m)^#PBS.*?gpus=(\d+))");
  static const RE2 kLsfGpus(R"((?m)^#BSUB -gpu.*?num=(\d+))");
  static const RE2 kSlurmTime(R"((?m)^#SBATCH.*?(?:--time[= ]|-t ?)([\d:-]+))");
  static const RE2 kClockTime(R"((?m)^#(?:PBS|\$).*?(?:walltime|h_rt)=([\d:]+))");
  static const RE2 kLsfTime(R"((?m)^#BSUB -W ([\d:]+))");
  static const RE2 kNodes(R"((?m)^#SBATCH.*?(?:--nodes[= ]|-N ?)(\d+))");
  static const RE2 kChunks(R"((?m)^#PBS.*?(?:select|nodes)=(\d+))");

  const std::string_view script = text.script.substr(0, kMostBytes);
  Features features;
  const auto count = [](const std::string& value) { return WholeNumber(value); };
  if (const auto cores =
          count(First<5>(script, {&kSlurmCores, &kPbsCores, &kLsfCores, &kSgeCores, &kHqCores}))) {
    features.cpu_milli = Found(static_cast<int64_t>(std::llround(*cores * 1000)));
  }
  if (const auto bytes = ParseSizeText(
          First<4>(script, {&kSlurmMemory, &kPbsMemory, &kLsfMemory, &kSgeMemory}), kMi)) {
    features.memory_bytes = Found(static_cast<int64_t>(*bytes));
  }
  if (const auto gpus = count(First<3>(script, {&kSlurmGpus, &kPbsGpus, &kLsfGpus}))) {
    features.gpus = Found(static_cast<int64_t>(*gpus));
    ClassWeights weights{};
    weights[static_cast<size_t>(ComputationClass::kGpuBound)] = 100;
    features.computation_class = Found(weights);
  }
  std::optional<double> ms = ParseClock(First<1>(script, {&kSlurmTime}), ClockStyle::kSlurm);
  if (!ms) ms = ParseClock(First<1>(script, {&kClockTime}), ClockStyle::kHms);
  if (!ms) ms = ParseClock(First<1>(script, {&kLsfTime}), ClockStyle::kHm);
  if (ms) features.duration_ms = Found(static_cast<int64_t>(*ms));
  if (const auto nodes = count(First<2>(script, {&kNodes, &kChunks}))) {
    features.parallelism = Found(static_cast<int64_t>(*nodes));
  }
  return features;
}

}  // namespace berth::features
