// QueueSort: the order in which tasks get their turn.
#pragma once

#include <cstdint>

#include "berth/ids.h"
#include "berth/plugin.h"

namespace berth {

// What an order may look at.
struct QueuedGroup {
  JobId job;
  uint32_t group = 0;
  int32_t priority = 0;      // higher first
  int64_t queued_at_ms = 0;  // loop time at submission
  // How long one of its tasks is expected to run, from tasks like it that ended before; 0: not
  // known. Never from what a text says, which anybody may write.
  int64_t expected_ms = 0;
  int64_t time_limit_ms = 0;  // 0: none
};

// A key for each queued group of tasks; lower keys go first, ties by (job, group, position).
//
// Threading: the loop's thread only. Pure.
class QueueSortPlugin : public virtual Plugin {
 public:
  // Computed when the group is queued and again only on events that the plugin names.
  virtual int64_t Key(const QueuedGroup& group) const = 0;
};

}  // namespace berth
