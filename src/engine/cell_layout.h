// Which nodes are in the same domains of several keys at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "berth/ids.h"
#include "berth/plugin.h"
#include "state/node_table.h"

namespace berth::engine {

// The nodes of a table in cells: the common refinement of the domains of some keys. A node without
// a label that is required is in no cell; without one that is not, it is with others like it.
//
// Invariants: cell_of(slot) is kNoCell or its cell; place_of(slot) is its place among the cell's
// slots, which are in order of rank; every cell has at least one node.
//
// Threading: immutable once made; shared by the shapes that have the same keys.
class CellLayout {
 public:
  static constexpr uint32_t kNoCell = UINT32_MAX;

  struct Cell {
    std::vector<Slot> slots;
    std::vector<uint32_t> ranks;   // of the slots: they rise
    std::vector<int32_t> domains;  // one for each key
  };

  // Without keys there is one cell. Cost: O(nodes x (keys + log nodes)).
  CellLayout(const state::NodeTable& table, std::vector<DomainKey> keys);

  const std::vector<DomainKey>& keys() const { return keys_; }
  std::span<const Cell> cells() const { return cells_; }
  uint32_t cell_of(Slot slot) const { return cell_of_[slot]; }
  uint32_t place_of(Slot slot) const { return place_of_[slot]; }
  size_t size() const { return cell_of_.size(); }

  // Whether a node is in the cell that it would be put into now. False for slots that it does not
  // know.
  bool IsRightFor(const state::NodeTable& table, Slot slot) const;
  // The capacity of the ranks that its cells have.
  uint32_t rank_capacity() const { return rank_capacity_; }

 private:
  std::vector<DomainKey> keys_;
  std::vector<Cell> cells_;
  std::vector<uint32_t> cell_of_, place_of_;
  uint32_t rank_capacity_;
};

}  // namespace berth::engine
