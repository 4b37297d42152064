// Rejections in words, and their amounts in the units of the wire.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "berth/resources.h"
#include "berth/task_view.h"
#include "pipeline/rejections.h"
#include "state/node_table.h"

namespace berth::pipeline {

// An amount of a resource, in quanta, as people read it: "500m", "12Gi", "10Gbit", "3". Never says
// more than there is.
std::string AmountText(ResourceIndex resource, int64_t quanta);

// The same in the units of the wire: thousandths of a core, bytes, bits per second, counts.
int64_t WireAmount(ResourceIndex resource, int64_t quanta);

// What a group's amounts are amounts of, in those units.
int64_t WireAmount(const RejectionGroup& group, int64_t amount);

// "2x2x1" as people write it: "2x2".
std::string BoxText(const BoxExtents& box);

// What a group's subject is called: "memory", "gpu", "gpu=true:NoSchedule", "zone=a"; empty where
// there is none.
std::string SubjectText(const RejectionGroup& group, const state::NodeTable& table);

// Which amount a rejection is compared with in words: what is free now, or all that there is.
enum class Compare : uint8_t { kFree, kCapacity };

// "8 insufficient memory (largest free 3.2Gi)", with kCapacity "... (largest 12Gi)".
std::string GroupText(const RejectionGroup& group, const TaskRequirements& needs,
                      const state::NodeTable& table, Compare compare);

// The texts of all groups, joined by commas; the last ones together when there are many.
std::string GroupsText(const std::vector<RejectionGroup>& groups, const TaskRequirements& needs,
                       const state::NodeTable& table, Compare compare);

}  // namespace berth::pipeline
