// Machines and tasks of the openb trace (tests/data/traces/openb).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "state/job_spec.h"
#include "state/node_spec.h"

namespace berth::bench {

// The trace's 1,523 nodes, over and over until there are `count`, named n0 on. Each is in one of
// `domains` domains of the label "rack", in turn.
std::vector<state::NodeSpec> OpenbNodes(const std::string& directory, size_t count, size_t domains);

// `count` different shapes of tasks without devices, of the sizes that the trace's tasks ask for.
std::vector<state::NeedsSpec> CpuShapes(size_t count);
// The trace's nodes that have devices, in its order, with one rack.
std::vector<state::NodeSpec> OpenbDeviceNodes(const std::string& directory);

// The trace's tasks in order of name; openb_pod_list_default.csv.
std::vector<state::NeedsSpec> OpenbTasks(const std::string& directory);

// `count` different shapes of tasks with devices, the most frequent ones of the trace first.
std::vector<state::NeedsSpec> DeviceShapes(const std::string& directory, size_t count);

}  // namespace berth::bench
