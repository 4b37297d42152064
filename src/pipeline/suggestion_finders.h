// The kinds of change that suggestions are looked for among; each tries what it tells.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "pipeline/suggestions.h"
#include "pipeline/what_if.h"

namespace berth::pipeline {

// "with --memory 12Gi it fits n1 now": less of one resource or device kind.
absl::StatusOr<std::vector<Suggestion>> SuggestLess(const WhatIf& what_if);

// "with --tolerate gpu=true ...", "without nodeSelector zone=a ...", "without its spread over zone
// ...": one condition less.
absl::StatusOr<std::vector<Suggestion>> SuggestFewerConditions(const WhatIf& what_if);

// "if 2 cpu more were free there it would fit n3 now", "if n3 were uncordoned ...": what others
// would have to do, on the node where that is least. For Goal::kFitsNow.
absl::StatusOr<std::vector<Suggestion>> SuggestOfNodes(const WhatIf& what_if,
                                                       const NodeMask& possible);

}  // namespace berth::pipeline
