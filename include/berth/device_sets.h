// Candidate sets: the ways in which a node's devices can satisfy what a task asks for.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <tuple>
#include <vector>

#include "berth/node_columns.h"
#include "berth/task_view.h"
#include "berth/torus_boxes.h"

namespace berth {

// The device's kind, model and total memory are such that an empty, healthy one would do.
inline bool Accepts(const DeviceNeed& need, const DeviceRow& device) {
  return device.kind == need.kind && device.memory_mib >= need.memory_mib &&
         (need.models.empty() ||
          std::find(need.models.begin(), need.models.end(), device.model) != need.models.end());
}

// The device accepts the need and has, now, what it asks of one device.
inline bool HasRoom(const DeviceNeed& need, const DeviceRow& device) {
  // In the order of what is most often missing.
  if (device.allocated_milli + need.share_milli > 1000) return false;
  if (!device.healthy || !Accepts(need, device)) return false;
  return need.share_milli == 1000 ||
         device.allocated_memory_mib + need.memory_mib <= device.memory_mib;
}

// The candidate sets of one need on one node, in canonical order: the first is what a task gets
// where no plugin has an opinion, and of sets that score the same the first wins.
//
// For a share, a set is one device with room. Those with the largest part given away come first; of
// equals those with the most memory given away, then the first by position.
//
// For whole devices, at most kMostSets sets are grown, one from each of the first kMostSets devices
// with room, by adding, again and again, the device with most fast links into the set (then most
// into what could still be added, then as below). Sets are in the order of
//   1. pairs joined by fast links, most first;
//   2. pairs on one known NUMA node, most first;
//   3. fast links cut between the set and devices that stay free, fewest first, so that what is
//      left is still well joined for the next task;
//   4. positions, lowest first.
// (Exact search over all sets would be exponential. Where fast links join devices in islands, as
// NVSwitch, NVLink pairs and sockets do, this finds the best set.)
//
// For a box of a torus, at most kMostSets of all boxes of devices with room, in the order of
//   1. devices with room beside the box, fewest first: against the edge of the torus and against
//      what is taken, so that what is left stays whole;
//   2. positions, lowest first.
//
// Sets that look alike are there once, as the first of them: those whose devices have the same
// models, memory and NUMA nodes, with the same parts given away, and that do as well by what comes
// before positions.
//
// Threading: one need on one node at a time; keeps its space, so that none is allocated again.
class DeviceSets {
 public:
  static constexpr size_t kMostSets = 64;

  // Finds the sets: a function of (need, rows) alone. Cost: O(devices) where the devices with room
  // are all alike and not linked, else O(kMostSets x count x devices); for a box, up to
  // 6 x O(devices x count x log(devices)).
  void Find(const DeviceNeed& need, std::span<const DeviceRow> devices);

  // 0: too few devices have room.
  size_t size() const { return order_.size(); }
  // Positions among the node's devices, rising; as many as the need's count.
  std::span<const uint16_t> operator[](size_t set) const { return PositionsOf(order_[set]); }
  // How many sets look like this one, itself included; of whole devices without a box, of those
  // that were grown.
  int32_t alike(size_t set) const { return grown_[order_[set]].alike; }

 private:
  // One set; which devices are in it stands in positions_.
  struct Grown {
    int32_t joined = 0;    // pairs of members with a fast link
    int32_t together = 0;  // pairs of members on one NUMA node
    int32_t cut = 0;       // links between members and other free devices
    uint64_t looks = 0;    // sum over members of a hash of their classes
    int32_t alike = 1;
  };

  std::span<const uint16_t> PositionsOf(size_t grown) const {
    return std::span(positions_).subspan(grown * count_, count_);
  }

  void FindShared(std::span<const DeviceRow> devices);
  void FindWhole(std::span<const DeviceRow> devices);
  void FindBoxes(const BoxExtents& box, std::span<const DeviceRow> devices);
  // Puts those that were grown in order, and keeps one of those that look alike.
  void SortGrown();
  static uint64_t LooksOf(uint16_t device_class);
  void Classify(std::span<const DeviceRow> devices);
  bool FindLinks(std::span<const DeviceRow> devices);
  void Grow(size_t seed, std::span<const DeviceRow> devices);
  void Add(size_t added, std::span<const DeviceRow> devices, Grown& grown);
  size_t BestNext(int32_t wanted) const;

