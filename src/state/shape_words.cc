#include "state/shape_words.h"

#include <string>
#include <utility>

namespace berth::state {
namespace {

// Key and value of a label.
std::pair<std::string, std::string> PairOf(LabelId label, const Names& names) {
  const std::string& name = names.labels.Name(label.value);
  const size_t end = name.find('\0');
  return {name.substr(0, end), name.substr(end + 1)};
}

LabelSelectorSpec WordsOf(const LabelSelector& selector, const Names& names) {
  LabelSelectorSpec words;
  for (const LabelRequirement& requirement : selector) {
    LabelRequirementSpec& to = words.emplace_back();
    to.op = requirement.op;
    to.key = names.keys.Name(requirement.key.value);
    to.bound = requirement.bound;
    for (const LabelId label : requirement.values) {
      to.values.push_back(PairOf(label, names).second);
    }
  }
  return words;
}

}  // namespace

NeedsSpec WordsOf(const TaskRequirements& needs, const NodeTable& nodes) {
  const Names& names = nodes.names();
  NeedsSpec words;
  for (ResourceIndex i = 0; i < kFirstExtended; ++i) words.requests.builtin[i] = needs.requests[i];
  for (ResourceIndex i = kFirstExtended; i < needs.resource_count; ++i) {
    if (needs.requests[i] == 0) continue;
    words.requests.extended.emplace_back(ResourceName(names, i), needs.requests[i]);
  }
  for (const SharedUse& use : needs.shared) {
    words.requests.extended.emplace_back(nodes.shared_resources()[use.resource].name, use.amount);
  }
  for (const DeviceNeed& need : needs.devices) {
    DeviceNeedSpec& to = words.devices.emplace_back();
    to.kind = names.kinds.Name(need.kind.value);
    to.count = need.count;
    to.share_milli = need.share_milli;
    to.memory_mib = need.memory_mib;
    for (const ModelId model : need.models) to.models.push_back(names.models.Name(model.value));
    if (need.has_box()) to.box.assign(need.box.begin(), need.box.end());
  }
  for (const LabelId label : needs.node_selector) {
    words.node_selector.insert(PairOf(label, names));
  }
  for (const LabelSelector& selector : needs.required_nodes) {
    words.required_nodes.push_back(WordsOf(selector, names));
  }
  for (const PreferredNodes& preferred : needs.preferred_nodes) {
    words.preferred_nodes.push_back({preferred.weight, WordsOf(preferred.selector, names)});
  }
  for (const Toleration& toleration : needs.tolerations) {
    TolerationSpec& to = words.tolerations.emplace_back();
    if (toleration.key) to.key = names.keys.Name(toleration.key->value);
    if (toleration.key_value) to.value = PairOf(*toleration.key_value, names).second;
    to.effect = toleration.effect;
  }
  return words;
}

}  // namespace berth::state
