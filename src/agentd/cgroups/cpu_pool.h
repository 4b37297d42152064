#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace berth::agentd {

// CPUs by number, sorted.
using CpuSet = std::set<int>;

// "0-3,8", as the kernel writes it; "" for none.
std::string ToList(const CpuSet& cpus);
// Which CPUs of a node have a task of their own, and which are for all the others.
//
// Invariants: no CPU has two tasks; at least one is left for the others.
//
// Threading: none of its own. Pure.
class CpuPool {
 public:
  // One NUMA node of the machine.
  struct Node {
    int number = 0;
    CpuSet cpus;
  };

  struct Taken {
    CpuSet cpus;
    CpuSet memory_nodes;  // NUMA nodes whose memory it may use
  };

  CpuPool() = default;
  explicit CpuPool(std::vector<Node> nodes);

  // `count` CPUs for one task, of as few NUMA nodes as it takes: of the one with the fewest free
  // that has enough. `one_node`: of one or not at all, with its memory only.
  // Cost: O(CPUs).
  std::optional<Taken> Take(int count, bool one_node);
  // What a task of an agent before this one has. CPUs that are not free are left out.
  void Adopt(const CpuSet& cpus);
  void GiveBack(const CpuSet& cpus);

  // CPUs that no task has to itself.
  [[nodiscard]] CpuSet shared() const;
  // Every NUMA node.
  [[nodiscard]] CpuSet memory_nodes() const;
  // Most CPUs that Take() could give now.
  [[nodiscard]] int most(bool one_node) const;

 private:
  [[nodiscard]] CpuSet Free(const Node& node) const;

  std::vector<Node> nodes_;
  CpuSet taken_;
};

}  // namespace berth::agentd
