#include "node_readiness/node_readiness.h"

#include "berth/filter.h"
#include "common/args_reader.h"

namespace berth::plugins {
namespace {

class NodeReadiness final : public FilterPlugin {
 public:
  std::string_view name() const override { return kNodeReadiness; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsStatic; }

  absl::Status Filter(const TaskView& task, const NodeColumns& columns,
                      SlotMask& feasible) const override {
    (void)task;
    feasible.And(columns.ready());
    feasible.AndNot(columns.cordoned());
    return absl::OkStatus();
  }

  void Diagnose(const TaskView& task, const NodeColumns& columns, const NodeMask& removed,
                RejectionSink& sink) const override {
    (void)task;
    removed.ForEach([&](Slot slot) {
      if (columns.cordoned().Test(slot)) {
        sink.Reject(slot, Reason::kNodeCordoned, 0, 0, 0, 0, /*permanent=*/false);
      } else if (!columns.ready().Test(slot)) {
        sink.Reject(slot, Reason::kNodeNotReady, 0, 0, 0, 0, /*permanent=*/false);
      }
    });
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeNodeReadiness(const PluginArgs& args,
                                                          PluginContext& context) {
  (void)context;
  if (absl::Status status = AcceptNoArguments(args); !status.ok()) return status;
  return std::make_unique<NodeReadiness>();
}

}  // namespace berth::plugins
