// How busy nodes are, from what their agents measure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "berth/computation_class.h"
#include "berth/ids.h"
#include "state/node_table.h"
#include "state/node_usage.h"

namespace berth::state {

// Keeps, for each node, the part of it that was in use lately: of CPU or of memory, whichever is
// more, and of each thing that tasks are bound by (CPU, memory, the busiest disk, the network, all
// accelerators together). Decays: each step takes over a quarter of what was measured last. The
// table gets it in kUsageSteps steps, and a new one only when the part has left the old one for
// sure, so that noise changes nothing.
//
// Of this nothing lasts: after a start nothing is known, until agents have spoken twice.
//
// Threading: owned by the loop's thread. Cost: O(disks + interfaces + devices) for Measure,
// O(slots) for Step.
class UsageMeters {
 public:
  // What was measured longer ago than that says nothing any more.
  explicit UsageMeters(int64_t forget_after_ms) : forget_after_ms_(forget_after_ms) {}

  // Takes what an agent says: CPU time that was used on its machine since some moment, in
  // milliseconds, memory in use now, and what it knows of the node's parts.
  // REQUIRES: a node is in the slot; time does not go back.
  void Measure(const NodeTable& nodes, Slot slot, int64_t now_ms, int64_t cpu_time_ms,
               int64_t memory_bytes, const NodeUsage& parts = {});

  // Decays, forgets, and puts into the table what has changed. False: nothing is known of any node,
  // so there is no need for another step before the next measurement.
  bool Step(NodeTable& nodes, int64_t now_ms);

 private:
  static constexpr int32_t kUnknown = -1;

  // Of one thing, in millionths.
  struct Part {
    int32_t last_ppm = kUnknown;     // in use at the last measurement
    int32_t decayed_ppm = kUnknown;  // in use lately
  };
  struct Meter {
    uint32_t generation = 0;   // of the slot that this is about
    int64_t at_ms = kUnknown;  // of the last measurement
    int64_t cpu_time_ms = 0;   // as of then, and so are the others
    int64_t network_bytes = kUnknown;
    std::vector<std::pair<std::string, int64_t>> disks;  // by name: how long they were busy, in ms
    Part overall;
    std::array<Part, kComputationClasses> by_class;
  };

  // The steps in which a part is told, from those that were told last.
  static int32_t StepsOf(Part& part, int32_t told);
  static void Tell(NodeTable& nodes, Slot slot, Meter& meter);
  static void TellNothing(NodeTable& nodes, Slot slot);

  const int64_t forget_after_ms_;
  std::vector<Meter> meters_;  // by slot
};

}  // namespace berth::state
