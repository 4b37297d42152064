// Task features: what came to be known of jobs after they were admitted, and what people say of it.
#include <string>
#include <utility>

#include "base/check.h"
#include "scheduler/turn.h"

namespace berth::scheduler {

using state::FeaturePart;
using state::JobRow;
using state::Principal;

Reply Turn::Do(const Principal& who, state::SetFeatures& command) {
  const std::string object = "job " + std::to_string(command.job.value);
  const bool is_of_a_person =
      command.part == FeaturePart::kCorrection || command.part == FeaturePart::kRating;
  JobRow* job = state_->FindJob(command.job);
  if (job == nullptr || !who.MaySee(job->spec->ns)) {
    return Refuse(absl::NotFoundError(object + ": there is none of that id"), Reason::kNotFound,
                  "job_id");
  }
  if (command.group >= job->groups.size()) {
    return Refuse(absl::InvalidArgumentError(object + ": it has " +
                                             std::to_string(job->groups.size()) + " groups"),
                  Reason::kInvalidField, "group");
  }
  if (command.part == FeaturePart::kCorrection && !who.is_operator) {
    return Refuse(absl::PermissionDeniedError("features of " + object +
                                              ": only operators correct them; berth features " +
                                              "rate says how it went for you"),
                  Reason::kNotAllowed, "");
  }
  if (command.part == FeaturePart::kRating && !who.is_operator && job->submitted_by != who.name) {
    return Refuse(absl::PermissionDeniedError(object + ": it is " + job->submitted_by +
                                              "'s, and only they and operators rate it"),
                  Reason::kNotAllowed, "");
  }
  if (command.record != nullptr) {
    state_->PutFeatures(job->id, command.group, command.part, std::move(command.record));
  }
  if (command.hints && !job->ended()) {
    LeaveQueue(*job, command.group);
    work_units_ += state_->SetHints(*job, command.group, *command.hints);
    job->groups[command.group].queue_key = QueueKeyOf(*job, command.group);
    SyncQueue(*job, command.group);
  }
  if (is_of_a_person) {
    Audit(who, command.part == FeaturePart::kCorrection ? "correct_features" : "rate_job", object,
          "ok");
  }
  return Answer(std::monostate());
}

Reply Turn::Do(const Principal& who, state::KeepFeatureState& command) {
  BERTH_CHECK(who.is_operator) << who.name;
  for (state::KeepFeatureState::Piece& piece : command.pieces) {
    state_->PutFeatureState(std::move(piece.name), std::move(piece.content));
  }
  return Answer(std::monostate());
}

}  // namespace berth::scheduler
