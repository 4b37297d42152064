// A cluster kept and searched in the simplest way, to hold the real one against.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "berth/reserve.h"
#include "state/job_spec.h"
#include "state/node_spec.h"

namespace berth::testing {

// Nodes by name, in words: nothing is interned, nothing is a column, nothing is vectorised. What
// the default profile decides is written down here a second time, from its description and not from
// its code: with integer division, one node at a time.
//
// Threading: one thread.
class NaiveCluster {
 public:
  struct Device {
    int64_t milli = 0;
    int64_t memory_mib = 0;
  };
  struct Node {
    state::NodeSpec spec;
    uint32_t rank = 0;
    bool ready = true;
    bool cordoned = false;
    int usage = -1;                       // in sixteenths; -1: not known
    std::map<std::string, int64_t> used;  // by resource
    std::vector<Device> devices;
  };
  // In the order of the default profile: NodeResourcesFit, BalancedAllocation,
  // FragmentationGradient, NodeAffinity, TaintToleration, TopologySpread, TaskAffinity (of which
  // there are no rules here), LiveUtilisation.
  using Scores = std::array<int64_t, 8>;
  struct Candidate {
    std::string node;
    uint32_t rank = 0;
    Scores scores{};
    int64_t total = 0;
  };

  std::map<std::string, Node> nodes;

  // Nodes that fit, best first.
  std::vector<Candidate> Rank(const state::NeedsSpec& needs) const;

  // Takes (sign 1) or gives back (-1) what a task has on a node.
  void Book(const std::string& name, const state::NeedsSpec& needs, const Reservation& reservation,
            int sign);

  // Whether these grants are such that the node can give them, each device to one need only.
  bool MayGrant(const std::string& name, const state::NeedsSpec& needs,
                const Reservation& reservation) const;
};

}  // namespace berth::testing
