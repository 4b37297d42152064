// The nodes of the cluster, as columns.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/aligned_vector.h"
#include "berth/labels.h"
#include "berth/node_columns.h"
#include "berth/reserve.h"
#include "berth/task_view.h"
#include "state/dictionary.h"
#include "state/dirty_log.h"
#include "state/latency_matrix.h"
#include "state/node_spec.h"
#include "state/outside_scores.h"
#include "state/shared_resource.h"
#include "state/topology.h"

namespace berth::state {

// Names of labels, taints, resources, device kinds and models, and their numbers.
struct Names {
  Dictionary labels;  // LabelName
  Dictionary keys;
  Dictionary taints;  // "key\0value\0effect"
  Dictionary kinds;
  Dictionary models;
  Dictionary extended;  // extended resources; number i has column kFirstExtended + i
};

// "key\0value".
std::string LabelName(std::string_view key, std::string_view value);

// Column of a resource by the name that people use ("cpu", "memory", "storage", "bandwidth" or an
// extended one). RESOURCE_EXHAUSTED when it would be the (kMaxResources + 1)th.
absl::StatusOr<ResourceIndex> ResourceColumn(Names& names, std::string_view name);
std::string ResourceName(const Names& names, ResourceIndex resource);

// A structure of arrays over slots.
//
// Invariants: every column has size() entries; a slot without a node has capacity and allocation 0
// and is in no mask; 0 <= allocated, and allocated <= capacity unless a node re-registered smaller;
// rank is RankOf(seed, slot, table capacity); device rows of a slot stand in inventory order.
//
// Threading: owned by the loop's thread. Cost: O(resources + labels + devices) for a node's
// registration, O(resources + grants) for Allocate and Release.
class NodeTable final : public NodeColumns {
 public:
  // `seed` draws the ranks; it and the table's capacity are kept in the store.
  explicit NodeTable(uint64_t seed) : seed_(seed) {}

  // ---- changes ----

  // Registers a node, or takes over a new inventory of a known one; its allocation stays, in total
  // and on every device, by id. Returns its slot. Devices may have moved to other positions: who
  // keeps a reservation asks DevicePosition again.
  // RESOURCE_EXHAUSTED when its extended resources do not fit the columns, or its devices and those
  // that are still held are too many to be numbered; nothing is changed then.
  absl::StatusOr<Slot> Put(const NodeSpec& spec);
  // REQUIRES: nothing is allocated on it. The slot may be reused with a higher generation.
  void Remove(Slot slot);
  // As Put, at exactly this slot with this generation: for recovery.
  absl::Status Restore(Slot slot, uint32_t generation, const NodeSpec& spec);

  void SetReady(Slot slot, bool ready);
  void SetCordoned(Slot slot, bool cordoned);
  // What NodeColumns::usage() says of the node. REQUIRES: a node is there; -1 <= steps <=
  // kUsageSteps.
  void SetUsage(Slot slot, int32_t steps);
  // The same of class_usage().
  void SetClassUsage(Slot slot, ComputationClass bound_by, int32_t steps);

  // Position of a device, for reservations. One that the node does not report gets a place past its
  // inventory, where nothing is put on it any more; it is dropped when nobody holds it.
  // REQUIRES: a node is in the slot.
  uint16_t DevicePosition(Slot slot, const std::string& id);

  // Takes a task's amounts, or gives exactly them back.
  // REQUIRES: a node is there, and the devices are its; for Release, the same amounts were taken.
  void Allocate(Slot slot, const TaskRequirements& needs, const Reservation& reservation);
  void Release(Slot slot, const TaskRequirements& needs, const Reservation& reservation);

  // Counts a task that holds resources in other counters than those that it is counted in.
  // REQUIRES: no trial is on. Cost: O(counters of both).
  void Recount(Slot slot, std::span<const CounterId> before, std::span<const CounterId> after);

  // Counts a task that holds resources as bound by something else. REQUIRES: no trial is on.
  void Reclass(Slot slot, const TaskRequirements& before, const TaskRequirements& after);

  // ---- trials: what is allocated and released from Begin on can be undone ----

  // REQUIRES: no trial is on, or for the other two, one is. Until its end nothing but allocations
  // and releases changes, and their requirements stay where they are.
  void BeginTrial();
  void KeepTrial();
  // Everything is as it was at Begin, and so are the logs, unless they do not reach back so far:
  // then they have what was undone as changes. Cost: O(what is undone).
  void UndoTrial();
  // What the log of changes had at Begin.
  uint64_t trial_mark() const { return trial_->changes; }

  // Counts tasks by the domains of a key, until it is removed. REQUIRES, to remove it: nothing is
  // counted in it.
  CounterId AddCounter(KeyId key);
  void RemoveCounter(CounterId counter) { topology_.RemoveCounter(counter); }
  const Topology& topology() const { return topology_; }
  // Counts the nodes that have some data, by name, until the counter is removed.
  CounterId AddDataCounter(KeyId key, const std::string& data);
  void RemoveDataCounter(CounterId counter, const std::string& data);

