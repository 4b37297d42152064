#include "pipeline/suggestions.h"

#include <iterator>
#include <utility>

#include "base/status_macros.h"
#include "pipeline/suggestion_finders.h"
#include "pipeline/what_if.h"

namespace berth::pipeline {

absl::StatusOr<std::vector<Suggestion>> FindSuggestions(const Profile& profile,
                                                        const TaskView& task,
                                                        const state::NodeTable& table, Goal goal,
                                                        const NodeMask& possible) {
  const WhatIf what_if(profile, task, table, goal);
  std::vector<Suggestion> all;
  const auto add = [&all](std::vector<Suggestion> found) {
    all.insert(all.end(), std::make_move_iterator(found.begin()),
               std::make_move_iterator(found.end()));
  };
  BERTH_ASSIGN_OR_RETURN(std::vector<Suggestion> less, SuggestLess(what_if));
  add(std::move(less));
  BERTH_ASSIGN_OR_RETURN(std::vector<Suggestion> fewer, SuggestFewerConditions(what_if));
  add(std::move(fewer));
  if (goal == Goal::kFitsEver) return all;
  BERTH_ASSIGN_OR_RETURN(std::vector<Suggestion> of_nodes, SuggestOfNodes(what_if, possible));
  add(std::move(of_nodes));
  return all;
}

}  // namespace berth::pipeline
