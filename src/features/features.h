// What is known, or guessed, of how a task behaves.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "berth/computation_class.h"

namespace berth::features {

// Who said it. The numbers are those of berth.v1.FeatureSource.
enum class Source : uint8_t {
  kDeclared = 1,  // the submitter, in a field of the job
  kHistory = 2,   // what was measured of tasks like it
  kRules = 3,     // the text, read by tables
  kModel = 4,     // the text, read by a language model
};

// A value that somebody said or guessed.
template <typename T>
struct Estimate {
  T value{};
  int32_t confidence = 0;  // 0 to 100: of a hundred such values so many are right
  Source source = Source::kRules;

  bool operator==(const Estimate&) const = default;
};

// How much of what each class is bound by there is to a task, in parts of a hundred that add up to
// 100; by ComputationClass.
using ClassWeights = std::array<int32_t, kComputationClasses>;

// The class with most weight; of equals the first.
ComputationClass PrimaryClass(const ClassWeights& weights);

// Data by the name that the text, or the job, has for it: a path, a URI, a data set's name.
struct NamedData {
  std::string name;
  int64_t size_bytes = 0;  // 0: not known

  bool operator==(const NamedData&) const = default;
};

// Features of one task as Berth would place it. Amounts are of one such task: of a node where a
// text speaks of nodes, else of a rank where it names ranks, else of the whole (tests/data/features
// has the definition). What is absent is not known.
struct Features {
  template <typename T>
  using Maybe = std::optional<Estimate<T>>;

  Maybe<ClassWeights> computation_class;
  Maybe<int64_t> cpu_milli;  // thousandths of a core
  Maybe<int64_t> memory_bytes;
  Maybe<int64_t> storage_bytes;
  Maybe<int64_t> gpus;              // or chips of a TPU
  Maybe<int64_t> gpu_memory_bytes;  // of each, as it is asked for
  Maybe<std::string> gpu_kind;      // "A100", "TPU v5e"
  // What models take on all GPUs together: parameters, and when training optimiser states.
  Maybe<int64_t> model_memory_bytes;
  Maybe<int64_t> duration_ms;
  Maybe<int64_t> parallelism;  // how many such tasks work together at once
  std::vector<Estimate<NamedData>> inputs;
  std::vector<Estimate<NamedData>> outputs;
  std::vector<Estimate<NamedData>> intermediate;  // written for its own later use
  std::vector<Estimate<std::string>> models;      // as the text names them

  bool operator==(const Features&) const = default;
};

}  // namespace berth::features
