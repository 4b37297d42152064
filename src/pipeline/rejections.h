// Why filters removed nodes, counted in groups.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "berth/filter.h"
#include "berth/reason.h"
#include "state/node_table.h"

namespace berth::pipeline {

// Most node names that a group keeps as examples.
inline constexpr size_t kMaxExamples = 3;

// Nodes removed by one filter for one reason concerning one subject. Amounts as in RejectionSink.
struct RejectionGroup {
  const FilterPlugin* filter = nullptr;
  Reason reason = Reason::kNone;
  uint32_t subject = 0;
  int64_t nodes = 0;
  int64_t requested = 0;
  int64_t largest_free = 0;
  int64_t largest_capacity = 0;
  std::vector<std::string> examples;  // the first by name
};

// Collects rejections, filter by filter.
//
// Threading: one explanation at a time.
class RejectionTally final : public RejectionSink {
 public:
  // `table` outlives this, and the rejected slots hold nodes.
  explicit RejectionTally(const state::NodeTable& table) : table_(table) {}

  // What is rejected from now on was removed by `filter`.
  void StartFilter(const FilterPlugin& filter);

  void Reject(Slot slot, Reason reason, uint32_t subject, int64_t requested, int64_t free,
              int64_t capacity, bool permanent) override;

  // Most nodes first; equals in the order of filters, reasons, subjects.
  std::vector<RejectionGroup> TakeGroups();

 private:
  const state::NodeTable& table_;
  const FilterPlugin* filter_ = nullptr;
  std::map<std::pair<Reason, uint32_t>, RejectionGroup> current_;  // of filter_
  std::vector<RejectionGroup> done_;                               // of the filters before
};

}  // namespace berth::pipeline
