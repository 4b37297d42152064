// Warnings about what a job asks for, from what tasks like it used.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "features/history_estimator.h"

namespace berth::features {

// What a task of the job asks for; 0: it does not say.
struct AskedResources {
  int64_t cpu_milli = 0;
  int64_t memory_bytes = 0;
  int64_t gpus = 0;
  int64_t time_limit_ms = 0;
};

struct AdviceOptions {
  // Ends that must have been seen, of tasks of the same program, script or name.
  int32_t least_ends = 5;
  // Asked for is far more than used from this many times on; and by at least so much, below which
  // nobody is helped by hearing of it.
  int32_t far_more = 4;
  int64_t least_memory_bytes = int64_t{1} << 30;
  int64_t least_cpu_milli = 1000;
  int64_t least_time_ms = 600'000;  // ten minutes
  // GPUs busy for less than this share of the time are idle.
  int32_t idle_gpu_percent = 10;
};

struct RequestAdvice {
  HistoryField field = HistoryField::kMemory;
  enum class Kind : uint8_t { kTooMuch, kTooLittle } kind = Kind::kTooMuch;
  // A sentence without a capital and a full stop: "similar jobs used 3.1Gi at most; you ask for
  // 64Gi".
  std::string words;

  bool operator==(const RequestAdvice&) const = default;
};

// One warning a field at most, in order of fields: memory, CPU, time limit, GPUs. Only what is
// similar in kind counts as evidence, never what other programs of the user or of others took.
// Pure.
std::vector<RequestAdvice> AdviseOnRequest(const AskedResources& asked,
                                           const HistoryPrediction& prediction,
                                           const AdviceOptions& options = {});

}  // namespace berth::features
