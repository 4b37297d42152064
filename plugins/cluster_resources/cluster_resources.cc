#include "cluster_resources/cluster_resources.h"

#include <algorithm>
#include <cstdint>

#include "berth/filter.h"
#include "common/args_reader.h"

namespace berth::plugins {
namespace {

// One resource over nodes.
class Stock {
 public:
  Stock(const NodeColumns& columns, const SharedUse& use)
      : domains_(columns.domains(use.key)),
        counts_(columns.counts(use.counter)),
        capacity_(columns.shared_capacity(use.resource)) {}

  int64_t capacity(Slot slot) const { return domains_[slot] == kNoDomain ? 0 : capacity_; }
  // Less than nothing after the capacity was lowered.
  int64_t free(Slot slot) const {
    const int32_t domain = domains_[slot];
    return domain == kNoDomain ? 0 : int64_t{capacity_} - counts_[static_cast<size_t>(domain)];
  }

 private:
  std::span<const int32_t> domains_, counts_;
  int32_t capacity_;
};

class ClusterResources final : public FilterPlugin, public DomainPlugin {
 public:
  std::string_view name() const override { return kClusterResources; }
  Scope scope() const override { return Scope::kDomain; }
  Reads reads() const override { return kReadsStatic | kReadsTerms; }

  void AppendKeys(const TaskRequirements& needs, std::vector<DomainKey>& keys) const override {
    for (const SharedUse& use : needs.shared) keys.push_back({use.key, /*required=*/false});
  }
  // The capacity may change, and no node with it.
  bool IsLocal(const TaskRequirements& needs) const override {
    (void)needs;
    return false;
  }

  bool PassesAll(const TaskRequirements& needs) const override { return needs.shared.empty(); }
  absl::Status Filter(const TaskView& task, const NodeColumns& columns,
                      SlotMask& feasible) const override {
    for (const SharedUse& use : task.needs.shared) {
      const Stock stock(columns, use);
      feasible.ForEach([&](size_t i, Slot slot) {
        if (stock.free(slot) < use.amount) feasible.Clear(i);
      });
    }
    return absl::OkStatus();
  }

  // Of several resources one is named that can never suffice, if there is one, else the first.
  void Diagnose(const TaskView& task, const NodeColumns& columns, const NodeMask& removed,
                RejectionSink& sink) const override {
    NodeMask left = removed;
    for (const bool permanent : {true, false}) {
      for (const SharedUse& use : task.needs.shared) {
        const Stock stock(columns, use);
        removed.ForEach([&](Slot slot) {
          const bool is_named = (stock.capacity(slot) < use.amount) == permanent;
          if (!left.Test(slot) || !is_named || stock.free(slot) >= use.amount) return;
          left.Clear(slot);
          sink.Reject(slot, Reason::kInsufficientClusterResource, use.resource, use.amount,
                      std::max<int64_t>(0, stock.free(slot)), stock.capacity(slot), permanent);
        });
      }
    }
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeClusterResources(const PluginArgs& args,
                                                             PluginContext& context) {
  (void)context;
  if (absl::Status status = AcceptNoArguments(args); !status.ok()) return status;
  return std::make_unique<ClusterResources>();
}

}  // namespace berth::plugins
