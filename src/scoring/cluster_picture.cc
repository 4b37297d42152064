#include "scoring/cluster_picture.h"

#include <utility>

namespace berth::scoring {

void ClusterPicture::Take(state::PicturePage page) {
  cursor_ = page.next;
  for (state::NodePicture& node : page.nodes) {
    const Slot slot = node.slot;
    if (nodes_.size() <= slot) {
      nodes_.resize(slot + 1);
      told_.resize(slot + 1);
    }
    nodes_[slot] = std::move(node);
    // Of a slot that was empty and is, there is nothing to tell.
    if (nodes_[slot].spec != nullptr || told_[slot] != nullptr) {
      news_.insert(slot);
    } else {
      news_.erase(slot);
    }
  }
}

void ClusterPicture::ForEachNews(
    const std::function<void(const state::NodePicture&, bool)>& f) const {
  for (const Slot slot : news_) f(nodes_[slot], nodes_[slot].spec != told_[slot]);
}

void ClusterPicture::ScorerHasAll() {
  for (const Slot slot : news_) told_[slot] = nodes_[slot].spec;
  news_.clear();
}

void ClusterPicture::ScorerHasNothing() {
  news_.clear();
  for (Slot slot = 0; slot < nodes_.size(); ++slot) {
    told_[slot].reset();
    if (nodes_[slot].spec != nullptr) news_.insert(slot);
  }
}

std::shared_ptr<const std::vector<uint32_t>> ClusterPicture::Generations(size_t slots) const {
  auto generations = std::make_shared<std::vector<uint32_t>>(slots, 0);
  for (size_t slot = 0; slot < slots && slot < nodes_.size(); ++slot) {
    (*generations)[slot] = nodes_[slot].generation;
  }
  return generations;
}

}  // namespace berth::scoring
