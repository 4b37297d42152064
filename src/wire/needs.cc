#include "wire/needs.h"

#include <string>

#include "wire/amounts.h"

namespace berth::wire {
namespace {

v1::LabelSelector ToProto(const state::LabelSelectorSpec& selector) {
  v1::LabelSelector out;
  for (const state::LabelRequirementSpec& requirement : selector) {
    v1::LabelRequirement& to = *out.add_requirements();
    to.set_key(requirement.key);
    to.set_op(static_cast<v1::SelectorOperator>(static_cast<int>(requirement.op) + 1));
    for (const std::string& value : requirement.values) to.add_values(value);
    if (requirement.op == SelectorOp::kGreater || requirement.op == SelectorOp::kLess) {
      to.add_values(std::to_string(requirement.bound));
    }
  }
  return out;
}

}  // namespace

void PutNeeds(const state::NeedsSpec& needs, v1::TaskTemplate& out) {
  *out.mutable_resources() = ToResources(needs.requests);
  for (const state::DeviceNeedSpec& need : needs.devices) {
    v1::DeviceRequest& device = *out.add_devices();
    device.set_kind(need.kind);
    device.set_count(need.count);
    if (need.share_milli != 1000) device.set_share_milli(need.share_milli);
    if (need.memory_mib != 0) device.set_memory_bytes(need.memory_mib * kMemoryQuantumBytes);
    for (const std::string& model : need.models) device.add_models(model);
    for (const int32_t extent : need.box) device.add_box(extent);
  }
  out.mutable_node_selector()->insert(needs.node_selector.begin(), needs.node_selector.end());
  for (const state::LabelSelectorSpec& selector : needs.required_nodes) {
    *out.mutable_node_affinity()->add_required() = ToProto(selector);
  }
  for (const state::PreferredNodesSpec& preferred : needs.preferred_nodes) {
    v1::PreferredNodes& to = *out.mutable_node_affinity()->add_preferred();
    to.set_weight(preferred.weight);
    *to.mutable_selector() = ToProto(preferred.selector);
  }
  for (const state::TolerationSpec& toleration : needs.tolerations) {
    v1::Toleration& to = *out.add_tolerations();
    to.set_key(toleration.key);
    if (toleration.value) to.set_value(*toleration.value);
    if (toleration.effect) {
      to.set_effect(static_cast<v1::TaintEffect>(static_cast<int>(*toleration.effect) + 1));
    }
  }
  for (const state::TermSpec& term : needs.terms) {
    v1::Term& to = *out.add_terms();
    const bool is_near_data = term.kind == TermKind::kNearData;
    to.set_kind(is_near_data ? v1::TERM_KIND_NEAR
                             : static_cast<v1::TermKind>(static_cast<int>(term.kind) + 1));
    to.set_data(term.data);
    to.set_topology_key(term.topology_key);
    if (!term.selector.empty()) *to.mutable_selector() = ToProto(term.selector);
    for (const std::string& ns : term.namespaces) to.add_namespaces(ns);
    if (term.kind == TermKind::kSpread) to.set_max_skew(term.max_skew);
    to.set_preferred(term.weight != 0);
    to.set_weight(term.weight);
  }
}

}  // namespace berth::wire
