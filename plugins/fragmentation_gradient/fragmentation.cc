#include "fragmentation_gradient/fragmentation.h"

#include <algorithm>

namespace berth::plugins {

Fragmentation::Fragmentation(KindId kind, std::span<const TaskClass> mix) : kind_(kind) {
  std::vector<std::vector<Member>> of_group;
  for (const TaskClass& task : mix) {
    total_weight_ += task.weight;
    if (task.devices == 0) continue;
    const auto same = [&](const Group& group) {
      return group.devices == task.devices && group.share_milli == task.share_milli &&
             group.models == task.models;
    };
    auto at = std::find_if(groups_.begin(), groups_.end(), same);
    if (at == groups_.end()) {
      groups_.push_back({task.devices, task.share_milli, task.models, 0, 0});
      of_group.emplace_back();
      at = groups_.end() - 1;
    }
    of_group[static_cast<size_t>(at - groups_.begin())].push_back(
        {task.cpu_milli, task.memory_mib, task.weight});
  }
  for (size_t i = 0; i < groups_.size(); ++i) {
    groups_[i].begin = members_.size();
    members_.insert(members_.end(), of_group[i].begin(), of_group[i].end());
    groups_[i].end = members_.size();
  }
}

bool Fragmentation::Group::Accepts(const DeviceRow& device) const {
  return models.empty() || std::find(models.begin(), models.end(), device.model) != models.end();
}

int64_t Fragmentation::Weighted(int64_t free_milli, std::span<const int32_t> with_room,
                                std::span<const int32_t> useless, int32_t free_cpu_milli,
                                int32_t free_memory_mib) const {
  // As if all were useless to everybody, less what is not.
  int64_t sum = free_milli * total_weight_;
  for (size_t i = 0; i < groups_.size(); ++i) {
    const Group& group = groups_[i];
    if (with_room[i] < group.devices) continue;
    int64_t weight = 0;
    for (size_t m = group.begin; m < group.end; ++m) {
      const Member& member = members_[m];
      const bool fits = member.cpu_milli <= free_cpu_milli && member.memory_mib <= free_memory_mib;
      weight += fits ? member.weight : 0;
    }
    sum -= weight * (free_milli - useless[i]);
  }
  return sum;
}

Fragmentation::Node::Node(const Fragmentation& fragmentation, std::span<const DeviceRow> devices,
                          int32_t free_cpu_milli, int32_t free_memory_mib)
    : of_(fragmentation),
      devices_(devices),
      free_cpu_milli_(free_cpu_milli),
      free_memory_mib_(free_memory_mib) {
  const size_t groups = of_.groups_.size();
  std::fill_n(with_room_, groups, 0);
  std::fill_n(useless_, groups, 0);
  for (const DeviceRow& device : devices_) {
    if (!of_.Counts(device)) continue;
    const int32_t free = std::max(0, 1000 - device.allocated_milli);
    free_milli_ += free;
    for (size_t i = 0; i < groups; ++i) {
      const bool has_room = free >= of_.groups_[i].share_milli && of_.groups_[i].Accepts(device);
      with_room_[i] += has_room;
      useless_[i] += has_room ? 0 : free;
    }
  }
  weighted_ = of_.Weighted(free_milli_, {with_room_, groups}, {useless_, groups}, free_cpu_milli_,
                           free_memory_mib_);
}

int64_t Fragmentation::Node::Change(int32_t cpu_milli, int32_t memory_mib,
                                    std::span<const uint16_t> positions,
                                    int32_t share_milli) const {
  const size_t groups = of_.groups_.size();
  int32_t with_room[kMostGroups];
  int32_t useless[kMostGroups];
  std::copy_n(with_room_, groups, with_room);
  std::copy_n(useless_, groups, useless);
  int64_t free_milli = free_milli_;
  for (const uint16_t position : positions) {
    const DeviceRow& device = devices_[position];
    if (!of_.Counts(device)) continue;
    const int32_t before = std::max(0, 1000 - device.allocated_milli);
    const int32_t after = std::max(0, before - share_milli);
    free_milli -= before - after;
    for (size_t i = 0; i < groups; ++i) {
      const Group& group = of_.groups_[i];
      const bool accepts = group.Accepts(device);
      const bool had_room = accepts && before >= group.share_milli;
      const bool has_room = accepts && after >= group.share_milli;
      with_room[i] += static_cast<int32_t>(has_room) - static_cast<int32_t>(had_room);
      useless[i] += (has_room ? 0 : after) - (had_room ? 0 : before);
    }
  }
  return weighted_ - of_.Weighted(free_milli, {with_room, groups}, {useless, groups},
                                  free_cpu_milli_ - cpu_milli, free_memory_mib_ - memory_mib);
}

}  // namespace berth::plugins
