#include "pipeline/rejections.h"

#include <algorithm>

namespace berth::pipeline {

void RejectionTally::StartFilter(const FilterPlugin& filter) {
  for (auto& [key, group] : current_) done_.push_back(std::move(group));
  current_.clear();
  filter_ = &filter;
}

void RejectionTally::Reject(Slot slot, Reason reason, uint32_t subject, int64_t requested,
                            int64_t free, int64_t capacity, bool permanent) {
  (void)permanent;
  RejectionGroup& group = current_[{reason, subject}];
  group.filter = filter_;
  group.reason = reason;
  group.subject = subject;
  ++group.nodes;
  group.requested = std::max(group.requested, requested);
  group.largest_free = std::max(group.largest_free, free);
  group.largest_capacity = std::max(group.largest_capacity, capacity);
  const std::string& name = table_.name(slot);
  std::vector<std::string>& examples = group.examples;
  if (examples.size() == kMaxExamples && examples.back() < name) return;
  examples.insert(std::upper_bound(examples.begin(), examples.end(), name), name);
  if (examples.size() > kMaxExamples) examples.pop_back();
}

std::vector<RejectionGroup> RejectionTally::TakeGroups() {
  for (auto& [key, group] : current_) done_.push_back(std::move(group));
  current_.clear();
  std::stable_sort(
      done_.begin(), done_.end(),
      [](const RejectionGroup& a, const RejectionGroup& b) { return a.nodes > b.nodes; });
  return std::move(done_);
}

}  // namespace berth::pipeline
