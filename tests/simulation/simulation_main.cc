// berth_simulation: simulated clusters out of seeds.
//
//   berth_simulation --seed N          one, with its trace
//   berth_simulation --seeds A..B      many; the first that fails is traced
//   berth_simulation --long [--from A] until it fails or is stopped; Ctrl-C: what was seen so far
//   berth_simulation_planted --planted NAME|all [--seeds A..B]
//                                      with a fault in the code under test: which seed finds it
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/planted_fault.h"
#include "tests/simulation/simulation.h"

namespace berth::simulation {
namespace {

volatile uint64_t running_seed = 0;
volatile std::sig_atomic_t stopping = 0;

// A check that fails inside ends the process: what replays it must be seen all the same.
void OnAbort(int) {
  char line[96];
  const int length = snprintf(
      line, sizeof(line), "\nseed %llu ends the process; replay: berth_simulation --seed %llu\n",
      static_cast<unsigned long long>(running_seed), static_cast<unsigned long long>(running_seed));
  if (length > 0 && write(STDERR_FILENO, line, static_cast<size_t>(length)) < 0) _exit(1);
  signal(SIGABRT, SIG_DFL);
  raise(SIGABRT);
}

void Print(const Coverage& coverage) {
  for (const auto& [kind, names] : coverage.counts()) {
    for (const auto& [name, times] : names) {
      std::printf("%12llu  %s: %s\n", static_cast<unsigned long long>(times), kind.c_str(),
                  name.c_str());
    }
  }
}

int RunOne(uint64_t seed) {
  running_seed = seed;
  const Outcome outcome = Simulate(seed, true);
  for (const std::string& line : outcome.trace) std::printf("%s\n", line.c_str());
  if (outcome.violation.empty()) {
    std::printf("seed %llu: every invariant held, %.0f s of virtual time\n",
                static_cast<unsigned long long>(seed),
                static_cast<double>(outcome.virtual_us) / 1e6);
    return 0;
  }
  std::printf("seed %llu: VIOLATED: %s\n", static_cast<unsigned long long>(seed),
              outcome.violation.c_str());
  return 1;
}

int RunMany(uint64_t first, uint64_t last) {
  for (const int number : {SIGINT, SIGTERM}) signal(number, [](int) { stopping = 1; });
  Coverage coverage;
  uint64_t failures = 0;
  const auto start = std::chrono::steady_clock::now();
  uint64_t ran = 0;
  for (uint64_t seed = first; seed <= last && stopping == 0; ++seed) {
    running_seed = seed;
    const Outcome outcome = Simulate(seed, false);
    coverage.Add(outcome.coverage);
    ++ran;
    if (outcome.violation.empty()) continue;
    std::printf("seed %llu: VIOLATED: %s\n  replay: berth_simulation --seed %llu\n",
                static_cast<unsigned long long>(seed), outcome.violation.c_str(),
                static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    if (++failures == 20) break;
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  Print(coverage);
  std::printf("%llu seeds from %llu in %.1f s: %.1f a second, %llu failed\n",
              static_cast<unsigned long long>(ran), static_cast<unsigned long long>(first), seconds,
              static_cast<double>(ran) / seconds, static_cast<unsigned long long>(failures));
  return failures == 0 ? 0 : 1;
}

struct Range {
  uint64_t first = 0;
  uint64_t last = 0;
};

Range ParseRange(const char* text) {
  char* end = nullptr;
  const uint64_t first = std::strtoull(text, &end, 10);
  return {first, std::strncmp(end, "..", 2) == 0 ? std::strtoull(end + 2, nullptr, 10) : first};
}

#ifdef BERTH_PLANTED_FAULTS

// In a process of its own: some faults end it by a check of the code itself.
int FindPlanted(int fault, const Range& seeds) {
  const char* name = base::kPlantedFaultNames[fault];
  const pid_t child = fork();
  if (child == 0) {
    base::planted_fault = static_cast<base::PlantedFault>(fault);
    signal(SIGABRT, [](int) {
      char line[96];
      const int length = snprintf(line, sizeof(line), "found by a check at seed %llu\n",
                                  static_cast<unsigned long long>(running_seed));
      _exit(length > 0 && write(STDOUT_FILENO, line, static_cast<size_t>(length)) > 0 ? 0 : 1);
    });
    std::printf("%-28s", name);
    std::fflush(stdout);
    for (uint64_t seed = seeds.first; seed <= seeds.last; ++seed) {
      running_seed = seed;
      const Outcome outcome = Simulate(seed, false);
      if (outcome.violation.empty()) continue;
      std::printf("found at seed %llu: %s\n", static_cast<unsigned long long>(seed),
                  outcome.violation.c_str());
      std::fflush(stdout);
      _exit(0);
    }
    std::printf("NOT FOUND\n");
    std::fflush(stdout);
    _exit(1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status == 0 ? 0 : 1;
}

int FindAllPlanted(const char* wanted, const Range& seeds) {
  int result = 2;
  for (int fault = 1; fault < base::kFirstEngineFault; ++fault) {
    const char* name = base::kPlantedFaultNames[fault];
    if (std::strcmp(wanted, "all") != 0 && std::strcmp(wanted, name) != 0) continue;
    result = (result == 1) | FindPlanted(fault, seeds);
  }
  if (result == 2) std::fprintf(stderr, "there is no planted fault \"%s\"\n", wanted);
  return result;
}

#endif

int Main(int argc, char** argv) {
  signal(SIGABRT, OnAbort);
  const auto argument = [&](const char* name) -> const char* {
    for (int i = 1; i + 1 < argc; ++i) {
      if (std::strcmp(argv[i], name) == 0) return argv[i + 1];
    }
    return nullptr;
  };
#ifdef BERTH_PLANTED_FAULTS
  const char* planted_seeds = argument("--seeds");
  if (const char* planted = argument("--planted")) {
    return FindAllPlanted(planted,
                          ParseRange(planted_seeds == nullptr ? "1..2000" : planted_seeds));
  }
#endif
  if (const char* seed = argument("--seed")) return RunOne(std::strtoull(seed, nullptr, 10));
  if (const char* seeds = argument("--seeds")) {
    const Range range = ParseRange(seeds);
    return RunMany(range.first, range.last);
  }
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--long") != 0) continue;
    const char* from = argument("--from");
    return RunMany(from == nullptr ? 1 : std::strtoull(from, nullptr, 10), UINT64_MAX - 1);
  }
  std::fprintf(stderr,
               "usage: berth_simulation --seed N | --seeds A..B | --long [--from A]\n"
               "  Runs simulated clusters; exits 1 when an invariant did not hold.\n");
  return 2;
}

}  // namespace
}  // namespace berth::simulation

int main(int argc, char** argv) { return berth::simulation::Main(argc, argv); }
