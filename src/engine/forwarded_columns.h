// The columns of another view, for those that differ from it in some.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "berth/node_columns.h"

namespace berth::engine {

// Answers as `base` does, which outlives this and does not change. Derive from it, and override
// what is to be other.
class ForwardedColumns : public NodeColumns {
 public:
  explicit ForwardedColumns(const NodeColumns& base) : base_(base) {}

  size_t size() const override { return base_.size(); }
  uint32_t resource_count() const override { return base_.resource_count(); }
  std::span<const int32_t> capacity(ResourceIndex resource) const override {
    return base_.capacity(resource);
  }
  std::span<const int32_t> allocated(ResourceIndex resource) const override {
    return base_.allocated(resource);
  }
  std::span<const float> inverse_capacity(ResourceIndex resource) const override {
    return base_.inverse_capacity(resource);
  }
  std::span<const uint32_t> rank() const override { return base_.rank(); }
  const NodeMask& live() const override { return base_.live(); }
  const NodeMask& ready() const override { return base_.ready(); }
  const NodeMask& cordoned() const override { return base_.cordoned(); }
  const NodeMask& with_label(LabelId label) const override { return base_.with_label(label); }
  const NodeMask& with_key(KeyId key) const override { return base_.with_key(key); }
  std::span<const LabelId> labels_of_key(KeyId key) const override {
    return base_.labels_of_key(key);
  }
  bool integer_value(LabelId label, int64_t& value) const override {
    return base_.integer_value(label, value);
  }
  std::span<const int32_t> domains(KeyId key) const override { return base_.domains(key); }
  std::span<const int32_t> counts(CounterId counter) const override {
    return base_.counts(counter);
  }
  int64_t count_in_all(CounterId counter) const override { return base_.count_in_all(counter); }
  std::span<const int32_t> nearness(KeyId key, int32_t domain) const override {
    return base_.nearness(key, domain);
  }
  int32_t shared_capacity(uint32_t resource) const override {
    return base_.shared_capacity(resource);
  }
  uint32_t taint_count() const override { return base_.taint_count(); }
  const NodeMask& with_taint(TaintId taint) const override { return base_.with_taint(taint); }
  TaintEffect effect(TaintId taint) const override { return base_.effect(taint); }
  bool Tolerates(std::span<const Toleration> tolerations, TaintId taint) const override {
    return base_.Tolerates(tolerations, taint);
  }
  std::span<const DeviceRow> devices(Slot slot) const override { return base_.devices(slot); }
  std::span<const DeviceUse> device_uses(Slot slot) const override {
    return base_.device_uses(slot);
  }
  std::span<const int32_t> idle_devices() const override { return base_.idle_devices(); }
  std::span<const int32_t> usage() const override { return base_.usage(); }
  std::span<const int32_t> class_usage(ComputationClass bound_by) const override {
    return base_.class_usage(bound_by);
  }
  std::span<const int32_t> class_cpu(ComputationClass bound_by) const override {
    return base_.class_cpu(bound_by);
  }
  std::span<const int32_t> class_tasks(ComputationClass bound_by) const override {
    return base_.class_tasks(bound_by);
  }
  std::span<const Slot> nodes_with_data(std::string_view name) const override {
    return base_.nodes_with_data(name);
  }
  const NodeMask& with_device_kind(KindId kind) const override {
    return base_.with_device_kind(kind);
  }

 protected:
  const NodeColumns& base() const { return base_; }

 private:
  const NodeColumns& base_;
};

}  // namespace berth::engine
