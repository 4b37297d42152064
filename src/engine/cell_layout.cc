#include "engine/cell_layout.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "base/planted_fault.h"

namespace berth::engine {
namespace {

// The node's domains; nothing when it is in no cell.
bool FindDomains(const state::NodeTable& table, const std::vector<DomainKey>& keys, Slot slot,
                 std::vector<int32_t>& domains) {
  if (!table.Holds(slot)) return false;
  domains.clear();
  for (const DomainKey& key : keys) {
    domains.push_back(table.domains(key.key)[slot]);
    if (key.required && domains.back() == kNoDomain) return false;
  }
  return true;
}

}  // namespace

CellLayout::CellLayout(const state::NodeTable& table, std::vector<DomainKey> keys)
    : keys_(std::move(keys)),
      cell_of_(table.size(), kNoCell),
      place_of_(table.size(), 0),
      rank_capacity_(table.rank_capacity()) {
  std::map<std::vector<int32_t>, uint32_t> known;
  std::vector<int32_t> domains;
  std::vector<Slot> by_rank(table.size());
  std::iota(by_rank.begin(), by_rank.end(), 0);
  std::sort(by_rank.begin(), by_rank.end(),
            [&](Slot a, Slot b) { return table.rank()[a] < table.rank()[b]; });
  for (const Slot slot : by_rank) {
    if (!FindDomains(table, keys_, slot, domains)) continue;
    const auto [it, is_new] = known.try_emplace(domains, static_cast<uint32_t>(cells_.size()));
    if (is_new) cells_.push_back({.slots = {}, .ranks = {}, .domains = domains});
    Cell& cell = cells_[it->second];
    cell_of_[slot] = it->second;
    place_of_[slot] = static_cast<uint32_t>(cell.slots.size());
    cell.slots.push_back(slot);
    cell.ranks.push_back(table.rank()[slot]);
  }
}

bool CellLayout::IsRightFor(const state::NodeTable& table, Slot slot) const {
  if (slot >= cell_of_.size()) return false;
  if (BERTH_PLANTED(kKeepCells)) return true;
  // A key that no rule has any more; then nobody who may still be asked has these cells.
  for (const DomainKey& key : keys_) {
    if (!table.topology().Tracks(key.key)) return false;
  }
  std::vector<int32_t> domains;
  if (!FindDomains(table, keys_, slot, domains)) return cell_of_[slot] == kNoCell;
  return cell_of_[slot] != kNoCell && cells_[cell_of_[slot]].domains == domains;
}

}  // namespace berth::engine
