#include "scheduler/commit_step.h"

#include <utility>

#include "base/planted_fault.h"

namespace berth::scheduler {

absl::Status CommitStep::Run(Outcome& outcome,
                             const std::function<void(const Written&)>& on_durable) {
  if (BERTH_PLANTED(kReplyBeforeSync)) Release(outcome);
  if (BERTH_PLANTED(kDirectivesBeforeSync)) {
    link_.Deliver(std::exchange(outcome.output.agent_effects, {}));
  }
  if (const auto& batch = outcome.output.batch; batch != nullptr) {
    const store::WriteBatch writes = encoder_.Encode(*batch);
    if (auto status = store_.Commit(writes, batch->epoch, batch->term); !status.ok()) {
      return status;
    }
    on_durable({batch->epoch, writes.bytes(), writes.size()});
  }
  if (!BERTH_PLANTED(kReplyBeforeSync)) Release(outcome);
  return absl::OkStatus();
}

void CommitStep::Release(Outcome& outcome) {
  for (size_t i = 0; i < outcome.profile_waiters.size(); ++i) {
    outcome.profile_waiters[i]->Tell(std::move(outcome.output.profile_answers[i]));
  }
  for (auto& [token, reply] : outcome.output.replies) {
    outcome.callbacks[token - 1](std::move(reply));
  }
  if (!outcome.output.agent_effects.empty()) {
    link_.Deliver(std::move(outcome.output.agent_effects));
  }
  if (outcome.output.batch != nullptr) hub_.Publish(outcome.output.batch);
}

}  // namespace berth::scheduler
