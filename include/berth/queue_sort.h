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
