#include "features/facts.h"

#include <algorithm>

namespace berth::features {

const std::array<std::string_view, kFacts>& FactNames() {
  static constexpr std::array<std::string_view, kFacts> kNames = {"nodes",
                                                                  "ranks",
                                                                  "ranks-per-node",
                                                                  "cores",
                                                                  "cores-per-rank",
                                                                  "cores-per-node",
                                                                  "cores-total",
                                                                  "threads",
                                                                  "thread-groups",
                                                                  "threads-per-group",
                                                                  "memory",
                                                                  "memory-per-core",
                                                                  "memory-per-gpu",
                                                                  "memory-total",
                                                                  "gpus",
                                                                  "gpus-per-node",
                                                                  "gpus-per-rank",
                                                                  "gpus-total",
                                                                  "tensor-parallel",
                                                                  "pipeline-parallel",
                                                                  "gpu-memory",
                                                                  "storage",
                                                                  "duration",
                                                                  "parameters",
                                                                  "gpu-kind",
                                                                  "input",
                                                                  "output",
                                                                  "intermediate",
                                                                  "model",
                                                                  "teacher",
                                                                  "precision",
                                                                  "gpu-layers",
                                                                  "skip",
                                                                  "flag"};
  return kNames;
}

void FactSheet::Largest(Fact fact, double value) {
  std::optional<double>& slot = numbers[static_cast<size_t>(fact)];
  slot = std::max(slot.value_or(value), value);
}

void FactSheet::IfAbsent(Fact fact, double value) {
  std::optional<double>& slot = numbers[static_cast<size_t>(fact)];
  if (!slot) slot = value;
}

}  // namespace berth::features
