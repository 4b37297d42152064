// Rules of nearness among a task's.
#pragma once

#include <algorithm>

#include "berth/task_view.h"
#include "berth/terms.h"

namespace berth::plugins {

inline bool IsNear(const TermUse& term) {
  return term.kind == TermKind::kNearTasks || term.kind == TermKind::kNearData;
}

inline bool HasNearRule(const TaskRequirements& needs) {
  return std::any_of(needs.terms.begin(), needs.terms.end(), IsNear);
}

}  // namespace berth::plugins