  // What nodes have measured of the ways to one another.
  LatencyMatrix& latencies() { return latencies_; }
  const LatencyMatrix& latencies() const { return latencies_; }
  // One more rule, or one less, by how near the domains of a key are. REQUIRES: the key has a
  // counter.
  void WatchNearness(KeyId key) { latencies_.Watch(key, topology_); }
  void UnwatchNearness(KeyId key) { latencies_.Unwatch(key); }

  // Scores by shape that came from outside. A node that is new in its slot has none.
  OutsideScores& outside_scores() { return outside_scores_; }
  const OutsideScores& outside_scores() const { return outside_scores_; }

  // ---- resources that belong to no node ----

  // Puts those of the configuration in force. One that is known by its name keeps its number and
  // takes the new capacity; one that is not named any more has no limit for those who have it.
  // REQUIRES: names are distinct, and no known one has another topology key.
  void SetSharedResources(std::span<const SharedResourceSpec> specs);
  // In the order of their numbers.
  std::span<const SharedResource> shared_resources() const { return shared_; }
  // Null when the configuration has none of that name.
  const SharedResource* FindShared(std::string_view name) const;

  // ---- one node ----

  // kNoSlot when there is no such node.
  Slot Find(std::string_view name) const;
  // REQUIRES: a node is in the slot, for each of these.
  const NodeSpec& spec(Slot slot) const;
  std::shared_ptr<const NodeSpec> spec_ptr(Slot slot) const { return specs_[slot]; }
  const std::string& name(Slot slot) const { return spec(slot).name; }
  uint32_t generation(Slot slot) const { return generations_[slot]; }
  int32_t task_count(Slot slot) const { return task_counts_[slot]; }
  bool Holds(Slot slot) const { return slot < size() && live_.Test(slot); }
  // Device ids by a reservation's positions.
  std::vector<std::string> DeviceIds(Slot slot, const Reservation& reservation) const;

  // Slots that hold a node, in order of name: for lists and for explanations.
  const std::map<std::string, Slot, std::less<>>& by_name() const { return by_name_; }

  Names& names() { return names_; }
  const Names& names() const { return names_; }
  uint64_t seed() const { return seed_; }
  // Slots that ranks are drawn over: a power of two >= size(). Doubling redraws them.
  uint32_t rank_capacity() const { return rank_capacity_; }

  // Slots by what became of them: all that changed; those of which more changed than what is
  // allocated and in use (registration, removal, labels, taints, size, ready, cordon); those whose
  // measured use changed; and those that may have become able to hold
  // more, so that what was parked is worth another look.
  const DirtyLog& changes() const { return changes_; }
  const DirtyLog& static_changes() const { return static_changes_; }
  const DirtyLog& usage_changes() const { return usage_changes_; }
  const DirtyLog& improvements() const { return improvements_; }

  // ---- NodeColumns ----
  size_t size() const override { return specs_.size(); }
  uint32_t resource_count() const override { return kFirstExtended + names_.extended.size(); }
  std::span<const int32_t> capacity(ResourceIndex resource) const override;
  std::span<const int32_t> allocated(ResourceIndex resource) const override;
  std::span<const float> inverse_capacity(ResourceIndex resource) const override;
  std::span<const uint32_t> rank() const override { return ranks_; }
  const NodeMask& live() const override { return live_; }
  const NodeMask& ready() const override { return ready_; }
  const NodeMask& cordoned() const override { return cordoned_; }
  const NodeMask& with_label(LabelId label) const override;
  const NodeMask& with_key(KeyId key) const override;
  std::span<const LabelId> labels_of_key(KeyId key) const override;
  bool integer_value(LabelId label, int64_t& value) const override;
  int32_t shared_capacity(uint32_t resource) const override { return shared_[resource].capacity; }
  std::span<const int32_t> domains(KeyId key) const override { return topology_.domains(key); }
  std::span<const int32_t> counts(CounterId counter) const override {
    return topology_.counts(counter);
  }
  int64_t count_in_all(CounterId counter) const override { return topology_.total(counter); }
  std::span<const int32_t> nearness(KeyId key, int32_t domain) const override {
    return latencies_.Nearness(key, domain);
  }
  uint32_t taint_count() const override { return names_.taints.size(); }
  const NodeMask& with_taint(TaintId taint) const override;
  TaintEffect effect(TaintId taint) const override;
  bool Tolerates(std::span<const Toleration> tolerations, TaintId taint) const override;
  std::span<const DeviceRow> devices(Slot slot) const override;
  std::span<const DeviceUse> device_uses(Slot slot) const override { return device_uses_[slot]; }
  std::span<const int32_t> idle_devices() const override { return idle_devices_; }
  std::span<const int32_t> usage() const override { return usage_; }
  std::span<const int32_t> class_usage(ComputationClass bound_by) const override {
    return class_usage_[static_cast<size_t>(bound_by)];
  }
  std::span<const int32_t> class_cpu(ComputationClass bound_by) const override {
    return class_cpu_[static_cast<size_t>(bound_by)];
  }
  std::span<const int32_t> class_tasks(ComputationClass bound_by) const override {
    return class_tasks_[static_cast<size_t>(bound_by)];
  }
  std::span<const Slot> nodes_with_data(std::string_view name) const override {
    const auto it = data_.find(name);
    return it == data_.end() ? std::span<const Slot>() : it->second.nodes;
  }
  const NodeMask& with_device_kind(KindId kind) const override;

