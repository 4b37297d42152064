// Which nodes a label selector holds for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "berth/labels.h"
#include "berth/node_columns.h"

namespace berth::plugins {

// Most words of a mask that are answered at once; 64 nodes each. Large enough that the calls per
// label are few, small enough for the stack.
inline constexpr size_t kMatchWords = 64;

// Writes the words from `first` on of the set of nodes for which `selector` holds. Only slots that
// hold a node are in it.
//
// REQUIRES: words.size() <= kMatchWords; first + words.size() <= words of columns.live().
// Cost: O(words x labels that the selector concerns); kGreater and kLess concern every label of
// their key.
void MatchWords(const LabelSelector& selector, const NodeColumns& columns, size_t first,
                std::span<uint64_t> words);

// The same for one node.
bool Matches(const LabelSelector& selector, const NodeColumns& columns, Slot slot);

}  // namespace berth::plugins
