#include "builtin.h"

#include "balanced_allocation/balanced_allocation.h"
#include "best_fit/best_fit.h"
#include "class_load/class_load.h"
#include "cluster_resources/cluster_resources.h"
#include "data_locality/data_locality.h"
#include "device_fit/device_fit.h"
#include "dot_product/dot_product.h"
#include "fragmentation_gradient/fragmentation_gradient.h"
#include "gpu_clustering/gpu_clustering.h"
#include "gpu_packing/gpu_packing.h"
#include "live_utilisation/live_utilisation.h"
#include "network_bandwidth/network_bandwidth.h"
#include "network_latency/network_latency.h"
#include "node_affinity/node_affinity.h"
#include "node_readiness/node_readiness.h"
#include "node_resources_fit/node_resources_fit.h"
#include "priority_sort/priority_sort.h"
#include "random/random.h"
#include "remote_scorer/remote_scorer.h"
#include "shortest_job_first/shortest_job_first.h"
#include "taint_toleration/taint_toleration.h"
#include "task_affinity/task_affinity.h"
#include "task_interference/task_interference.h"
#include "topology_spread/topology_spread.h"

namespace berth::plugins {
namespace {

constexpr PluginEntry kBuiltinPlugins[] = {
    {kNodeReadiness, MakeNodeReadiness},
    {kTaintToleration, MakeTaintToleration},
    {kNodeAffinity, MakeNodeAffinity},
    {kNodeResourcesFit, MakeNodeResourcesFit},
    {kDeviceFit, MakeDeviceFit},
    {kBalancedAllocation, MakeBalancedAllocation},
    {kClusterResources, MakeClusterResources},
    {kTopologySpread, MakeTopologySpread},
    {kTaskAffinity, MakeTaskAffinity},
    {kFragmentationGradient, MakeFragmentationGradient},
    {kLiveUtilisation, MakeLiveUtilisation},
    {kNetworkLatency, MakeNetworkLatency},
    {kNetworkBandwidth, MakeNetworkBandwidth},
    {kTaskInterference, MakeTaskInterference},
    {kClassLoad, MakeClassLoad},
    {kDataLocality, MakeDataLocality},
    {kGpuPacking, MakeGpuPacking},
    {kGpuClustering, MakeGpuClustering},
    {kDotProduct, MakeDotProduct},
    {kBestFit, MakeBestFit},
    {kRandom, MakeRandom},
    {kRemoteScorer, MakeRemoteScorer},
    {kPrioritySort, MakePrioritySort},
    {kShortestJobFirst, MakeShortestJobFirst},
};

}  // namespace

std::span<const PluginEntry> BuiltinPlugins() { return kBuiltinPlugins; }

}  // namespace berth::plugins
