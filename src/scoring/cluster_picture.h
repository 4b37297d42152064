// The nodes as a scorer is told of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "berth/ids.h"
#include "state/node_picture.h"

namespace berth::scoring {

// A picture of the cluster's nodes, and what of it a scorer does not have yet.
//
// Threading: one thread.
class ClusterPicture {
 public:
  // Puts a page of the loop's over what there is.
  void Take(state::PicturePage page);
  // Where the next page goes on.
  const std::optional<state::PictureCursor>& cursor() const { return cursor_; }

  // Whether the scorer lacks something.
  bool has_news() const { return !news_.empty(); }
  // Calls f(node, with_inventory) for each slot that the scorer lacks, in rising order. A slot
  // without a node is one with a null spec; `with_inventory`: its spec is news as well.
  void ForEachNews(const std::function<void(const state::NodePicture&, bool)>& f) const;
  // The scorer has all of it now, or nothing of it.
  void ScorerHasAll();
  void ScorerHasNothing();

  // Of the first `slots` slots.
  std::shared_ptr<const std::vector<uint32_t>> Generations(size_t slots) const;

 private:
  std::vector<state::NodePicture> nodes_;  // by slot
  std::optional<state::PictureCursor> cursor_;
  std::set<Slot> news_;
  // What the scorer has; null: no node.
  std::vector<std::shared_ptr<const state::NodeSpec>> told_;
};

}  // namespace berth::scoring
