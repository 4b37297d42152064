#include "node_affinity/selector_match.h"

#include <algorithm>
#include <array>

namespace berth::plugins {
namespace {

bool Beyond(const LabelRequirement& requirement, const NodeColumns& columns, LabelId label) {
  int64_t value = 0;
  if (!columns.integer_value(label, value)) return false;
  return requirement.op == SelectorOp::kGreater ? value > requirement.bound
                                                : value < requirement.bound;
}

// Calls f(mask) for masks whose union is the set of nodes that satisfy the requirement, or, when
// the answer is true, those that do not.
template <typename F>
bool ForEachPosting(const LabelRequirement& requirement, const NodeColumns& columns, F&& f) {
  switch (requirement.op) {
    case SelectorOp::kIn:
    case SelectorOp::kNotIn:
      for (LabelId label : requirement.values) f(columns.with_label(label));
      return requirement.op == SelectorOp::kNotIn;
    case SelectorOp::kExists:
    case SelectorOp::kDoesNotExist:
      f(columns.with_key(requirement.key));
      return requirement.op == SelectorOp::kDoesNotExist;
    case SelectorOp::kGreater:
    case SelectorOp::kLess:
      for (LabelId label : columns.labels_of_key(requirement.key)) {
        if (Beyond(requirement, columns, label)) f(columns.with_label(label));
      }
      return false;
  }
  return false;
}

}  // namespace

void MatchWords(const LabelSelector& selector, const NodeColumns& columns, size_t first,
                std::span<uint64_t> words) {
  const auto live = columns.live().words().subspan(first, words.size());
  std::copy(live.begin(), live.end(), words.begin());
  for (const LabelRequirement& requirement : selector) {
    std::array<uint64_t, kMatchWords> found{};
    const bool inverted = ForEachPosting(requirement, columns, [&](const NodeMask& posting) {
      const auto part = posting.words().subspan(first, words.size());
      for (size_t i = 0; i < part.size(); ++i) found[i] |= part[i];
    });
    for (size_t i = 0; i < words.size(); ++i) words[i] &= inverted ? ~found[i] : found[i];
  }
}

bool Matches(const LabelSelector& selector, const NodeColumns& columns, Slot slot) {
  if (!columns.live().Test(slot)) return false;
  return std::all_of(selector.begin(), selector.end(), [&](const LabelRequirement& requirement) {
    bool found = false;
    const bool inverted = ForEachPosting(requirement, columns, [&](const NodeMask& posting) {
      found = found || posting.Test(slot);
    });
    return found != inverted;
  });
}

}  // namespace berth::plugins
