// Random changes to a cluster, with the engine held against the oracle at every placement.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace berth::testing {

// What happened on walks, by name: kinds of constraints that were placed, and what the engine met.
using WalkCounts = std::map<std::string, int64_t>;

// One sequence of changes and placements. Returns what differed first; empty: nothing did. Adds to
// `counts`.
std::string WalkEngine(uint64_t seed, WalkCounts& counts);

// The names that `counts` has after enough walks.
inline constexpr const char* kWalkEvents[] = {
    "node selector",
    "required node affinity",
    "preferred node affinity",
    "toleration",
    "whole devices",
    "share of a device",
    "devices by what plugins say",
    "devices by what several plugins say",
    "devices of several kinds by what plugins say",
    "another set of devices than the first",
    "box of devices",
    "box across the ends of an axis",
    "box that no node has free",
    "required spread",
    "preferred spread",
    "required affinity",
    "preferred affinity",
    "required anti-affinity",
    "preferred anti-affinity",
    "others' anti-affinity",
    "resource of the cluster",
    "resource of a domain",
    "rule over one node each",
    "rule over many cells",
    "opinion on few nodes",
    "score over all nodes",
    "what a task is bound by",
    "measured use of what tasks are bound by",
    "data that a task reads",
    "data that the best node has",
    "tie",
    "tie that is turned",
    "infeasible",
    "replay",
    "rebuild",
    "eviction",
    "ranks drawn anew",
    "log overrun",
    "scores from outside",
    "scores from outside gone",
    "relabelled node",
    "measured use that changed",
    "measured use that is not known any more",
    "removed node",
    "release",
    "reload",
    "another mix of tasks",
    "trial kept",
    "trial undone",
};

}  // namespace berth::testing
