// What single words of a text say, before it is settled whose amounts they are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace berth::features {

// One fact a word can state. Sizes are in bytes, times in milliseconds. The names that tables use
// are in FactNames(), in this order.
enum class Fact : uint8_t {
  kNodes,
  kRanks,
  kRanksPerNode,
  kCores,  // of whatever the text speaks of
  kCoresPerRank,
  kCoresPerNode,
  kCoresTotal,
  kThreads,       // of one process; of several steps the largest counts
  kThreadGroups,  // times kThreadsPerGroup
  kThreadsPerGroup,
  kMemory,
  kMemoryPerCore,
  kMemoryPerGpu,
  kMemoryTotal,
  kGpus,  // of whatever the text speaks of
  kGpusPerNode,
  kGpusPerRank,
  kGpusTotal,
  kTensorParallel,
  kPipelineParallel,
  kGpuMemory,
  kStorage,
  kDuration,
  kParameters,
  // Below: words, not numbers.
  kGpuKind,
  kInput,
  kOutput,
  kIntermediate,
  kModel,
  kTeacher,  // a model that is not trained, whatever is done to others
  kPrecision,
  kGpuLayers,  // of a model: none says that there is no GPU
  kSkip,       // takes a value that says nothing
  kFlag,       // takes no value
};
inline constexpr size_t kNumericFacts = static_cast<size_t>(Fact::kGpuKind);
inline constexpr size_t kFacts = static_cast<size_t>(Fact::kFlag) + 1;

// "nodes", "ranks", ...: by position of the fact.
const std::array<std::string_view, kFacts>& FactNames();

// What one source says. Of several values of one fact, Largest keeps the largest and Latest the
// one said last.
struct FactSheet {
  std::array<std::optional<double>, kNumericFacts> numbers;
  std::string gpu_kind;

  std::optional<double> Get(Fact fact) const { return numbers[static_cast<size_t>(fact)]; }
  bool Has(Fact fact) const { return Get(fact).has_value(); }
  void Latest(Fact fact, double value) { numbers[static_cast<size_t>(fact)] = value; }
  void Largest(Fact fact, double value);
  void IfAbsent(Fact fact, double value);
};

}  // namespace berth::features
