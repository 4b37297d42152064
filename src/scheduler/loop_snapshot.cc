#include "scheduler/loop_snapshot.h"

#include "base/check.h"

namespace berth::scheduler {
namespace {

constexpr double kFirstBoundSeconds = 10e-6;

}  // namespace

double LatencyHistogram::Bound(size_t bucket) {
  BERTH_CHECK(bucket < kBuckets - 1);
  return kFirstBoundSeconds * static_cast<double>(uint64_t{1} << bucket);
}

void LatencyHistogram::Observe(double seconds) {
  size_t bucket = 0;
  while (bucket < kBuckets - 1 && seconds > Bound(bucket)) ++bucket;
  ++counts[bucket];
  sum_s += seconds;
}

}  // namespace berth::scheduler
