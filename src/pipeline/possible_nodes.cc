#include "pipeline/possible_nodes.h"

#include "base/status_macros.h"
#include "engine/run_plugins.h"
#include "pipeline/all_nodes.h"

namespace berth::pipeline {
namespace {

// Takes nodes that are rejected for good out of a set, and passes on the first such rejection of
// each.
class PermanentSink final : public RejectionSink {
 public:
  // `tally`: null when the reasons do not matter.
  PermanentSink(NodeMask& possible, RejectionTally* tally) : possible_(possible), tally_(tally) {}

  void Reject(Slot slot, Reason reason, uint32_t subject, int64_t requested, int64_t free,
              int64_t capacity, bool permanent) override {
    if (!permanent || !possible_.Test(slot)) return;
    possible_.Clear(slot);
    if (tally_ != nullptr) {
      tally_->Reject(slot, reason, subject, requested, free, capacity, permanent);
    }
  }

 private:
  NodeMask& possible_;
  RejectionTally* tally_;
};

}  // namespace

absl::StatusOr<PossibleNodes> FindPossibleNodes(const Profile& profile, const TaskView& task,
                                                const state::NodeTable& table, bool why_never) {
  PossibleNodes possible{.nodes = table.live(), .never = {}};
  BERTH_ASSIGN_OR_RETURN(const auto refusal, engine::RefusedBy(profile.placing(), task.needs));
  if (refusal) {
    possible.nodes = NodeMask(table.size());
    return possible;
  }
  RejectionTally tally(table);
  PermanentSink sink(possible.nodes, why_never ? &tally : nullptr);
  for (const FilterPlugin* filter : profile.filters()) {
    NodeMask kept = table.live();
    BERTH_RETURN_IF_ERROR(FilterAll(*filter, task, table, kept));
    NodeMask removed = table.live();
    removed.AndNot(kept);
    tally.StartFilter(*filter);
    BERTH_RETURN_IF_ERROR(engine::Diagnose(*filter, task, table, removed, sink));
  }
  possible.never = tally.TakeGroups();
  return possible;
}

}  // namespace berth::pipeline
