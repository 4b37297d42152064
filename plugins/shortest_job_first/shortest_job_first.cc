#include "shortest_job_first/shortest_job_first.h"

#include <algorithm>
#include <cstdint>

#include "berth/queue_sort.h"
#include "common/args_reader.h"

namespace berth::plugins {
namespace {

// Priorities stand above this, all times below: 2^46 ms are two thousand years.
constexpr int64_t kPriorityUnit = int64_t{1} << 48;
constexpr int64_t kLongest = int64_t{1} << 46;

class ShortestJobFirst final : public QueueSortPlugin {
 public:
  ShortestJobFirst(int64_t ageing_percent, int64_t unknown_ms)
      : ageing_percent_(ageing_percent), unknown_ms_(unknown_ms) {}

  std::string_view name() const override { return kShortestJobFirst; }

  int64_t Key(const QueuedGroup& group) const override {
    const int64_t expected = group.expected_ms > 0     ? group.expected_ms
                             : group.time_limit_ms > 0 ? group.time_limit_ms
                                                       : unknown_ms_;
    // expected - ageing * (now - queued_at), without the part that all have in common.
    const int64_t queued_at = std::clamp<int64_t>(group.queued_at_ms, 0, kLongest / 10);
    return -int64_t{group.priority} * kPriorityUnit + std::min(expected, kLongest) +
           queued_at / 100 * ageing_percent_ + queued_at % 100 * ageing_percent_ / 100;
  }

 private:
  const int64_t ageing_percent_;
  const int64_t unknown_ms_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeShortestJobFirst(const PluginArgs& args,
                                                             PluginContext& context) {
  (void)context;
  const auto reader = ArgsReader::Open(args, "", {"ageingPercent", "unknownSeconds"});
  if (!reader.ok()) return reader.status();
  const auto ageing = reader->IntegerOr("ageingPercent", 0, 1000, 100);
  if (!ageing.ok()) return ageing.status();
  const auto unknown = reader->IntegerOr("unknownSeconds", 1, 31'536'000, 3600);
  if (!unknown.ok()) return unknown.status();
  return std::make_unique<ShortestJobFirst>(*ageing, *unknown * 1000);
}

}  // namespace berth::plugins
