// What is known of a node's health.
#include "scheduler/turn.h"

namespace berth::scheduler {

Reply Turn::Do(const state::Principal& who, const state::DiagnoseNode& command) {
  const Slot slot = state_->nodes().Find(command.node);
  if (slot == kNoSlot) {
    return Refuse(absl::NotFoundError("node \"" + command.node +
                                      "\": there is none of that name; see 'berth get nodes'"),
                  Reason::kNotFound, "name");
  }
  NodeHealthReply reply;
  reply.node = state_->ViewNode(slot);
  reply.now_unix_ms = wall_ms_;
  if (const state::NodeLink* link = state_->FindLink(slot)) reply.stream = link->stream;
  if (leases_.HasHeard(slot)) reply.silent_ms = now_ms_ - leases_.heard_ms(slot);
  for (StartFailures::Failure& failure : start_failures_.Of(slot)) {
    // Another namespace's tasks are nobody else's business; that one failed here is.
    if (!who.MaySee(failure.ns)) failure.task = failure.message = {};
    reply.failed_starts.push_back(std::move(failure));
  }
  return Answer(std::move(reply));
}

}  // namespace berth::scheduler
