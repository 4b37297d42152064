// The simulated cluster keeps every promise, over many seeds, and meets everything that can happen.
#include "tests/simulation/simulation.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

namespace berth::simulation {
namespace {

#ifdef BERTH_SIMULATION_SEEDS
constexpr uint64_t kSeeds = BERTH_SIMULATION_SEEDS;
#else
constexpr uint64_t kSeeds = 6000;
#endif

volatile uint64_t running_seed = 0;

// A check of the code under test ends the process: what replays it must be seen all the same.
void OnAbort(int) {
  std::fprintf(stderr, "\nseed %llu ends the process; replay: %s --seed %llu\n",
               static_cast<unsigned long long>(running_seed), "berth_simulation",
               static_cast<unsigned long long>(running_seed));
  std::signal(SIGABRT, SIG_DFL);
  std::raise(SIGABRT);
}

TEST(SimulationTest, EveryPromiseHoldsWhateverHappens) {
  const auto before = std::signal(SIGABRT, OnAbort);
  Coverage coverage;
  const auto start = std::chrono::steady_clock::now();
  int failures = 0;
  for (uint64_t seed = 1; seed <= kSeeds && failures < 5; ++seed) {
    running_seed = seed;
    const Outcome outcome = Simulate(seed, false);
    coverage.Add(outcome.coverage);
    if (outcome.violation.empty()) continue;
    ++failures;
    ADD_FAILURE() << "seed " << seed << ": " << outcome.violation
                  << "\nreplay with a trace: build/release/tests/berth_simulation --seed " << seed;
  }
  std::signal(SIGABRT, before);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("%llu seeds in %.1f s: %.0f seeds/s\n", static_cast<unsigned long long>(kSeeds),
              seconds, static_cast<double>(kSeeds) / seconds);
  for (const auto& [kind, names] : coverage.counts()) {
    for (const auto& [name, times] : names) {
      std::printf("%10llu  %s: %s\n", static_cast<unsigned long long>(times), kind.c_str(),
                  name.c_str());
    }
  }
  // A net that never meets a thing does not hold against it.
  const std::vector<std::pair<std::string, std::vector<std::string>>> expected = {
      {"fault",
       {"a call comes twice",
        "a call is lost",
        "a commit of berthd fails",
        "a connection breaks",
        "a message comes twice",
        "a node loses power",
        "a node's inventory changes",
        "a partition",
        "a partition of what agents say",
        "a partition of what berthd says",
        "a shim is killed",
        "a write of the journal fails",
        "an agent is killed",
        "an agent is killed and its journal is gone",
        "an agent stands still",
        "an agent's disk is full",
        "an agent's disk is slow",
        "an answer is lost",
        "berthd dies between commits",
        "berthd dies in a commit that is lost",
        "berthd dies in a commit that lasts",
        "berthd is restored from an older snapshot",
        "berthd stands still",
        "berthd's disk is full",
        "berthd's disk is slow",
        "berthd's wall clock jumps",
        "calls overtake one another",
        "directives of a dead stream come late",
        "the journal's last write is torn",
        "the network is slow"}},
      {"move", {"bound -> failed",       "bound -> queued",      "bound -> running",
                "bound -> starting",     "bound -> stopping",    "bound -> succeeded",
                "parked -> bound",       "parked -> cancelled",  "parked -> queued",
                "queued -> bound",       "queued -> cancelled",  "queued -> parked",
                "running -> failed",     "running -> queued",    "running -> stopping",
                "running -> succeeded",  "starting -> failed",   "starting -> queued",
                "starting -> running",   "starting -> stopping", "starting -> succeeded",
                "stopping -> cancelled", "stopping -> succeeded"}},
      {"reconcile",
       {"goes_on", "ended", "stop_again", "start_again", "never_told", "lost", "forgotten",
        "leaving", "unknown"}},
      {"seen",
       {"a task waits for an attempt of it to end",
        "a fenced attempt is ended by its shim",
        "a fenced attempt is not started: the lease has ended",
        "a fenced attempt is given up",
        "a finished job is forgotten",
        "a task gets more memory",
        "a submission is refused: the disk is full",
        "a watch comes too late and lists again",
        "a watch is told of a removal",
        "an attempt of a silent node is given up",
        "an attempt in quarantine is adopted",
        "an attempt in quarantine is killed",
        "an attempt in quarantine cannot be adopted",
        "an attempt that the journal does not know is killed",
        "an attempt cannot be started anywhere",
        "a node cannot start an attempt",
        "the inbox is full",
        "the inbox of agents is full",
        "the journal is compacted",
        "two attempts of a task at once (on_partition: keep)"}},
  };
  if (kSeeds < 2000) return;  // too few for what is rare
  for (const auto& [kind, names] : expected) {
    for (const std::string& name : names) {
      EXPECT_GT(coverage.Of(kind, name), 0u) << kind << ": " << name;
    }
  }
}

TEST(SimulationTest, ASeedIsARun) {
  for (const uint64_t seed : {1, 7, 12, 33}) {
    const Outcome once = Simulate(seed, true);
    const Outcome again = Simulate(seed, true);
    EXPECT_EQ(once.virtual_us, again.virtual_us) << "seed " << seed;
    EXPECT_EQ(once.trace, again.trace) << "seed " << seed;
    // A trace changes nothing.
    EXPECT_EQ(Simulate(seed, false).virtual_us, once.virtual_us) << "seed " << seed;
  }
}

}  // namespace
}  // namespace berth::simulation
