// From facts to amounts of one task as Berth would place it.
#pragma once

#include <optional>
#include <string>

#include "features/facts.h"

namespace berth::features {

struct Amounts {
  std::optional<double> cores;
  std::optional<double> memory_bytes;
  std::optional<double> storage_bytes;
  std::optional<double> gpus;
  std::optional<double> gpu_memory_bytes;
  std::optional<double> duration_ms;
  std::optional<double> parallelism;
  std::string gpu_kind;
};

// Whose amount each is, by the table of tests/data/features/README.md: of a node where nodes are
// named, else of a rank, else of the whole. `outer_nodes` is how many nodes a stronger source
// names, which then also divides what this one says of all.
Amounts SettleAmounts(const FactSheet& facts, std::optional<double> outer_nodes);

}  // namespace berth::features