  // Interning for ever, with the key of each pair and taint kept known.
  LabelId InternLabel(std::string_view key, std::string_view value);
  KeyId InternKey(std::string_view key);
  TaintId InternTaint(const TaintSpec& taint);
  const TaintSpec& TaintOf(TaintId taint) const { return taints_[taint.value]; }
  // "key=value".
  std::string LabelText(LabelId label) const;

 private:
  struct LabelInfo {
    KeyId key;
    int32_t domain = 0;  // position among the key's labels
    std::optional<int64_t> integer;
    NodeMask nodes;
  };
  struct KeyInfo {
    std::vector<LabelId> labels;
    NodeMask nodes;
  };

  void Grow(size_t slots);
  void SetCapacity(Slot slot, ResourceIndex resource, int32_t amount);
  // Notes that more of a slot changed than what is allocated on it.
  void NoteStatic(Slot slot, bool may_hold_more);
  void Describe(Slot slot, const NodeSpec& spec);  // posting bitmaps, capacity, device rows
  void DescribeDevices(Slot slot, const NodeSpec& spec);
  // A task more, or less, that holds such devices.
  void CountUse(Slot slot, const DeviceNeed& need, int32_t change);
  void CountIdle(Slot slot);
  // Counts a task in the columns of what it is bound by, or takes it back.
  void CountClass(Slot slot, const TaskRequirements& needs, int32_t change);
  void Undescribe(Slot slot);
  void DescribeData(Slot slot, const NodeSpec& spec);
  void UndescribeData(Slot slot);
  const std::string& DeviceId(Slot slot, size_t position) const;

  const uint64_t seed_;
  Names names_;
  uint32_t rank_capacity_ = 64;
  DirtyLog changes_, static_changes_, usage_changes_, improvements_;
  // What a trial did, in order.
  struct TrialStep {
    Slot slot;
    const TaskRequirements* needs;
    Reservation reservation;
    bool is_release;
  };
  struct Trial {
    uint64_t changes = 0;  // ends of the logs
    uint64_t improvements = 0;
    std::vector<TrialStep> steps;
  };
  std::optional<Trial> trial_;
  std::map<std::string, Slot, std::less<>> by_name_;
  std::vector<Slot> free_slots_;

  // Columns, by slot.
  std::vector<std::shared_ptr<const NodeSpec>> specs_;  // null: no node
  std::vector<uint32_t> generations_;
  base::AlignedVector<uint32_t> ranks_;
  std::vector<int32_t> task_counts_;
  std::array<base::AlignedVector<int32_t>, kMaxResources> capacity_;
  std::array<base::AlignedVector<int32_t>, kMaxResources> allocated_;
  std::array<base::AlignedVector<float>, kMaxResources> inverse_capacity_;
  std::vector<std::vector<DeviceRow>> devices_;
  std::vector<std::vector<DeviceUse>> device_uses_;
  base::AlignedVector<int32_t> idle_devices_;
  base::AlignedVector<int32_t> usage_;
  std::array<base::AlignedVector<int32_t>, kComputationClasses> class_usage_, class_cpu_,
      class_tasks_;
  Topology topology_;
  // By name: who has it, and who counts them.
  struct Data {
    std::vector<Slot> nodes;  // in rising order
    std::vector<CounterId> counters;
  };
  std::map<std::string, Data, std::less<>> data_;
  LatencyMatrix latencies_;
  OutsideScores outside_scores_;
  std::vector<SharedResource> shared_;
  std::vector<std::vector<std::string>> missing_devices_;  // ids of the rows past the inventory
  NodeMask live_, ready_, cordoned_;

  // Applies `change` to every posting bitmap.
  template <typename Change>
  void ChangePostings(Change change);

  // By id, of what is interned for ever: jobs may name any number of labels, keys and kinds that no
  // node has.
  std::map<uint32_t, LabelInfo> labels_;
  std::map<uint32_t, KeyInfo> keys_;
  std::map<uint32_t, NodeMask> with_kind_;
  std::vector<NodeMask> with_taint_;
  std::vector<TaintSpec> taints_;
  std::vector<KeyId> taint_keys_;
  std::vector<LabelId> taint_pairs_;
  NodeMask empty_;  // size() bits, none set
};

}  // namespace berth::state
