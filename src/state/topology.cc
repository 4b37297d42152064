#include "state/topology.h"

#include <algorithm>

#include "base/check.h"
#include "base/planted_fault.h"

namespace berth::state {

void Topology::Grow(size_t slots) {
  slots_ = slots;
  for (auto& [id, key] : keys_) key.domains.resize(slots, kNoDomain);
}

CounterId Topology::NewCounter(Key& key, KeyId id) {
  uint32_t number = 0;
  if (free_.empty()) {
    number = static_cast<uint32_t>(counters_.size());
    counters_.emplace_back();
  } else {
    number = free_.back();
    free_.pop_back();
  }
  ++key.counters;
  Counter& counter = counters_[number];
  counter.key = id;
  counter.counts.assign(key.nodes_in.size(), 0);
  counter.total = 0;
  ++counter.version;
  counter.used = true;
  return CounterId{number};
}

void Topology::RemoveCounter(CounterId id) {
  Counter& counter = counters_[id.value];
  BERTH_CHECK(counter.used && counter.total == 0) << "counter " << id.value << " is in use";
  counter.used = false;
  counter.counts = {};
  free_.push_back(id.value);
  const auto key = keys_.find(counter.key.value);
  if (--key->second.counters == 0) keys_.erase(key);
}

void Topology::Enter(Key& key, Slot slot, int32_t domain) {
  key.domains[slot] = domain;
  const auto at = static_cast<size_t>(domain);
  if (key.nodes_in.size() <= at) key.nodes_in.resize(at + 1, 0);
  if (++key.nodes_in[at] == 2) ++key.shared;
}

void Topology::Exit(Key& key, Slot slot) {
  const int32_t domain = key.domains[slot];
  if (domain == kNoDomain) return;
  if (--key.nodes_in[static_cast<size_t>(domain)] == 1) --key.shared;
  key.domains[slot] = kNoDomain;
}

void Topology::Add(Counter& counter, int32_t domain, int32_t change) {
  if (domain == kNoDomain) return;
  const auto at = static_cast<size_t>(domain);
  if (counter.counts.size() <= at) counter.counts.resize(at + 1, 0);
  counter.counts[at] += change;
  counter.total += change;
  ++counter.version;
  ++version_;
  BERTH_CHECK(counter.counts[at] >= 0) << "domain " << domain;
}

void Topology::Move(Slot slot, KeyId id, int32_t domain) {
  Key& key = keys_.at(id.value);
  const int32_t before = key.domains[slot];
  if (before == domain) return;
  Exit(key, slot);
  if (domain != kNoDomain) Enter(key, slot, domain);
  // A domain that is new has a place in every counter, so that columns of counts have one length.
  for (Counter& counter : counters_) {
    if (counter.used && counter.key == id && counter.counts.size() < key.nodes_in.size()) {
      counter.counts.resize(key.nodes_in.size(), 0);
    }
  }
  const auto counted = on_.find(slot);
  if (counted == on_.end()) return;
  for (const auto& [number, count] : counted->second) {
    Counter& counter = counters_[number.value];
    if (counter.key != id) continue;
    if (!BERTH_PLANTED(kCountWhereItWas)) Add(counter, before, -count);
    Add(counter, domain, count);
  }
}

void Topology::Leave(Slot slot) {
  BERTH_CHECK(!on_.contains(slot)) << "tasks are counted on slot " << slot;
  for (auto& [id, key] : keys_) Exit(key, slot);
}

void Topology::Count(Slot slot, CounterId id, int32_t change) {
  Counter& counter = counters_[id.value];
  BERTH_CHECK(counter.used) << "counter " << id.value;
  Add(counter, keys_.at(counter.key.value).domains[slot], change);
  auto& counted = on_[slot];
  auto it = std::find_if(counted.begin(), counted.end(),
                         [id](const auto& entry) { return entry.first == id; });
  if (it == counted.end()) it = counted.insert(counted.end(), {id, 0});
  it->second += change;
  BERTH_CHECK(it->second >= 0) << "slot " << slot;
  if (it->second != 0) return;
  counted.erase(it);
  if (counted.empty()) on_.erase(slot);
}

}  // namespace berth::state
