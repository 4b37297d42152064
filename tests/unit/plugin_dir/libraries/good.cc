// A library of two plugins, as an author writes it.
#include <algorithm>
#include <memory>

#include "berth/plugin_library.h"
#include "berth/score.h"

namespace berth {
namespace {

class Even final : public ScorePlugin {
 public:
  std::string_view name() const override { return "Even"; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsStatic; }
  absl::Status Score(const TaskView&, const NodeColumns&, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    slots.ForEach([&](size_t i, Slot slot) { scores[i] = slot % 2 == 0 ? kMaxScore : 0; });
    return absl::OkStatus();
  }
};

absl::StatusOr<std::unique_ptr<Plugin>> MakeEven(const PluginArgs& args, PluginContext&) {
  if (!args.is_null()) return absl::InvalidArgumentError("odd: unknown argument");
  return std::make_unique<Even>();
}

}  // namespace
}  // namespace berth

BERTH_PLUGINS({"Even", berth::MakeEven}, {"AlsoEven", berth::MakeEven});
