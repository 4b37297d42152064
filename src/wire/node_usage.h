// How a node's parts are used, on the wire.
#pragma once

#include "berth/v1/types.pb.h"
#include "state/node_usage.h"

namespace berth::wire {

// Most disks, interfaces and devices of a node.
inline constexpr int kMostParts = 1024;

v1::NodeUsage ToProto(const state::NodeUsage& usage);
// What is out of range is brought into it, what is too much left out: usage only informs.
state::NodeUsage FromProto(const v1::NodeUsage& usage);

}  // namespace berth::wire
