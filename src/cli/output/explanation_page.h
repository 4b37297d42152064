// An explanation as people read it.
#pragma once

#include <string>
#include <vector>

#include "berth/v1/types.pb.h"

namespace berth::cli {

// Which filters removed how many nodes, and why. Empty when every node fits.
std::string FiltersTable(const v1::Explanation& explanation);

// One row for each node: total, then the score of each plugin with its weight in the header; below
// it those that gave 0 to all of them. REQUIRES: there is a node.
std::string ScoresTable(const std::vector<v1::NodeScore>& nodes);

// The answer first, then what it was made from. `title` is what is explained.
std::string ExplanationPage(const v1::Explanation& explanation, const std::string& title);

}  // namespace berth::cli
