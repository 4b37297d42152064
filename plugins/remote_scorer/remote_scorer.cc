#include "remote_scorer/remote_scorer.h"

#include <algorithm>

#include "berth/score.h"
#include "remote_scorer/remote_scorer_args.h"

namespace berth::plugins {
namespace {

class RemoteScorer final : public ScorePlugin {
 public:
  std::string_view name() const override { return kRemoteScorer; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsOutside; }

  absl::Status Score(const TaskView& task, const NodeColumns&, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    const std::span<const int32_t> given = task.outside_scores;
    if (slots.is_range()) {
      const size_t first = std::min<size_t>(slots.size() == 0 ? 0 : slots.first(), given.size());
      const size_t known = std::min(slots.size(), given.size() - first);
      std::copy_n(given.begin() + static_cast<std::ptrdiff_t>(first), known, scores.begin());
      std::fill(scores.begin() + static_cast<std::ptrdiff_t>(known), scores.end(), 0);
      return absl::OkStatus();
    }
    slots.ForEach([&](size_t i, Slot slot) { scores[i] = slot < given.size() ? given[slot] : 0; });
    return absl::OkStatus();
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeRemoteScorer(const PluginArgs& args, PluginContext&) {
  // What they say is for berthd's client; here they are only checked.
  const auto read = ReadRemoteScorerArgs(args);
  if (!read.ok()) return read.status();
  return std::make_unique<RemoteScorer>();
}

}  // namespace berth::plugins
