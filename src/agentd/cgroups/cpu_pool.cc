#include "agentd/cgroups/cpu_pool.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace berth::agentd {

std::string ToList(const CpuSet& cpus) {
  std::string list;
  for (auto first = cpus.begin(); first != cpus.end();) {
    auto last = first;
    while (std::next(last) != cpus.end() && *std::next(last) == *last + 1) ++last;
    if (!list.empty()) list += ",";
    list += std::to_string(*first);
    if (last != first) list += "-" + std::to_string(*last);
    first = std::next(last);
  }
  return list;
}

CpuPool::CpuPool(std::vector<Node> nodes) : nodes_(std::move(nodes)) {
  std::erase_if(nodes_, [](const Node& node) { return node.cpus.empty(); });
}

std::optional<CpuPool::Taken> CpuPool::Take(int count, bool one_node) {
  if (count <= 0 || count > most(one_node)) return std::nullopt;
  std::vector<std::pair<CpuSet, int>> free;
  for (const Node& node : nodes_) free.emplace_back(Free(node), node.number);
  std::stable_sort(free.begin(), free.end(),
                   [](const auto& a, const auto& b) { return a.first.size() < b.first.size(); });
  const auto fits = std::find_if(free.begin(), free.end(), [count](const auto& each) {
    return static_cast<int>(each.first.size()) >= count;
  });
  // Of several when none has enough: of the largest first, so that they are few.
  std::vector<std::pair<CpuSet, int>> from;
  if (fits != free.end()) {
    from.push_back(*fits);
  } else {
    from.assign(free.rbegin(), free.rend());
  }
  Taken taken;
  for (const auto& [cpus, number] : from) {
    for (const int cpu : cpus) {
      if (static_cast<int>(taken.cpus.size()) == count) break;
      taken.cpus.insert(cpu);
      taken.memory_nodes.insert(number);
    }
  }
  taken_.insert(taken.cpus.begin(), taken.cpus.end());
  if (!one_node) taken.memory_nodes = memory_nodes();
  return taken;
}

void CpuPool::Adopt(const CpuSet& cpus) {
  for (const Node& node : nodes_) {
    for (const int cpu : Free(node)) {
      if (cpus.count(cpu) > 0) taken_.insert(cpu);
    }
  }
}

void CpuPool::GiveBack(const CpuSet& cpus) {
  for (const int cpu : cpus) taken_.erase(cpu);
}

CpuSet CpuPool::shared() const {
  CpuSet all;
  for (const Node& node : nodes_) all.merge(Free(node));
  return all;
}

CpuSet CpuPool::memory_nodes() const {
  CpuSet all;
  for (const Node& node : nodes_) all.insert(node.number);
  return all;
}

int CpuPool::most(bool one_node) const {
  const int free = static_cast<int>(shared().size()) - 1;  // one stays for the others
  if (!one_node) return std::max(free, 0);
  int most = 0;
  for (const Node& node : nodes_) most = std::max(most, static_cast<int>(Free(node).size()));
  return std::clamp(most, 0, std::max(free, 0));
}

CpuSet CpuPool::Free(const Node& node) const {
  CpuSet free;
  std::set_difference(node.cpus.begin(), node.cpus.end(), taken_.begin(), taken_.end(),
                      std::inserter(free, free.end()));
  return free;
}

}  // namespace berth::agentd
