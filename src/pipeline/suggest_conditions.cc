#include <string>
#include <utility>

#include "base/status_macros.h"
#include "pipeline/reason_text.h"
#include "pipeline/suggestion_finders.h"

namespace berth::pipeline {
namespace {

// "with X it fits n1 now", "with X it could run on n1".
std::string Outcome(const WhatIf& what_if, const std::string& change, const std::string& node) {
  return change + (what_if.goal() == Goal::kFitsNow ? " it fits " + node + " now"
                                                    : " it could run on " + node);
}

// The taints of the first node that would do if taints did not matter.
absl::Status SuggestTolerating(const WhatIf& what_if, std::vector<Suggestion>& suggestions) {
  const state::NodeTable& table = what_if.table();
  TaskRequirements changed = what_if.needs();
  changed.tolerations = {Toleration{}};  // everything
  BERTH_ASSIGN_OR_RETURN(const NodeMask fit, what_if.Nodes(changed));
  if (!fit.Any()) return absl::OkStatus();
  const Slot slot = what_if.FirstByName(fit);
  changed.tolerations = what_if.needs().tolerations;
  Suggestion suggestion{.kind = SuggestionKind::kTolerate, .field = "tolerations"};
  for (uint32_t i = 0; i < table.taint_count(); ++i) {
    const TaintId taint{i};
    if (!table.with_taint(taint).Test(slot) ||
        table.effect(taint) == TaintEffect::kPreferNoSchedule ||
        table.Tolerates(changed.tolerations, taint)) {
      continue;
    }
    const state::TaintSpec& spec = table.TaintOf(taint);
    Toleration toleration;
    toleration.key = KeyId{table.names().keys.Find(spec.key)};
    toleration.key_value =
        LabelId{table.names().labels.Find(state::LabelName(spec.key, spec.value))};
    toleration.effect = spec.effect;
    changed.tolerations.push_back(toleration);
    suggestion.value += (suggestion.value.empty() ? "" : ", ") + state::ToString(spec);
    suggestion.change +=
        (suggestion.change.empty() ? "--tolerate " : " --tolerate ") + state::ToString(spec);
  }
  BERTH_ASSIGN_OR_RETURN(const NodeMask fit_now, what_if.Nodes(changed));
  if (suggestion.value.empty() || !fit_now.Any()) return absl::OkStatus();
  suggestion.node = table.name(what_if.FirstByName(fit_now));
  suggestion.text = Outcome(what_if, "with " + suggestion.change, suggestion.node);
  suggestions.push_back(std::move(suggestion));
  return absl::OkStatus();
}

// "its spread over zone".
std::string RuleText(const state::NodeTable& table, const TermUse& term) {
  const std::string& key = table.names().keys.Name(term.key.value);
  switch (term.kind) {
    case TermKind::kAffinity:
      return "its affinity over " + key;
    case TermKind::kAntiAffinity:
      return "its anti-affinity over " + key;
    case TermKind::kSpread:
      return "its spread over " + key;
    case TermKind::kNearTasks:
    case TermKind::kNearData:
      break;  // they keep nobody away
  }
  return "";
}

// Tries requirements from which one condition, named by a key of the job file, was left out.
absl::Status TryWithout(const WhatIf& what_if, const TaskRequirements& changed, std::string field,
                        std::string value, const std::string& words,
                        std::vector<Suggestion>& suggestions) {
  BERTH_ASSIGN_OR_RETURN(const NodeMask fit, what_if.Nodes(changed));
  if (!fit.Any()) return absl::OkStatus();
  Suggestion suggestion{
      .kind = SuggestionKind::kDrop, .field = std::move(field), .value = std::move(value)};
  suggestion.node = what_if.table().name(what_if.FirstByName(fit));
  suggestion.change = "without " + words;
  suggestion.text = Outcome(what_if, suggestion.change, suggestion.node);
  suggestions.push_back(std::move(suggestion));
  return absl::OkStatus();
}

absl::Status SuggestDropping(const WhatIf& what_if, std::vector<Suggestion>& suggestions) {
  const TaskRequirements& needs = what_if.needs();
  const state::NodeTable& table = what_if.table();
  for (size_t i = 0; i < needs.node_selector.size(); ++i) {
    TaskRequirements changed = needs;
    changed.node_selector.erase(changed.node_selector.begin() + static_cast<std::ptrdiff_t>(i));
    const std::string label = table.LabelText(needs.node_selector[i]);
    BERTH_RETURN_IF_ERROR(
        TryWithout(what_if, changed, "nodeSelector", label, "nodeSelector " + label, suggestions));
  }
  if (!needs.required_nodes.empty()) {
    TaskRequirements changed = needs;
    changed.required_nodes.clear();
    BERTH_RETURN_IF_ERROR(TryWithout(what_if, changed, "nodeAffinity.required", "",
                                     "its required node affinity", suggestions));
  }
  for (size_t i = 0; i < needs.devices.size(); ++i) {
    if (!needs.devices[i].has_box()) continue;
    TaskRequirements changed = needs;
    changed.devices[i].box = {};
    const std::string box = BoxText(needs.devices[i].box);
    BERTH_RETURN_IF_ERROR(TryWithout(what_if, changed, "devices[" + std::to_string(i) + "].box",
                                     box, "its box " + box, suggestions));
  }
  for (size_t i = 0; i < needs.terms.size(); ++i) {
    if (needs.terms[i].weight != 0) continue;
    TaskRequirements changed = needs;
    changed.terms.erase(changed.terms.begin() + static_cast<std::ptrdiff_t>(i));
    BERTH_RETURN_IF_ERROR(TryWithout(what_if, changed, "terms[" + std::to_string(i) + "]", "",
                                     RuleText(table, needs.terms[i]), suggestions));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Suggestion>> SuggestFewerConditions(const WhatIf& what_if) {
  std::vector<Suggestion> suggestions;
  BERTH_RETURN_IF_ERROR(SuggestTolerating(what_if, suggestions));
  BERTH_RETURN_IF_ERROR(SuggestDropping(what_if, suggestions));
  return suggestions;
}

}  // namespace berth::pipeline
