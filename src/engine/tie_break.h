// Which of equal totals wins.
#pragma once

#include <cstdint>

#include "base/fixed_hash.h"
#include "berth/ids.h"
#include "state/node_table.h"

namespace berth::engine {

// Ranks as one task sees them: as they are, or turned so that the task's own start is the first.
class TieBreak {
 public:
  TieBreak() = default;
  // Turned, by the table's seed and the task's name.
  TieBreak(const state::NodeTable& table, const TaskKey& task) : mask_(table.rank_capacity() - 1) {
    const uint64_t job = base::FixedHash(task.job.value, table.seed());
    const uint64_t place = uint64_t{task.group} << 32 | task.position;
    start_ = static_cast<uint32_t>(base::FixedHashCombine(job, place)) & mask_;
  }

  // The rank that is first.
  uint32_t start() const { return start_; }
  uint32_t operator()(uint32_t rank) const { return (rank - start_) & mask_; }

 private:
  uint32_t start_ = 0;
  uint32_t mask_ = UINT32_MAX;
};

}  // namespace berth::engine
