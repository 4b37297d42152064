// Random clusters and tasks, drawn so that every plugin has something to decide.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "state/job_spec.h"
#include "state/node_spec.h"
#include "state/node_table.h"

namespace berth::testing {

// Seed of a random test: BERTH_SEED when it is set, so that a failure can be repeated, else
// `fallback`. Prints it.
uint64_t TestSeed(uint64_t fallback);

// True with the given chance.
bool Chance(base::Rng& rng, int percent);
// From `least` to `most`.
int32_t Between(base::Rng& rng, int32_t least, int32_t most);

// Labels zone (a-d), disk (hdd, nvme) and cores (a number, or not); taints gpu, team and slow of
// all effects; one of a few capacities, at times without storage, bandwidth or an extended
// resource; up to 8 devices in islands and tori, of several models, some sick.
state::NodeSpec RandomNode(base::Rng& rng, std::string name);

// Asks, now and then, for everything that RandomNode can have, and sometimes for what it cannot.
state::NeedsSpec RandomNeeds(base::Rng& rng);

// A counter of tasks and the key whose domains it counts by.
using KeyedCounter = std::pair<KeyId, CounterId>;

// Two counters for each of some keys. In tables that are new, the same keys get the same numbers.
std::vector<KeyedCounter> AddCounters(state::NodeTable& table,
                                      const std::vector<std::string>& keys);
// Tasks in the counters, on random nodes.
void CountRandomly(base::Rng& rng, const std::vector<KeyedCounter>& counters,
                   state::NodeTable& table);
// A rule of any kind over one of the counters.
TermUse RandomTerm(base::Rng& rng, const std::vector<KeyedCounter>& counters);
// A rule of nearness over one of the counters.
TermUse RandomNearTerm(base::Rng& rng, const std::vector<KeyedCounter>& counters);
// Round trips between random pairs of nodes, and forgotten ones; they are counted.
void MeasureRandomly(base::Rng& rng, state::NodeTable& table);

// Two resources that belong to no node: "licence", of the whole cluster, and "uplink", in each
// zone. Random amounts of them; again, others.
void SetSharedRandomly(base::Rng& rng, state::NodeTable& table);
// Tasks that hold some of them, on random nodes.
void TakeSharedRandomly(base::Rng& rng, state::NodeTable& table);
// What a task asks of them: one, or both.
std::vector<SharedUse> RandomShared(base::Rng& rng, const state::NodeTable& table);

// Gives every name that the two above can produce its number, in a fixed order, so that two tables
// agree on numbers.
void InternEverything(state::NodeTable& table);

// `count` random nodes, named n0 on, some not ready, some cordoned, some slots without a node, with
// random amounts and devices allocated, and a random use measured.
void FillRandomly(base::Rng& rng, int count, state::NodeTable& table);

}  // namespace berth::testing
