// Axis-aligned boxes of the torus that a node's devices of one kind make.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "berth/node_columns.h"
#include "berth/resources.h"

namespace berth {

// Finds the boxes that some of a node's devices make: rows of places side by side on each axis, and
// past the last place at the first where the axis wraps. A box may be turned: its extents go to the
// axes in any order.
//
// Threading: one node at a time; keeps its space, so that none is allocated again.
class TorusBoxes {
 public:
  // The devices to make boxes of, by position among `devices`; those in no torus are left out.
  // REQUIRES: they are of one kind. Cost: O(n log n) of n positions.
  void Put(std::span<const uint16_t> positions, std::span<const DeviceRow> devices);

  // Calls visit(members) for each box of these extents, each once: by extents in order of axes,
  // then by its lowest corner. Members are indices into the positions that were put. Ends when
  // `visit` returns false.
  // Cost: O(n x devices of the box x log n), for each of at most six ways to turn it.
  template <typename Visit>
  void ForEach(const BoxExtents& box, Visit&& visit);

  // Whether there is one. Cost: as ForEach.
  bool HasBox(const BoxExtents& box) {
    bool found = false;
    ForEach(box, [&](std::span<const uint16_t>) {
      found = true;
      return false;
    });
    return found;
  }

  // Pairs of a member and a device beside it that was put and is none; `members` as ForEach gives
  // them. Cost: O(members x log n).
  int32_t OpenFaces(std::span<const uint16_t> members);

 private:
  using Place = std::array<uint8_t, kTorusAxes>;
  struct Cell {
    uint32_t place = 0;  // as a number
    uint16_t index = 0;  // into the positions
  };
  static constexpr uint16_t kNobody = UINT16_MAX;

  static uint32_t NumberOf(const Place& place) {
    return place[0] | uint32_t{place[1]} << 8 | uint32_t{place[2]} << 16;
  }
  bool Wraps(size_t axis) const { return ((wraps_ >> axis) & 1) != 0; }
  // kNobody: it was not put.
  uint16_t At(const Place& place) const;
  // The place `steps` further on an axis. False: it has none. REQUIRES: steps <= the extent.
  bool Step(size_t axis, int32_t steps, Place& place) const;
  bool Collect(const Place& corner, const BoxExtents& turned);

  Place extent_{};
  uint8_t wraps_ = 0;
  std::vector<Cell> cells_;    // by place
  std::vector<Place> places_;  // of each index
  std::vector<uint16_t> members_;
  std::vector<uint8_t> is_member_;
};

inline void TorusBoxes::Put(std::span<const uint16_t> positions,
                            std::span<const DeviceRow> devices) {
  cells_.clear();
  places_.resize(positions.size());
  is_member_.assign(positions.size(), 0);
  for (size_t i = 0; i < positions.size(); ++i) {
    const TorusPlace& torus = devices[positions[i]].torus;
    if (torus.extent[0] == 0) continue;
    extent_ = torus.extent;
    wraps_ = torus.wraps;
    places_[i] = torus.at;
    cells_.push_back({NumberOf(torus.at), static_cast<uint16_t>(i)});
  }
  std::sort(cells_.begin(), cells_.end(), [](const Cell& a, const Cell& b) {
    return a.place != b.place ? a.place < b.place : a.index < b.index;
  });
}

inline uint16_t TorusBoxes::At(const Place& place) const {
  const uint32_t number = NumberOf(place);
  const auto it =
      std::lower_bound(cells_.begin(), cells_.end(), number,
                       [](const Cell& cell, uint32_t wanted) { return cell.place < wanted; });
  return it != cells_.end() && it->place == number ? it->index : kNobody;
}

inline bool TorusBoxes::Step(size_t axis, int32_t steps, Place& place) const {
  int32_t to = place[axis] + steps;
  if (to < 0 || to >= extent_[axis]) {
    if (!Wraps(axis)) return false;
    to += to < 0 ? extent_[axis] : -extent_[axis];
  }
  place[axis] = static_cast<uint8_t>(to);
  return true;
}

// Into members_, when everybody is there.
inline bool TorusBoxes::Collect(const Place& corner, const BoxExtents& turned) {
  members_.clear();
  for (int32_t x = 0; x < turned[0]; ++x) {
    for (int32_t y = 0; y < turned[1]; ++y) {
      for (int32_t z = 0; z < turned[2]; ++z) {
        Place place = corner;
        if (!Step(0, x, place) || !Step(1, y, place) || !Step(2, z, place)) return false;
        const uint16_t index = At(place);
        if (index == kNobody) return false;
        members_.push_back(index);
      }
    }
  }
  return true;
}

template <typename Visit>
void TorusBoxes::ForEach(const BoxExtents& box, Visit&& visit) {
  if (cells_.size() < size_t{box[0]} * box[1] * box[2]) return;
  BoxExtents turned = box;
  std::sort(turned.begin(), turned.end());
  do {
    if (turned[0] > extent_[0] || turned[1] > extent_[1] || turned[2] > extent_[2]) continue;
    for (const Cell& cell : cells_) {
      const Place& corner = places_[cell.index];
      // A box that goes all the way round has as many corners as places: the first will do.
      const auto is_again = [&](size_t axis) {
        return turned[axis] == extent_[axis] && corner[axis] != 0;
      };
      if (is_again(0) || is_again(1) || is_again(2) || !Collect(corner, turned)) continue;
      if (!visit(std::span<const uint16_t>(members_))) return;
    }
  } while (std::next_permutation(turned.begin(), turned.end()));
}

inline int32_t TorusBoxes::OpenFaces(std::span<const uint16_t> members) {
  for (const uint16_t member : members) is_member_[member] = 1;
  int32_t open = 0;
  for (const uint16_t member : members) {
    for (size_t axis = 0; axis < kTorusAxes; ++axis) {
      for (const int32_t step : {-1, 1}) {
        Place place = places_[member];
        if (!Step(axis, step, place)) continue;
        const uint16_t beside = At(place);
        open += beside != kNobody && is_member_[beside] == 0;
      }
    }
  }
  for (const uint16_t member : members) is_member_[member] = 0;
  return open;
}

}  // namespace berth
