// Attempts that run on a node and are no task's current one.
#pragma once

#include "berth/reserve.h"
#include "state/commands.h"
#include "state/requirements_table.h"

namespace berth::state {

// Its room on the node is held until it has ended. Not kept in the store: an agent reports what it
// has at the start of each session.
struct Stray {
  AttemptHolding holding;
  // True: it was given up, and is told to stop. False: in quarantine. Nothing is known of it here,
  // after a restore from an older snapshot, and it runs on until an operator says otherwise.
  bool is_leaving = false;
  ShapeId shape = 0;  // of what it holds
  Reservation reservation;
};

}  // namespace berth::state