  static bool LooksAlike(const DeviceRow& a, const DeviceRow& b) {
    return a.allocated_milli == b.allocated_milli &&
           a.allocated_memory_mib == b.allocated_memory_mib && a.model == b.model &&
           a.memory_mib == b.memory_mib && a.numa_node == b.numa_node;
  }
  static bool SameNuma(const DeviceRow& a, const DeviceRow& b) {
    return a.numa_node >= 0 && a.numa_node == b.numa_node;
  }
  bool Linked(size_t i, size_t j, std::span<const DeviceRow> devices) const {
    const auto reports = [&](size_t from, size_t to) {
      return free_[to] < 64 && ((devices[free_[from]].fast_links >> free_[to]) & 1) != 0;
    };
    return reports(i, j) || reports(j, i);
  }

  size_t count_ = 0;
  std::vector<uint16_t> free_;   // positions with room, rising
  std::vector<uint16_t> class_;  // of free_[i]: the first free device that looks like it
  std::vector<Grown> grown_;
  std::vector<uint16_t> positions_;  // count_ for each of grown_
  std::vector<uint32_t> order_;      // of grown_, those that are kept
  TorusBoxes boxes_;

  // Of the set that grows. links_[i] and neighbours_[i] count its members joined to free_[i] by a
  // fast link and on its NUMA node; spread_[i] counts the free devices, members or not, joined to
  // free_[i].
  std::vector<uint8_t> member_;
  std::vector<int32_t> links_, neighbours_, spread_;
};

inline void DeviceSets::Find(const DeviceNeed& need, std::span<const DeviceRow> devices) {
  free_.clear();
  grown_.clear();
  positions_.clear();
  order_.clear();
  for (size_t i = 0; i < devices.size(); ++i) {
    if (HasRoom(need, devices[i])) free_.push_back(static_cast<uint16_t>(i));
  }
  count_ = static_cast<size_t>(need.count);
  if (free_.size() < count_) return;
  if (need.has_box()) {
    FindBoxes(need.box, devices);
  } else if (need.share_milli < 1000) {
    FindShared(devices);
  } else {
    FindWhole(devices);
  }
}

// Free devices are in order of position, so the first of a class is the one that stands for it.
inline void DeviceSets::FindShared(std::span<const DeviceRow> devices) {
  for (const uint16_t position : free_) {
    const auto known = std::find_if(positions_.begin(), positions_.end(), [&](uint16_t other) {
      return LooksAlike(devices[position], devices[other]);
    });
    if (known != positions_.end()) {
      ++grown_[static_cast<size_t>(known - positions_.begin())].alike;
      continue;
    }
    order_.push_back(static_cast<uint32_t>(grown_.size()));
    grown_.emplace_back();
    positions_.push_back(position);
  }
  std::sort(order_.begin(), order_.end(), [&](uint32_t a, uint32_t b) {
    const auto badness = [&](uint32_t i) {
      const DeviceRow& device = devices[positions_[i]];
      return std::make_tuple(-device.allocated_milli, -device.allocated_memory_mib, positions_[i]);
    };
    return badness(a) < badness(b);
  });
  if (order_.size() > kMostSets) order_.resize(kMostSets);
}

inline void DeviceSets::Classify(std::span<const DeviceRow> devices) {
  class_.resize(free_.size());
  for (size_t i = 0; i < free_.size(); ++i) {
    size_t first = 0;
    while (first < i &&
           !(class_[first] == first && LooksAlike(devices[free_[first]], devices[free_[i]]))) {
      ++first;
    }
    class_[i] = static_cast<uint16_t>(first);
  }
}

// False when no two free devices are linked.
inline bool DeviceSets::FindLinks(std::span<const DeviceRow> devices) {
  spread_.assign(free_.size(), 0);
  uint64_t all = 0;
  for (const uint16_t position : free_) all |= devices[position].fast_links;
  if (all == 0) return false;
  bool any = false;
  for (size_t i = 0; i < free_.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (!Linked(i, j, devices)) continue;
      ++spread_[i];
      ++spread_[j];
      any = true;
    }
  }
  return any;
}

inline void DeviceSets::FindWhole(std::span<const DeviceRow> devices) {
  const bool has_links = FindLinks(devices);
  const bool all_alike = std::all_of(free_.begin(), free_.end(), [&](uint16_t position) {
    return LooksAlike(devices[free_[0]], devices[position]);
  });
  const size_t seeds = std::min(free_.size(), kMostSets);
  // Whatever is grown looks the same: the lowest positions come first.
  if (free_.size() == count_ || (all_alike && !has_links)) {
    positions_.assign(free_.begin(), free_.begin() + static_cast<std::ptrdiff_t>(count_));
    grown_.push_back({.alike = static_cast<int32_t>(free_.size() == count_ ? 1 : seeds)});
    order_.push_back(0);
    return;
  }
  Classify(devices);
  for (size_t seed = 0; seed < seeds; ++seed) Grow(seed, devices);
  SortGrown();
}

