#include "data_locality/data_locality.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "berth/score.h"
#include "common/args_reader.h"
#include "common/exact_fraction.h"

namespace berth::plugins {
namespace {

class DataLocality final : public ScorePlugin, public SparsePlugin {
 public:
  explicit DataLocality(size_t most_nodes) : most_nodes_(most_nodes) {}

  std::string_view name() const override { return kDataLocality; }
  Scope scope() const override { return Scope::kSparse; }
  Reads reads() const override { return kReadsStatic; }

  bool Skips(const TaskRequirements& needs) const override { return !needs.has_data; }

  void AppendSlots(const TaskView& task, const NodeColumns& columns,
                   std::vector<Slot>& slots) const override {
    const size_t before = slots.size();
    for (const DataHint& hint : task.data) {
      for (const std::string& name : hint.names) {
        const std::span<const Slot> nodes = NodesWith(columns, name);
        slots.insert(slots.end(), nodes.begin(), nodes.end());
      }
    }
    const auto first = slots.begin() + static_cast<std::ptrdiff_t>(before);
    std::sort(first, slots.end());
    slots.erase(std::unique(first, slots.end()), slots.end());
  }

  absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    std::fill(scores.begin(), scores.end(), 0);
    int64_t total = 0;
    for (const DataHint& hint : task.data) total += hint.weight;
    int64_t before = 0;
    for (const DataHint& hint : task.data) {
      const int32_t share = ScoreShare(before, hint.weight, total);
      before += hint.weight;
      slots.ForEach([&](size_t i, Slot slot) {
        if (Has(columns, slot, hint)) scores[i] += share;
      });
    }
    return absl::OkStatus();
  }

 private:
  std::span<const Slot> NodesWith(const NodeColumns& columns, const std::string& name) const {
    const std::span<const Slot> nodes = columns.nodes_with_data(name);
    return nodes.size() > most_nodes_ ? std::span<const Slot>() : nodes;
  }
  bool Has(const NodeColumns& columns, Slot slot, const DataHint& hint) const {
    return std::any_of(hint.names.begin(), hint.names.end(), [&](const std::string& name) {
      const std::span<const Slot> nodes = NodesWith(columns, name);
      return std::binary_search(nodes.begin(), nodes.end(), slot);
    });
  }

  const size_t most_nodes_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeDataLocality(const PluginArgs& args,
                                                         PluginContext& context) {
  (void)context;
  const auto reader = ArgsReader::Open(args, "", {"mostNodes"});
  if (!reader.ok()) return reader.status();
  const auto most_nodes = reader->IntegerOr("mostNodes", 1, 100'000, 1000);
  if (!most_nodes.ok()) return most_nodes.status();
  return std::make_unique<DataLocality>(static_cast<size_t>(*most_nodes));
}

}  // namespace berth::plugins
