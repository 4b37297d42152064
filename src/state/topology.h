// Which domain each node is in, and how many tasks of which rules are in each domain.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "berth/ids.h"
#include "berth/terms.h"

namespace berth::state {

// Keys are those that some counter counts by; the domains of a key are the values that its label
// has or had, numbered as NodeColumns::labels_of_key has them.
//
// Invariants: counts(c)[d] is the sum over nodes in domain d of what was counted on them;
// nodes_in(k)[d] is the number of nodes in it; a key that is tracked has a counter.
//
// Threading: owned by the loop's thread. Cost: O(1) for Count, O(counters on the node) for Move.
class Topology {
 public:
  void Grow(size_t slots);

  // A counter by a key. `domain_of` gives each slot's domain, and is asked when the key is new.
  template <typename F>
  CounterId AddCounter(KeyId key, size_t domains, F&& domain_of) {
    auto [it, is_new] = keys_.try_emplace(key.value);
    if (is_new) {
      it->second.domains.assign(slots_, kNoDomain);
      it->second.nodes_in.assign(domains, 0);
      for (Slot slot = 0; slot < slots_; ++slot) {
        if (const int32_t domain = domain_of(slot); domain != kNoDomain)
          Enter(it->second, slot, domain);
      }
    }
    return NewCounter(it->second, key);
  }
  // REQUIRES: nothing is counted in it.
  void RemoveCounter(CounterId counter);

  bool Tracks(KeyId key) const { return keys_.contains(key.value); }
  // Puts a node into another domain, or none, with all that is counted on it.
  // REQUIRES: Tracks(key).
  void Move(Slot slot, KeyId key, int32_t domain);
  // The node has no label any more. REQUIRES: nothing is counted on it.
  void Leave(Slot slot);
  // Counts a task on a node, or takes it back.
  void Count(Slot slot, CounterId counter, int32_t change);

  // What the counter is held against has changed.
  void Touch(CounterId counter) {
    ++counters_[counter.value].version;
    ++version_;
  }

  std::span<const int32_t> domains(KeyId key) const { return keys_.at(key.value).domains; }
  std::span<const int32_t> nodes_in(KeyId key) const { return keys_.at(key.value).nodes_in; }
  // No domain of the key has two nodes.
  bool IsOneNodeEach(KeyId key) const { return keys_.at(key.value).shared == 0; }
  std::span<const int32_t> counts(CounterId counter) const {
    return counters_[counter.value].counts;
  }
  int64_t total(CounterId counter) const { return counters_[counter.value].total; }
  // Rises with each change of any counter.
  uint64_t version() const { return version_; }
  // Rises with each change of the counter.
  uint64_t version(CounterId counter) const { return counters_[counter.value].version; }

 private:
  struct Key {
    std::vector<int32_t> domains;   // by slot
    std::vector<int32_t> nodes_in;  // by domain
    int64_t shared = 0;             // domains with two nodes or more
    int64_t counters = 0;
  };
  struct Counter {
    KeyId key;
    std::vector<int32_t> counts;  // by domain
    int64_t total = 0;            // of those in a domain
    uint64_t version = 0;
    bool used = false;
  };

  CounterId NewCounter(Key& key, KeyId id);
  static void Enter(Key& key, Slot slot, int32_t domain);
  static void Exit(Key& key, Slot slot);
  void Add(Counter& counter, int32_t domain, int32_t change);

  size_t slots_ = 0;
  uint64_t version_ = 0;
  std::map<uint32_t, Key> keys_;
  std::vector<Counter> counters_;
  std::vector<uint32_t> free_;
  // What is counted on each node; mostly nothing.
  std::map<Slot, std::vector<std::pair<CounterId, int32_t>>> on_;
};

}  // namespace berth::state
