#include "features/settle_amounts.h"

#include <algorithm>
#include <cmath>

namespace berth::features {
namespace {

using Number = std::optional<double>;

// `total` over `parts`, when it divides evenly.
Number Share(double total, double parts) {
  if (parts < 1) return std::nullopt;
  const double share = total / parts;
  return std::floor(share) == share ? Number(share) : std::nullopt;
}

// Threads of one process: those of its parts multiply.
Number Threads(const FactSheet& facts) {
  Number threads = facts.Get(Fact::kThreads);
  const Number groups = facts.Get(Fact::kThreadGroups);
  const Number each = facts.Get(Fact::kThreadsPerGroup);
  if (groups || each)
    threads = std::max(threads.value_or(0), groups.value_or(1) * each.value_or(1));
  return threads;
}

struct Layout {
  Number nodes;
  Number ranks;
  Number ranks_per_node;
};

Layout LayoutOf(const FactSheet& facts, Number outer_nodes) {
  Layout layout{facts.Get(Fact::kNodes), facts.Get(Fact::kRanks), facts.Get(Fact::kRanksPerNode)};
  if (!layout.nodes && outer_nodes) layout.nodes = outer_nodes;
  if (!layout.nodes && layout.ranks && layout.ranks_per_node && *layout.ranks_per_node > 0) {
    layout.nodes = std::ceil(*layout.ranks / *layout.ranks_per_node);
  }
  if (layout.nodes && layout.ranks && !layout.ranks_per_node && *layout.nodes > 0) {
    layout.ranks_per_node = std::ceil(*layout.ranks / *layout.nodes);
  }
  return layout;
}

Number CoresOf(const FactSheet& facts, const Layout& layout, bool borrowed_nodes) {
  const Number threads = Threads(facts);
  const Number per_rank = facts.Get(Fact::kCoresPerRank);
  const Number per_node = facts.Get(Fact::kCoresPerNode);
  const Number plain = facts.Get(Fact::kCores);
  const Number total = facts.Get(Fact::kCoresTotal);
  if (layout.nodes || layout.ranks_per_node) {
    if (per_node) return per_node;
    const Number each = per_rank ? per_rank : threads;
    if (layout.ranks_per_node && each) return *layout.ranks_per_node * *each;
    // One rank of unknown width on a node says nothing; several take a core each.
    if (layout.ranks_per_node && *layout.ranks_per_node > 1 && !borrowed_nodes) {
      return layout.ranks_per_node;
    }
    if (each) return each;
    if (plain) return plain;
    if (total && layout.nodes) return Share(*total, *layout.nodes);
    return std::nullopt;
  }
  if (per_rank) return per_rank;
  if (per_node) return per_node;
  if (plain) return plain;
  if (threads) return threads;
  if (total) return layout.ranks ? Share(*total, *layout.ranks) : total;
  return std::nullopt;
}

Number GpusOf(const FactSheet& facts, const Layout& layout) {
  if (const Number per_node = facts.Get(Fact::kGpusPerNode)) return per_node;
  if (const Number per_rank = facts.Get(Fact::kGpusPerRank)) {
    if (layout.nodes && layout.ranks_per_node) return *per_rank * *layout.ranks_per_node;
    return per_rank;
  }
  if (const Number total = facts.Get(Fact::kGpusTotal)) {
    if (layout.nodes) return Share(*total, *layout.nodes);
    if (layout.ranks && *layout.ranks > 1) {
      const Number share = Share(*total, *layout.ranks);
      return share ? share : total;
    }
    return total;
  }
  if (const Number gpus = facts.Get(Fact::kGpus)) return gpus;
  const Number tensor = facts.Get(Fact::kTensorParallel);
  const Number pipeline = facts.Get(Fact::kPipelineParallel);
  if (tensor || pipeline) {
    const double all = tensor.value_or(1) * pipeline.value_or(1);
    return layout.nodes ? Share(all, *layout.nodes) : Number(all);
  }
  return std::nullopt;
}

Number MemoryOf(const FactSheet& facts, const Layout& layout, Number cores, Number gpus) {
  if (const Number memory = facts.Get(Fact::kMemory)) return memory;
  if (const Number per_core = facts.Get(Fact::kMemoryPerCore)) {
    return *per_core * std::max(1.0, cores.value_or(1));
  }
  if (const Number per_gpu = facts.Get(Fact::kMemoryPerGpu)) {
    return *per_gpu * std::max(1.0, gpus.value_or(1));
  }
  if (const Number total = facts.Get(Fact::kMemoryTotal)) {
    return *total / std::max(1.0, layout.nodes.value_or(layout.ranks.value_or(1)));
  }
  return std::nullopt;
}

}  // namespace

Amounts SettleAmounts(const FactSheet& facts, std::optional<double> outer_nodes) {
  const bool borrowed = outer_nodes.has_value() && !facts.Has(Fact::kNodes);
  const Layout layout = LayoutOf(facts, outer_nodes);
  Amounts amounts;
  amounts.cores = CoresOf(facts, layout, borrowed);
  amounts.gpus = GpusOf(facts, layout);
  amounts.memory_bytes = MemoryOf(facts, layout, amounts.cores, amounts.gpus);
  amounts.storage_bytes = facts.Get(Fact::kStorage);
  amounts.gpu_memory_bytes = facts.Get(Fact::kGpuMemory);
  amounts.duration_ms = facts.Get(Fact::kDuration);
  amounts.parallelism = layout.nodes ? layout.nodes : layout.ranks;
  amounts.gpu_kind = facts.gpu_kind;
  return amounts;
}

}  // namespace berth::features
