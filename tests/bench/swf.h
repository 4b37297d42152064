// Job logs in the Standard Workload Format (cs.huji.ac.il/labs/parallel/workload/swf.html).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace berth::bench {

// One job. Numbers that the log does not know are -1, as in the log.
struct SwfJob {
  int64_t submit_s = 0;
  int64_t wait_s = 0;
  int64_t run_s = 0;
  int64_t processors = 0;
  int64_t memory_kib = 0;  // each processor
  int64_t asked_processors = 0;
  int64_t asked_s = 0;
  int64_t status = 0;  // 1 completed, 0 failed, 5 cancelled
  int64_t user = 0;
  int64_t program = 0;
  int64_t queue = 0;
  int64_t partition = 0;
};

// The jobs of a log, plain or gzipped, in order of submission; those without a run time are left
// out. Stops the program with a message when it cannot be read.
std::vector<SwfJob> ReadSwf(const std::string& path);

}  // namespace berth::bench
