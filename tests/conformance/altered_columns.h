// Columns that are like others but for some.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "berth/node_columns.h"
#include "berth/plugin.h"
#include "engine/forwarded_columns.h"

namespace berth::testing {

// The columns of `base`, with those of `other` in the kinds of `altered`.
//
// REQUIRES: both have the same size and the same numbers for names, and outlive this.
class MixedColumns final : public engine::ForwardedColumns {
 public:
  MixedColumns(const NodeColumns& base, const NodeColumns& other, Reads altered)
      : ForwardedColumns(base), other_(other), altered_(altered) {}

  std::span<const uint32_t> rank() const override { return other_.rank(); }  // not for plugins

  std::span<const int32_t> capacity(ResourceIndex resource) const override {
    return From(kReadsStatic).capacity(resource);
  }
  std::span<const int32_t> allocated(ResourceIndex resource) const override {
    return From(kReadsAllocation).allocated(resource);
  }
  std::span<const float> inverse_capacity(ResourceIndex resource) const override {
    return From(kReadsStatic).inverse_capacity(resource);
  }
  const NodeMask& ready() const override { return From(kReadsStatic).ready(); }
  const NodeMask& cordoned() const override { return From(kReadsStatic).cordoned(); }
  const NodeMask& with_label(LabelId label) const override {
    return From(kReadsStatic).with_label(label);
  }
  const NodeMask& with_key(KeyId key) const override { return From(kReadsStatic).with_key(key); }
  std::span<const LabelId> labels_of_key(KeyId key) const override {
    return From(kReadsStatic).labels_of_key(key);
  }
  std::span<const int32_t> domains(KeyId key) const override {
    return From(kReadsStatic).domains(key);
  }
  std::span<const int32_t> counts(CounterId counter) const override {
    return From(kReadsTerms).counts(counter);
  }
  int64_t count_in_all(CounterId counter) const override {
    return From(kReadsTerms).count_in_all(counter);
  }
  std::span<const int32_t> nearness(KeyId key, int32_t domain) const override {
    return From(kReadsTerms).nearness(key, domain);
  }
  int32_t shared_capacity(uint32_t resource) const override {
    return From(kReadsTerms).shared_capacity(resource);
  }
  const NodeMask& with_taint(TaintId taint) const override {
    return From(kReadsStatic).with_taint(taint);
  }
  std::span<const DeviceRow> devices(Slot slot) const override {
    return From(kReadsDevices).devices(slot);
  }
  std::span<const DeviceUse> device_uses(Slot slot) const override {
    return From(kReadsDevices).device_uses(slot);
  }
  std::span<const int32_t> idle_devices() const override {
    return From(kReadsDevices).idle_devices();
  }
  std::span<const int32_t> usage() const override { return From(kReadsUsage).usage(); }
  std::span<const int32_t> class_usage(ComputationClass bound_by) const override {
    return From(kReadsUsage).class_usage(bound_by);
  }
  std::span<const int32_t> class_cpu(ComputationClass bound_by) const override {
    return From(kReadsAllocation).class_cpu(bound_by);
  }
  std::span<const int32_t> class_tasks(ComputationClass bound_by) const override {
    return From(kReadsAllocation).class_tasks(bound_by);
  }
  std::span<const Slot> nodes_with_data(std::string_view name) const override {
    return From(kReadsStatic).nodes_with_data(name);
  }
  const NodeMask& with_device_kind(KindId kind) const override {
    return From(kReadsDevices).with_device_kind(kind);
  }

 private:
  const NodeColumns& From(Reads reads) const { return (altered_ & reads) != 0 ? other_ : base(); }

  const NodeColumns& other_;
  const Reads altered_;
};

// The columns of `base` as they could be at best: everything released, every agent connected, no
// node cordoned, every device well.
class EmptiedColumns final : public engine::ForwardedColumns {
 public:
  // REQUIRES: `base` outlives this and does not change.
  explicit EmptiedColumns(const NodeColumns& base)
      : ForwardedColumns(base), zeros_(base.size(), 0), none_(base.size()) {
    for (Slot slot = 0; slot < base.size(); ++slot) {
      const auto rows = base.devices(slot);
      devices_.emplace_back(rows.begin(), rows.end());
      for (DeviceRow& row : devices_.back()) {
        row.allocated_milli = 0;
        row.allocated_memory_mib = 0;
        row.healthy = true;
      }
      idle_.push_back(devices_.back().empty() ? 0 : kMaxScore);
    }
  }

  std::span<const int32_t> allocated(ResourceIndex) const override { return zeros_; }
  const NodeMask& ready() const override { return live(); }
  const NodeMask& cordoned() const override { return none_; }
  std::span<const int32_t> counts(CounterId counter) const override {
    return std::span(no_tasks_).first(base().counts(counter).size());
  }
  int64_t count_in_all(CounterId) const override { return 0; }
  std::span<const DeviceRow> devices(Slot slot) const override { return devices_[slot]; }
  std::span<const DeviceUse> device_uses(Slot) const override { return {}; }
  std::span<const int32_t> idle_devices() const override { return idle_; }

 private:
  const std::vector<int32_t> zeros_;
  const std::vector<int32_t> no_tasks_ = std::vector<int32_t>(1024, 0);  // by domain
  const NodeMask none_;
  std::vector<std::vector<DeviceRow>> devices_;
  std::vector<int32_t> idle_;
};

}  // namespace berth::testing
