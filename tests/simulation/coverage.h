// How often each thing occurred: a net that never meets a fault does not hold against it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace berth::simulation {

// By kind ("fault", "move", "reconcile") and name.
class Coverage {
 public:
  void Count(const std::string& kind, const std::string& name, uint64_t times = 1) {
    counts_[kind][name] += times;
  }
  void Add(const Coverage& other) {
    for (const auto& [kind, names] : other.counts_) {
      for (const auto& [name, times] : names) counts_[kind][name] += times;
    }
  }
  const std::map<std::string, std::map<std::string, uint64_t>>& counts() const { return counts_; }
  uint64_t Of(const std::string& kind, const std::string& name) const {
    const auto names = counts_.find(kind);
    if (names == counts_.end()) return 0;
    const auto times = names->second.find(name);
    return times == names->second.end() ? 0 : times->second;
  }

 private:
  std::map<std::string, std::map<std::string, uint64_t>> counts_;
};

}  // namespace berth::simulation
