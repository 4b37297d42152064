#include "pipeline/explanation.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "engine/run_plugins.h"
#include "pipeline/all_nodes.h"
#include "pipeline/eligible_domains.h"
#include "pipeline/possible_nodes.h"
#include "pipeline/reason_text.h"
#include "pipeline/rejections.h"

namespace berth::pipeline {
namespace {

FilterOutcome ToOutcome(RejectionGroup group, const TaskRequirements& needs,
                        const state::NodeTable& table) {
  FilterOutcome outcome;
  outcome.plugin = std::string(group.filter->name());
  outcome.reason = group.reason;
  outcome.nodes = group.nodes;
  outcome.subject = SubjectText(group, table);
  outcome.requested = WireAmount(group, group.requested);
  outcome.largest_free = WireAmount(group, group.largest_free);
  outcome.largest_capacity = WireAmount(group, group.largest_capacity);
  outcome.text = GroupText(group, needs, table, Compare::kFree);
  outcome.examples = std::move(group.examples);
  return outcome;
}

// Runs the filters in profile order and counts each node for the first that removes it. `feasible`
// starts with every node and ends with those that fit.
absl::StatusOr<std::vector<RejectionGroup>> FilterAndCount(const Profile& profile,
                                                           const TaskView& task,
                                                           const state::NodeTable& table,
                                                           NodeMask& feasible) {
  RejectionTally tally(table);
  for (const FilterPlugin* filter : profile.filters()) {
    NodeMask removed = feasible;
    BERTH_RETURN_IF_ERROR(FilterAll(*filter, task, table, feasible));
    removed.AndNot(feasible);
    tally.StartFilter(*filter);
    if (!removed.Any()) continue;
    BERTH_RETURN_IF_ERROR(engine::Diagnose(*filter, task, table, removed, tally));
  }
  return tally.TakeGroups();
}

absl::StatusOr<NodeScore> ScoreOf(const Profile& profile, const TaskView& task,
                                  const state::NodeTable& table, Slot slot) {
  std::array<int32_t, engine::kMaxScorePlugins> scores{};
  engine::DeviceChoice devices;
  BERTH_RETURN_IF_ERROR(engine::ScoreSlot(profile.placing(), task, table, slot, scores, devices));
  NodeScore node;
  node.node = table.name(slot);
  node.slot = slot;
  node.rank = table.rank()[slot];
  for (size_t i = 0; i < profile.scores().size(); ++i) {
    const engine::WeightedScore& score = profile.scores()[i];
    node.plugins.push_back({std::string(score.name()), scores[i], score.weight});
    node.total += int64_t{scores[i]} * score.weight;
  }
  return node;
}

// The best nodes of a set, best first.
absl::StatusOr<std::vector<NodeScore>> TopScores(const Profile& profile, const TaskView& task,
                                                 const state::NodeTable& table,
                                                 const NodeMask& feasible, size_t top) {
  BERTH_ASSIGN_OR_RETURN(const std::vector<int32_t> totals,
                         ScoreAll(profile, task, table, feasible));
  std::vector<Slot> slots;
  feasible.ForEach([&](Slot slot) { slots.push_back(slot); });
  const size_t kept = std::min(top, slots.size());
  const auto better = [&](Slot a, Slot b) {
    return std::make_pair(-totals[a], table.rank()[a]) <
           std::make_pair(-totals[b], table.rank()[b]);
  };
  std::partial_sort(slots.begin(), slots.begin() + static_cast<std::ptrdiff_t>(kept), slots.end(),
                    better);
  std::vector<NodeScore> scores;
  for (size_t i = 0; i < kept; ++i) {
    BERTH_ASSIGN_OR_RETURN(NodeScore score, ScoreOf(profile, task, table, slots[i]));
    scores.push_back(std::move(score));
  }
  return scores;
}

std::string NodesText(int64_t nodes) {
  return std::to_string(nodes) + (nodes == 1 ? " node" : " nodes");
}

// "try --cpu 8 or --memory 12Gi".
std::string TryText(const std::vector<Suggestion>& suggestions) {
  std::string text;
  for (const Suggestion& suggestion : suggestions) {
    text += text.empty() ? "try " : " or ";
    text += suggestion.change;
  }
  return text;
}

// "12Gi" says itself that it is memory; 8 does not say that it is cpu.
std::string LargestText(const Suggestion& suggestion) {
  return suggestion.field == "memory" ? suggestion.value
                                      : suggestion.value + " " + suggestion.field;
}

std::string NeverText(const Explanation& explanation, const std::vector<RejectionGroup>& never,
                      const TaskRequirements& needs, const state::NodeTable& table) {
  std::string text = "cannot ever fit: " + NodesText(explanation.nodes_total);
  const std::vector<Suggestion>& suggestions = explanation.suggestions;
  const bool by_asking_less =
      !suggestions.empty() && suggestions.front().kind == SuggestionKind::kLess;
  if (!by_asking_less) {
    text += ": " + GroupsText(never, needs, table, Compare::kCapacity);
  } else if (suggestions.size() == 1) {
    text += ", largest " + LargestText(suggestions.front());
  }
  return suggestions.empty() ? text : text + "; " + TryText(suggestions);
}

// Of a task that a plugin refuses, whatever the nodes.
Explanation ExplainRefusal(const engine::Refusal& refusal, const state::NodeTable& table) {
  const std::string words = std::string(refusal.plugin->name()) + ": " + refusal.words;
  FilterOutcome outcome{.plugin = std::string(refusal.plugin->name()),
                        .reason = Reason::kRefusedByPlugin,
                        .nodes = static_cast<int64_t>(table.live().Count())};
  outcome.text = NodesText(outcome.nodes) + " refused by " + words;
  for (const auto& [name, slot] : table.by_name()) {
    if (outcome.examples.size() == kMaxExamples) break;
    outcome.examples.push_back(name);
  }
  Explanation explanation{.placeability = Placeability::kNeverFits,
                          .reason = Reason::kNeverFits,
                          .nodes_total = outcome.nodes};
  explanation.text = "cannot ever fit: refused by " + words;
  explanation.filters.push_back(std::move(outcome));
  return explanation;
}

}  // namespace

absl::StatusOr<Explanation> Explain(const Profile& profile, const TaskView& asked,
                                    const state::NodeTable& table, const ExplainOptions& options) {
  BERTH_ASSIGN_OR_RETURN(const auto refusal, engine::RefusedBy(profile.placing(), asked.needs));
  if (refusal) return ExplainRefusal(*refusal, table);
  BERTH_ASSIGN_OR_RETURN(const std::optional<DomainsByScan> domains,
                         DomainsByScan::Find(profile, asked, table));
  TaskView task = asked;
  if (domains) task.eligible = &*domains;
  Explanation explanation;
  NodeMask feasible = table.live();
  explanation.nodes_total = feasible.Count();
  BERTH_ASSIGN_OR_RETURN(std::vector<RejectionGroup> groups,
                         FilterAndCount(profile, task, table, feasible));
  explanation.nodes_feasible = feasible.Count();
  explanation.text = std::to_string(explanation.nodes_feasible) + "/" +
                     std::to_string(explanation.nodes_total) + " nodes fit";
  if (!groups.empty()) {
    explanation.text += ": " + GroupsText(groups, task.needs, table, Compare::kFree);
  }
  for (RejectionGroup& group : groups) {
    explanation.filters.push_back(ToOutcome(std::move(group), task.needs, table));
  }

  if (explanation.nodes_total == 0) {
    explanation.placeability = Placeability::kFitsLater;
    explanation.reason = Reason::kNoNodes;
    explanation.text += ": the cluster has no nodes yet";
    return explanation;
  }
  if (explanation.nodes_feasible > 0) {
    explanation.placeability = Placeability::kFitsNow;
    BERTH_ASSIGN_OR_RETURN(explanation.scores,
                           TopScores(profile, task, table, feasible, options.top));
    return explanation;
  }
  BERTH_ASSIGN_OR_RETURN(const PossibleNodes possible,
                         FindPossibleNodes(profile, task, table, /*why_never=*/true));
  if (possible.nodes.Any()) {
    explanation.placeability = Placeability::kFitsLater;
    explanation.reason = Reason::kNoNodeFitsNow;
    BERTH_ASSIGN_OR_RETURN(explanation.suggestions,
                           FindSuggestions(profile, task, table, Goal::kFitsNow, possible.nodes));
    return explanation;
  }
  explanation.placeability = Placeability::kNeverFits;
  explanation.reason = Reason::kNeverFits;
  BERTH_ASSIGN_OR_RETURN(explanation.suggestions,
                         FindSuggestions(profile, task, table, Goal::kFitsEver, possible.nodes));
  explanation.text = NeverText(explanation, possible.never, task.needs, table);
  return explanation;
}

absl::StatusOr<NodeScore> ScoreNode(const Profile& profile, const TaskView& asked,
                                    const state::NodeTable& table, Slot slot) {
  BERTH_CHECK(table.Holds(slot)) << "slot " << slot;
  BERTH_ASSIGN_OR_RETURN(const std::optional<DomainsByScan> domains,
                         DomainsByScan::Find(profile, asked, table));
  TaskView task = asked;
  if (domains) task.eligible = &*domains;
  return ScoreOf(profile, task, table, slot);
}

}  // namespace berth::pipeline
