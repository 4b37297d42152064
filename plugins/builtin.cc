#include "builtin.h"

#include "balanced_allocation/balanced_allocation.h"
#include "device_fit/device_fit.h"
#include "node_affinity/node_affinity.h"
#include "node_readiness/node_readiness.h"
#include "node_resources_fit/node_resources_fit.h"
#include "priority_sort/priority_sort.h"
#include "taint_toleration/taint_toleration.h"
#include "task_affinity/task_affinity.h"
#include "topology_spread/topology_spread.h"

namespace berth::plugins {
namespace {

constexpr PluginEntry kBuiltinPlugins[] = {
    {kNodeReadiness, MakeNodeReadiness},   {kTaintToleration, MakeTaintToleration},
    {kNodeAffinity, MakeNodeAffinity},     {kNodeResourcesFit, MakeNodeResourcesFit},
    {kDeviceFit, MakeDeviceFit},           {kBalancedAllocation, MakeBalancedAllocation},
    {kTopologySpread, MakeTopologySpread}, {kTaskAffinity, MakeTaskAffinity},
    {kPrioritySort, MakePrioritySort},
};

}  // namespace

std::span<const PluginEntry> BuiltinPlugins() { return kBuiltinPlugins; }

}  // namespace berth::plugins