inline void DeviceSets::FindBoxes(const BoxExtents& box, std::span<const DeviceRow> devices) {
  Classify(devices);
  boxes_.Put(free_, devices);
  boxes_.ForEach(box, [&](std::span<const uint16_t> members) {
    Grown grown{.cut = boxes_.OpenFaces(members)};
    const size_t begin = positions_.size();
    for (const uint16_t member : members) {
      grown.looks += LooksOf(class_[member]);
      positions_.push_back(free_[member]);
    }
    std::sort(positions_.begin() + static_cast<std::ptrdiff_t>(begin), positions_.end());
    grown_.push_back(grown);
    return true;
  });
  SortGrown();
}

inline void DeviceSets::SortGrown() {
  order_.resize(grown_.size());
  std::iota(order_.begin(), order_.end(), 0);
  std::sort(order_.begin(), order_.end(), [&](uint32_t a, uint32_t b) {
    const auto badness = [&](const Grown& set) {
      return std::make_tuple(-set.joined, -set.together, set.cut);
    };
    if (badness(grown_[a]) != badness(grown_[b])) return badness(grown_[a]) < badness(grown_[b]);
    const auto left = PositionsOf(a), right = PositionsOf(b);
    return std::lexicographical_compare(left.begin(), left.end(), right.begin(), right.end());
  });
  size_t kept = 0;
  for (const uint32_t next : order_) {
    const auto looks_like = [&](uint32_t other) {
      const Grown &a = grown_[other], &b = grown_[next];
      return a.joined == b.joined && a.together == b.together && a.cut == b.cut &&
             a.looks == b.looks;
    };
    const auto end = order_.begin() + static_cast<std::ptrdiff_t>(kept);
    const auto known = std::find_if(order_.begin(), end, looks_like);
    if (known == end) {
      if (kept < kMostSets) order_[kept++] = next;
    } else {
      ++grown_[*known].alike;
    }
  }
  order_.resize(kept);
}

inline uint64_t DeviceSets::LooksOf(uint16_t device_class) {
  uint64_t hash = device_class + uint64_t{1};
  hash = (hash ^ (hash << 32)) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 29);
}

inline void DeviceSets::Grow(size_t seed, std::span<const DeviceRow> devices) {
  member_.assign(free_.size(), 0);
  links_.assign(free_.size(), 0);
  neighbours_.assign(free_.size(), 0);
  Grown grown;
  Add(seed, devices, grown);
  for (size_t size = 1; size < count_; ++size) {
    Add(BestNext(static_cast<int32_t>(count_ - size)), devices, grown);
  }
  for (size_t i = 0; i < free_.size(); ++i) {
    if (member_[i] != 0) positions_.push_back(free_[i]);
  }
  grown_.push_back(grown);
}

inline void DeviceSets::Add(size_t added, std::span<const DeviceRow> devices, Grown& grown) {
  grown.joined += links_[added];
  grown.together += neighbours_[added];
  // Its links into the set are cut no longer; its other links now are.
  grown.cut += spread_[added] - 2 * links_[added];
  grown.looks += LooksOf(class_[added]);
  member_[added] = 1;
  for (size_t i = 0; i < free_.size(); ++i) {
    if (i == added) continue;
    links_[i] += spread_[i] != 0 && spread_[added] != 0 && Linked(i, added, devices);
    neighbours_[i] += SameNuma(devices[free_[i]], devices[free_[added]]);
  }
}

// `wanted`: members still to be added, this one included. Of devices with equally many links into
// the set, one that brings others along comes first.
inline size_t DeviceSets::BestNext(int32_t wanted) const {
  const auto badness = [&](size_t i) {
    const int32_t reach = std::min(spread_[i] - links_[i], wanted - 1);
    return std::make_tuple(-links_[i], -reach, -neighbours_[i], spread_[i] - 2 * links_[i]);
  };
  size_t best = free_.size();
  for (size_t i = 0; i < free_.size(); ++i) {
    if (member_[i] == 0 && (best == free_.size() || badness(i) < badness(best))) best = i;
  }
  return best;
}

}  // namespace berth
