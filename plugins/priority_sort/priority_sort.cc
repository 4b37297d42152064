#include "priority_sort/priority_sort.h"

#include "berth/queue_sort.h"
#include "common/args_reader.h"

namespace berth::plugins {
namespace {

class PrioritySort final : public QueueSortPlugin {
 public:
  std::string_view name() const override { return kPrioritySort; }
  int64_t Key(const QueuedGroup& group) const override { return -int64_t{group.priority}; }
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakePrioritySort(const PluginArgs& args,
                                                         PluginContext& context) {
  (void)context;
  if (absl::Status status = AcceptNoArguments(args); !status.ok()) return status;
  return std::make_unique<PrioritySort>();
}

}  // namespace berth::plugins
