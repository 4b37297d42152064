#include "device_fit/device_choice.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <tuple>

namespace berth::plugins {
namespace {

constexpr size_t kMaxSeeds = 64;

bool IsShare(const DeviceNeed& need) { return need.share_milli < 1000; }

bool HasLink(const DeviceRow& from, size_t to) {
  return to < 64 && ((from.fast_links >> to) & 1) != 0;
}

// One set of devices while it grows.
//
// Invariants: links_[i] and neighbours_[i] count the set's members joined to free_[i] by a fast
// link and on its NUMA node; spread_[i] counts the free devices, members or not, joined to
// free_[i].
class CandidateSet {
 public:
  CandidateSet(std::span<const DeviceRow> devices, const std::vector<uint16_t>& free)
      : devices_(devices),
        free_(free),
        member_(free.size()),
        links_(free.size()),
        neighbours_(free.size()),
        spread_(free.size()) {
    for (size_t i = 0; i < free_.size(); ++i) {
      for (size_t j = 0; j < free_.size(); ++j) spread_[i] += i != j && Linked(i, j);
    }
  }

  // Grows a set of `count` from one device. REQUIRES: count <= number of free devices.
  void Grow(size_t seed, size_t count) {
    std::fill(member_.begin(), member_.end(), false);
    std::fill(links_.begin(), links_.end(), 0);
    std::fill(neighbours_.begin(), neighbours_.end(), 0);
    joined_ = together_ = cut_ = 0;
    Add(seed);
    for (size_t size = 1; size < count; ++size) Add(BestNext(static_cast<int>(count - size)));
  }

  // Smaller is better.
  auto Badness() const { return std::make_tuple(-joined_, -together_, cut_, Positions()); }

  // Rising.
  std::vector<uint16_t> Positions() const {
    std::vector<uint16_t> positions;
    for (size_t i = 0; i < free_.size(); ++i) {
      if (member_[i]) positions.push_back(free_[i]);
    }
    return positions;
  }

 private:
  bool Linked(size_t i, size_t j) const {
    return HasLink(devices_[free_[i]], free_[j]) || HasLink(devices_[free_[j]], free_[i]);
  }
  bool SameNuma(size_t i, size_t j) const {
    const int16_t numa = devices_[free_[i]].numa_node;
    return numa >= 0 && numa == devices_[free_[j]].numa_node;
  }

  void Add(size_t added) {
    joined_ += links_[added];
    together_ += neighbours_[added];
    // Its links into the set are cut no longer; its other links now are.
    cut_ += spread_[added] - 2 * links_[added];
    member_[added] = true;
    for (size_t i = 0; i < free_.size(); ++i) {
      if (i == added) continue;
      links_[i] += Linked(i, added);
      neighbours_[i] += SameNuma(i, added);
    }
  }

  // `wanted`: members still to be added, this one included. Of devices with equally many links into
  // the set, one that brings others along comes first.
  size_t BestNext(int wanted) const {
    const auto badness = [&](size_t i) {
      const int reach = std::min(spread_[i] - links_[i], wanted - 1);
      return std::make_tuple(-links_[i], -reach, -neighbours_[i], spread_[i] - 2 * links_[i]);
    };
    size_t best = free_.size();
    for (size_t i = 0; i < free_.size(); ++i) {
      if (!member_[i] && (best == free_.size() || badness(i) < badness(best))) best = i;
    }
    return best;
  }

  const std::span<const DeviceRow> devices_;
  const std::vector<uint16_t>& free_;  // positions with room, rising
  std::vector<bool> member_;
  std::vector<int> links_, neighbours_, spread_;
  int joined_ = 0;    // pairs of members with a fast link
  int together_ = 0;  // pairs of members on one NUMA node
  int cut_ = 0;       // fast links between members and other free devices
};

std::vector<uint16_t> ChooseWhole(const DeviceNeed& need, std::span<const DeviceRow> devices,
                                  const std::vector<uint16_t>& free) {
  const auto count = static_cast<size_t>(need.count);
  if (free.size() == count) return free;
  CandidateSet set(devices, free);
  set.Grow(0, count);
  auto best = set.Badness();
  for (size_t seed = 1; seed < std::min(free.size(), kMaxSeeds); ++seed) {
    set.Grow(seed, count);
    best = std::min(best, set.Badness());
  }
  return std::get<3>(best);
}

uint16_t ChooseShared(std::span<const DeviceRow> devices, const std::vector<uint16_t>& free) {
  return *std::min_element(free.begin(), free.end(), [&](uint16_t a, uint16_t b) {
    const auto badness = [&](uint16_t i) {
      return std::make_tuple(-devices[i].allocated_milli, -devices[i].allocated_memory_mib, i);
    };
    return badness(a) < badness(b);
  });
}

}  // namespace

bool Accepts(const DeviceNeed& need, const DeviceRow& device) {
  return device.kind == need.kind && device.memory_mib >= need.memory_mib &&
         (need.models.empty() ||
          std::find(need.models.begin(), need.models.end(), device.model) != need.models.end());
}

bool HasRoom(const DeviceNeed& need, const DeviceRow& device) {
  if (!device.healthy || !Accepts(need, device)) return false;
  if (!IsShare(need)) return device.allocated_milli == 0;
  return device.allocated_milli + need.share_milli <= 1000 &&
         device.allocated_memory_mib + need.memory_mib <= device.memory_mib;
}

bool ChooseDevices(const DeviceNeed& need, std::span<const DeviceRow> devices,
                   std::vector<DeviceGrant>& grants) {
  std::vector<uint16_t> free;
  for (size_t i = 0; i < devices.size(); ++i) {
    if (HasRoom(need, devices[i])) free.push_back(static_cast<uint16_t>(i));
  }
  if (free.size() < static_cast<size_t>(need.count)) return false;
  if (IsShare(need)) {
    grants.push_back(
        {ChooseShared(devices, free), static_cast<int16_t>(need.share_milli), need.memory_mib});
    return true;
  }
  for (uint16_t position : ChooseWhole(need, devices, free)) {
    grants.push_back({position, 1000, 0});
  }
  return true;
}

}  // namespace berth::plugins
