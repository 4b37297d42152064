// What a node offers.
#pragma once

#include "absl/status/statusor.h"
#include "agentd/probe/machine.h"
#include "berth/v1/agent.pb.h"
#include "config/agent_config.h"

namespace berth::agentd {

// What the configuration declares, and the probe's word for the rest, less what is reserved for the
// machine itself; rounded down to quanta. Declared devices stand for all of the node's; declared
// data and labels are joined with what was found, and win over it. InvalidArgument when nothing is
// left. Pure.
absl::StatusOr<v1::NodeInventory> MakeInventory(const Machine& machine,
                                                const config::InventoryConfig& declared,
                                                const config::ReserveConfig& reserve);

}  // namespace berth::agentd
