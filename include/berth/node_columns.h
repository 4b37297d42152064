// The cluster as a plugin sees it: columns, in which position i of each is the node in slot i.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "berth/computation_class.h"
#include "berth/ids.h"
#include "berth/labels.h"
#include "berth/node_mask.h"
#include "berth/resources.h"
#include "berth/terms.h"

namespace berth {

// Where a device stands among its node's devices of its kind, where those are joined as a torus or
// as a mesh, which is a torus that nowhere wraps.
struct TorusPlace {
  std::array<uint8_t, kTorusAxes> at{};  // below the extents
  std::array<uint8_t, kTorusAxes>
      extent{};       // of the torus; 1 on axes that it lacks; 0: in no torus
  uint8_t wraps = 0;  // bit a: on axis a the last place is beside the first

  bool operator==(const TorusPlace&) const = default;
};

// One accelerator. Rows of a node lie together, in the order of its inventory.
struct DeviceRow {
  KindId kind;
  ModelId model;
  int32_t memory_mib = 0;            // in all
  int32_t allocated_milli = 0;       // 0 to 1000
  int32_t allocated_memory_mib = 0;  // held by tasks that share it
  int16_t numa_node = -1;            // -1: not known
  bool healthy = true;
  TorusPlace torus;
  // Bit p: joined to the node's device number p by something faster than PCIe. Devices past 63 are
  // not in anybody's mask.
  uint64_t fast_links = 0;
};

// Tasks on one node that hold devices of one kind, and equally many of them.
struct DeviceUse {
  KindId kind;
  int32_t devices = 0;  // of each task; 0: a share of one
  int32_t tasks = 0;    // at least 1

  bool operator==(const DeviceUse&) const = default;
};

// A view, valid until the node table changes. Slots without a node are in no mask and have
// capacity 0.
//
// Threading: read by the loop's thread only.
class NodeColumns {
 public:
  virtual ~NodeColumns() = default;

  // Number of slots, with or without a node. The length of every column.
  virtual size_t size() const = 0;
  // Number of resource columns in use.
  virtual uint32_t resource_count() const = 0;

  // In quanta. REQUIRES: resource < kMaxResources. A resource that no node has is a column of 0.
  virtual std::span<const int32_t> capacity(ResourceIndex resource) const = 0;
  virtual std::span<const int32_t> allocated(ResourceIndex resource) const = 0;
  // 1 / capacity, rounded to the nearest; 0 where there is no capacity. For estimates of parts of a
  // capacity, which a multiplication gives where a division would take several times as long.
  virtual std::span<const float> inverse_capacity(ResourceIndex resource) const = 0;
  // Ties between equal totals go to the lower rank. A permutation of slot numbers over the table's
  // capacity.
  virtual std::span<const uint32_t> rank() const = 0;

  // Slots that hold a node; those whose agent is connected; those closed by an operator.
  virtual const NodeMask& live() const = 0;
  virtual const NodeMask& ready() const = 0;
  virtual const NodeMask& cordoned() const = 0;

  // Posting bitmaps; size() bits each. An id that no node has gives an empty set.
  virtual const NodeMask& with_label(LabelId label) const = 0;
  virtual const NodeMask& with_key(KeyId key) const = 0;
  // Every label of this key that some node has or had.
  virtual std::span<const LabelId> labels_of_key(KeyId key) const = 0;
  // True and sets `value` when the label's value is a decimal integer within int64.
  virtual bool integer_value(LabelId label, int64_t& value) const = 0;

  // The domain of each node under a key that a term, or a SharedUse, names. REQUIRES: some task's
  // does.
  virtual std::span<const int32_t> domains(KeyId key) const = 0;
  // What is counted in each of the key's domains, and in all of them together: tasks, nodes with
  // the data of a rule; of a SharedUse, amounts.
  virtual std::span<const int32_t> counts(CounterId counter) const = 0;
  virtual int64_t count_in_all(CounterId counter) const = 0;

  // How near a domain is to each domain of the key by measured round trips, by domain: 0 (far, or
  // nothing is known of the two) to kMaxNearness. Of domains past its end nothing is known; empty:
  // nor of this one. REQUIRES: some task's term of a near kind names the key; domain >= 0.
  virtual std::span<const int32_t> nearness(KeyId key, int32_t domain) const = 0;

  // How much there is, in each domain, of a resource that belongs to no node (licences, shared
  // storage, a rack's uplink). What is taken of it is counted: SharedUse::counter.
  virtual int32_t shared_capacity(uint32_t resource) const = 0;

  // Taints 0..n-1 that some node has or had, with the nodes that have each now.
  virtual uint32_t taint_count() const = 0;
  virtual const NodeMask& with_taint(TaintId taint) const = 0;
  virtual TaintEffect effect(TaintId taint) const = 0;
  virtual bool Tolerates(std::span<const Toleration> tolerations, TaintId taint) const = 0;

  // Devices of a node, in inventory order; empty for most. REQUIRES: slot < size().
  virtual std::span<const DeviceRow> devices(Slot slot) const = 0;
  // Who holds them, in order of (kind, devices). REQUIRES: slot < size().
  virtual std::span<const DeviceUse> device_uses(Slot slot) const = 0;
  // The part of a node's healthy devices, of all kinds, that is not given away, rounded down: 0 to
  // kMaxScore for none to all of them; 0 where there are none.
  virtual std::span<const int32_t> idle_devices() const = 0;
  // The part of each node that was in use lately by measurement, of CPU or of memory, whichever is
  // more, whatever is given away: 0 to kUsageSteps (all of it); -1: not known.
  virtual std::span<const int32_t> usage() const = 0;
  // The same of what tasks of a class are bound by: CPU, memory, the busiest disk, the network, all
  // accelerators together.
  virtual std::span<const int32_t> class_usage(ComputationClass bound_by) const = 0;
  // CPU, in quanta, that tasks hold which are thought to be bound by this.
  virtual std::span<const int32_t> class_cpu(ComputationClass bound_by) const = 0;
  // How many such tasks there are.
  virtual std::span<const int32_t> class_tasks(ComputationClass bound_by) const = 0;
  // Nodes that say they have a data set or a model of this name, in rising order. Cost: O(log n).
  virtual std::span<const Slot> nodes_with_data(std::string_view name) const = 0;
  // Nodes that have a device of this kind, free or not.
  virtual const NodeMask& with_device_kind(KindId kind) const = 0;
};

}  // namespace berth
