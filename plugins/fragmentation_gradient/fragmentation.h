// How much of a node's free devices is useless to the tasks that are to come.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "berth/node_columns.h"

namespace berth::plugins {

// Tasks that are alike, of a mix.
struct TaskClass {
  int32_t cpu_milli = 0;
  int32_t memory_mib = 0;
  int32_t devices = 1;  // 0: it needs none
  int32_t share_milli = 1000;
  std::vector<ModelId> models;  // any of them; empty: every model
  int32_t weight = 1;           // 1 to 1,000,000
};

// The fragmentation of nodes under a mix.
//
// For a class, useless is: all that is free, when it needs no devices, or when the node has too few
// cores, too little memory or too few devices with room for one such task; otherwise what is free
// on devices that are too full for it, or of another model. A node's fragmentation is the mean over
// the mix. Devices that are not healthy count for nothing.
//
// Threading: immutable. All amounts are integers, so that the order of adding up does not matter.
class Fragmentation {
 public:
  static constexpr size_t kMostClasses = 256;

  // REQUIRES: mix.size() <= kMostClasses.
  Fragmentation(KindId kind, std::span<const TaskClass> mix);

  // One node, as it is and as it would be.
  //
  // Cost: making it, O(classes x devices that are not full); Change, O(classes x devices of the
  // set); both vectorised over classes. No allocation.
  class Node {
   public:
    // REQUIRES: `fragmentation` and `devices` outlive this. Amounts that are free may be negative.
    Node(const Fragmentation& fragmentation, std::span<const DeviceRow> devices,
         int32_t free_cpu_milli, int32_t free_memory_mib);

    // F before less F after, in thousandths of a device times total_weight(): the task takes so
    // much of the node, and `share_milli` of each device at the positions.
    int64_t Change(int32_t cpu_milli, int32_t memory_mib, std::span<const uint16_t> positions,
                   int32_t share_milli) const;

   private:
    friend class Fragmentation;
    // By class: devices with room for one such task, and what is free on the others in thousandths.
    struct Counts {
      std::array<int32_t, kMostClasses> with_room;
      std::array<int32_t, kMostClasses> useless;
    };

    const Fragmentation& of_;
    const std::span<const DeviceRow> devices_;
    const int32_t free_cpu_milli_;
    const int32_t free_memory_mib_;
    int64_t free_milli_ = 0;  // of all devices
    int64_t weighted_ = 0;    // F x total weight
    Counts counts_;
  };

  int64_t total_weight() const { return total_weight_; }
  KindId kind() const { return kind_; }

 private:
  bool IsOfKind(const DeviceRow& device) const { return device.kind == kind_ && device.healthy; }
  // So many devices like this one more, or less, of each of which so much is free.
  void Count(const DeviceRow& device, int32_t free, int32_t change, Node::Counts& counts) const;
  // F x total weight.
  int64_t Weighted(int64_t free_milli, const Node::Counts& counts, int32_t free_cpu_milli,
                   int32_t free_memory_mib) const;

  const KindId kind_;
  int64_t total_weight_ = 0;
  // Columns of the classes that need devices, filled up with such of weight 0.
  std::vector<int32_t> cpu_milli_, memory_mib_, devices_, share_milli_, weights_;
  std::vector<std::vector<ModelId>> models_;
  bool has_models_ = false;
};

}  // namespace berth::plugins
