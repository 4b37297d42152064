// LabelPreference: prefers nodes that have a label. The example of a plugin in a library of its
// own.
//
// A score: kMaxScore for a node with the label, 0 for any other.
//
// Arguments:
//   key: disk      # of the label
//   value: ssd     # of the label; without it every value will do
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "berth/node_columns.h"
#include "berth/plugin_library.h"
#include "berth/score.h"

namespace {

using namespace berth;

class LabelPreference final : public ScorePlugin {
 public:
  LabelPreference(KeyId key, std::optional<LabelId> label) : key_(key), label_(label) {}

  std::string_view name() const override { return "LabelPreference"; }
  // A node's score depends on its own labels alone, so berthd keeps it until those change.
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsStatic; }

  absl::Status Score(const TaskView& /*task*/, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    const NodeMask& preferred = label_ ? columns.with_label(*label_) : columns.with_key(key_);
    slots.ForEach([&](size_t position, Slot slot) {
      scores[position] = preferred.Test(slot) ? kMaxScore : 0;
    });
    return absl::OkStatus();
  }

 private:
  const KeyId key_;
  const std::optional<LabelId> label_;
};

// INVALID_ARGUMENT that begins with the argument's path: berthd puts the place in the profile
// before it.
absl::Status Wrong(const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(path + ": " + what);
}

// A text that is not empty, or none where the argument is absent. YAML reads `true` and `7` as
// something else, and labels are text: to be written in quotes.
absl::StatusOr<std::optional<std::string>> ReadText(const PluginArgs::Map& args,
                                                    const std::string& name) {
  const auto argument = args.find(name);
  if (argument == args.end()) return std::nullopt;
  const std::string* text = argument->second.as_string();
  if (text == nullptr || text->empty()) {
    return Wrong(name, "must be a text that is not empty, such as \"ssd\"");
  }
  return *text;
}

absl::StatusOr<std::unique_ptr<Plugin>> MakeLabelPreference(const PluginArgs& args,
                                                            PluginContext& context) {
  const PluginArgs::Map none;
  if (!args.is_null() && args.as_map() == nullptr) return Wrong("key", "is missing: write a map");
  const PluginArgs::Map& map = args.is_null() ? none : *args.as_map();
  for (const auto& [name, value] : map) {
    if (name != "key" && name != "value") {
      return Wrong(name, "unknown argument; accepted: key, value");
    }
  }
  const auto key = ReadText(map, "key");
  if (!key.ok()) return key.status();
  if (!key->has_value()) return Wrong("key", "is missing: name the label that is preferred");
  const auto value = ReadText(map, "value");
  if (!value.ok()) return value.status();
  std::optional<LabelId> label;
  if (value->has_value()) label = context.Label(**key, **value);
  return std::make_unique<LabelPreference>(context.LabelKey(**key), label);
}

}  // namespace

BERTH_PLUGINS({"LabelPreference", MakeLabelPreference});
