// What placement depends on, as tasks ask for it.
#pragma once

#include "berth/v1/types.pb.h"
#include "state/job_spec.h"

namespace berth::wire {

// Adds resources, devices, conditions on nodes, tolerations and rules to a template that has none.
void PutNeeds(const state::NeedsSpec& needs, v1::TaskTemplate& out);

}  // namespace berth::wire
