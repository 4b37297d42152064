// The simulation finds each fault that is planted in the code under test, within a stated number of
// seeds. docs/testing.md has the table.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/planted_fault.h"
#include "tests/simulation/simulation.h"

namespace berth::simulation {
namespace {

struct Planted {
  base::PlantedFault fault;
  uint64_t within_seeds;
};

void PrintTo(const Planted& planted, std::ostream* out) {
  *out << base::kPlantedFaultNames[static_cast<int>(planted.fault)];
}

class PlantedFaultTest : public ::testing::TestWithParam<Planted> {};

// In a process of its own: a check of the code under test may end it, which is as good a finding.
TEST_P(PlantedFaultTest, IsFound) {
  const Planted planted = GetParam();
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::fflush(nullptr);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);
    // What the code under test says of it is of no interest.
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(3);
    base::planted_fault = planted.fault;
    for (uint64_t seed = 1; seed <= planted.within_seeds; ++seed) {
      if (write(ends[1], &seed, sizeof(seed)) != sizeof(seed)) _exit(3);
      if (!Simulate(seed, false).violation.empty()) _exit(0);
    }
    _exit(1);
  }
  close(ends[1]);
  uint64_t last = 0;
  for (uint64_t seed = 0; read(ends[0], &seed, sizeof(seed)) == sizeof(seed);) last = seed;
  close(ends[0]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  const bool aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
  EXPECT_TRUE(aborted || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
      << "not found within " << planted.within_seeds << " seeds; the last was " << last;
  std::printf("found at seed %llu%s\n", static_cast<unsigned long long>(last),
              aborted ? ", by a check of the code itself" : "");
}

std::string NameOf(const ::testing::TestParamInfo<Planted>& info) {
  std::string name;
  bool upper = true;
  for (const char* at = base::kPlantedFaultNames[static_cast<int>(info.param.fault)]; *at; ++at) {
    if (*at == '-') {
      upper = true;
      continue;
    }
    name += upper ? static_cast<char>(std::toupper(*at)) : *at;
    upper = false;
  }
  return name;
}

using base::PlantedFault;

INSTANTIATE_TEST_SUITE_P(
    Each, PlantedFaultTest,
    ::testing::Values(
        Planted{PlantedFault::kReplyBeforeSync, 100},
        Planted{PlantedFault::kDirectivesBeforeSync, 100},
        Planted{PlantedFault::kSkipSequenceCheck, 2000},
        Planted{PlantedFault::kSkipSessionCheck, 4000},
        Planted{PlantedFault::kReuseAttemptNumber, 100}, Planted{PlantedFault::kForgetJournal, 500},
        Planted{PlantedFault::kLaunchKnownAttempts, 100},
        Planted{PlantedFault::kFreeStoppingRoom, 100}, Planted{PlantedFault::kForgetCancel, 100},
        Planted{PlantedFault::kForgetRequest, 100}, Planted{PlantedFault::kReuseJobId, 100},
        Planted{PlantedFault::kKeepOldLease, 500}, Planted{PlantedFault::kFenceWithoutGrace, 500},
        Planted{PlantedFault::kRenewFromAck, 4000}, Planted{PlantedFault::kLoseTombstone, 200},
        Planted{PlantedFault::kAcknowledgeTooMuch, 100}, Planted{PlantedFault::kResendLost, 100},
        Planted{PlantedFault::kForgetLost, 100}, Planted{PlantedFault::kForgetBackoff, 200},
        Planted{PlantedFault::kForgetRelease, 100}, Planted{PlantedFault::kFreeStrayRoom, 2000},
        Planted{PlantedFault::kKillUnknown, 500},
        Planted{PlantedFault::kRepeatAttemptAtRestore, 500},
        Planted{PlantedFault::kSkipSettling, 500}, Planted{PlantedFault::kPlaceBesideStray, 500},
        Planted{PlantedFault::kHearOvertaken, 5000}, Planted{PlantedFault::kForgetGrowth, 500}),
    NameOf);

// Each is in the list above.
TEST(PlantedFaultsTest, AreAllTried) {
  EXPECT_EQ(base::kFirstEngineFault - 1, 27) << "a fault was planted: say above what finds it";
}

}  // namespace
}  // namespace berth::simulation
