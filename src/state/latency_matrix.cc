#include "state/latency_matrix.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/check.h"

namespace berth::state {
namespace {

constexpr int64_t kNearestUs = 32;

}  // namespace

int32_t NearnessOf(int64_t round_trip_us) {
  // Doublings of kNearestUs that it takes to reach it.
  const auto periods = static_cast<uint64_t>((round_trip_us - 1) / kNearestUs);
  const auto doublings = static_cast<int32_t>(std::bit_width(periods));
  return std::max(0, kMaxNearness - doublings);
}

void LatencyMatrix::Set(Slot from, Slot to, int64_t round_trip_us) {
  is_stale_ = true;
  if (round_trip_us > 0) {
    measured_[from][to] = round_trip_us;
    return;
  }
  const auto found = measured_.find(from);
  if (found == measured_.end()) return;
  found->second.erase(to);
  if (found->second.empty()) measured_.erase(found);
}

void LatencyMatrix::Forget(Slot from) { is_stale_ |= measured_.erase(from) > 0; }

const std::map<Slot, int64_t>& LatencyMatrix::From(Slot from) const {
  static const std::map<Slot, int64_t> kNone;
  const auto found = measured_.find(from);
  return found == measured_.end() ? kNone : found->second;
}

void LatencyMatrix::Watch(KeyId key, const Topology& topology) {
  const auto [it, is_new] = tables_.try_emplace(key);
  ++it->second.watchers;
  if (!is_new) return;
  Pairs pairs;
  for (const auto& [from, measured] : measured_) Add(from, measured, key, topology, pairs);
  Fill(pairs, topology.nodes_in(key).size(), it->second);
}

void LatencyMatrix::Unwatch(KeyId key) {
  const auto it = tables_.find(key);
  BERTH_CHECK(it != tables_.end());
  if (--it->second.watchers > 0) return;
  tables_.erase(it);
  // The number may be another key's soon.
  if (count_) count_->pairs.erase(key);
}

void LatencyMatrix::Recount(const Topology& topology, size_t nodes) {
  if (!count_) {
    count_.emplace();
    is_stale_ = false;
    for (const auto& [key, table] : tables_) count_->pairs.try_emplace(key);
  }
  auto from = measured_.lower_bound(count_->next);
  for (; from != measured_.end() && nodes > 0; ++from, --nodes) {
    for (auto& [key, pairs] : count_->pairs) Add(from->first, from->second, key, topology, pairs);
  }
  if (from != measured_.end()) {
    count_->next = from->first;
    return;
  }
  for (const auto& [key, pairs] : count_->pairs) {
    Fill(pairs, topology.nodes_in(key).size(), tables_.at(key));
  }
  count_.reset();
}

void LatencyMatrix::Add(Slot from, const std::map<Slot, int64_t>& measured, KeyId key,
                        const Topology& topology, Pairs& pairs) const {
  const std::span<const int32_t> domains = topology.domains(key);
  const auto domain_of = [&](Slot slot) {
    const int32_t domain = slot < domains.size() ? domains[slot] : kNoDomain;
    return domain < static_cast<int32_t>(kMostDomains) ? domain : kNoDomain;
  };
  const int32_t here = domain_of(from);
  if (here == kNoDomain) return;
  for (const auto& [to, round_trip_us] : measured) {
    const int32_t there = domain_of(to);
    if (there == kNoDomain) continue;
    ++pairs[std::minmax(here, there)][static_cast<size_t>(NearnessOf(round_trip_us))];
  }
}

void LatencyMatrix::Fill(const Pairs& pairs, size_t domains, Table& table) {
  table.domains = std::min(domains, kMostDomains);
  table.rows.assign(table.domains * table.domains, 0);
  const auto put = [&](size_t one, size_t other, int32_t nearness) {
    table.rows[one * table.domains + other] = nearness;
    table.rows[other * table.domains + one] = nearness;
  };
  for (size_t domain = 0; domain < table.domains; ++domain) {
    put(domain, domain, kMaxNearness);
  }
  for (const auto& [domain, counts] : pairs) {
    const uint64_t all = std::accumulate(counts.begin(), counts.end(), uint64_t{0});
    // Of an even number the nearer one of the middle.
    uint64_t nearer = 0;
    size_t step = counts.size();
    while (nearer * 2 < all) nearer += counts[--step];
    put(static_cast<size_t>(domain.first), static_cast<size_t>(domain.second),
        static_cast<int32_t>(step));
  }
}

std::span<const int32_t> LatencyMatrix::Nearness(KeyId key, int32_t domain) const {
  const auto it = tables_.find(key);
  if (it == tables_.end() || static_cast<size_t>(domain) >= it->second.domains) return {};
  return std::span(it->second.rows)
      .subspan(static_cast<size_t>(domain) * it->second.domains, it->second.domains);
}

}  // namespace berth::state
