// berth_simulation: simulated clusters out of seeds.
//
//   berth_simulation --seed N          one, with its trace
//   berth_simulation --seeds A..B      many; the first that fails is traced
//   berth_simulation --long [--from A] until it fails or is stopped
#include <unistd.h>
#include <csignal>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/simulation/simulation.h"

namespace berth::simulation {
namespace {

volatile uint64_t running_seed = 0;

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
  Coverage coverage;
  uint64_t failures = 0;
  const auto start = std::chrono::steady_clock::now();
  uint64_t ran = 0;
  for (uint64_t seed = first; seed <= last; ++seed) {
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

int Main(int argc, char** argv) {
  signal(SIGABRT, OnAbort);
  const auto argument = [&](const char* name) -> const char* {
    for (int i = 1; i + 1 < argc; ++i) {
      if (std::strcmp(argv[i], name) == 0) return argv[i + 1];
    }
    return nullptr;
  };
  if (const char* seed = argument("--seed")) return RunOne(std::strtoull(seed, nullptr, 10));
  if (const char* seeds = argument("--seeds")) {
    char* end = nullptr;
    const uint64_t first = std::strtoull(seeds, &end, 10);
    const uint64_t last =
        std::strncmp(end, "..", 2) == 0 ? std::strtoull(end + 2, nullptr, 10) : first;
    return RunMany(first, last);
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
