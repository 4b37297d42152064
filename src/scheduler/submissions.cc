// Submissions: jobs come into being.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/planted_fault.h"
#include "scheduler/turn.h"

namespace berth::scheduler {

using state::JobRow;
using state::Principal;

namespace {

struct HiddenNamespace {
  std::string field;
  std::string text;
};

// A rule about tasks of a namespace that is not to be seen would tell where they run.
std::optional<HiddenNamespace> FindHiddenNamespace(const Principal& who,
                                                   const state::JobSpec& spec) {
  for (size_t g = 0; g < spec.groups.size(); ++g) {
    const std::vector<state::TermSpec>& terms = spec.groups[g].needs->terms;
    for (size_t t = 0; t < terms.size(); ++t) {
      for (const std::string& ns : terms[t].namespaces) {
        if (who.MaySee(ns)) continue;
        return HiddenNamespace{
            "job.groups[" + std::to_string(g) + "].template.terms[" + std::to_string(t) +
                "].namespaces",
            "namespace \"" + ns + "\": " + who.name +
                " may not see its tasks, and a rule about them would tell where they run; leave it "
                "out of the rule"};
      }
    }
  }
  return std::nullopt;
}

std::string_view KindText(TermKind kind) {
  switch (kind) {
    case TermKind::kAffinity:
      return "affinity";
    case TermKind::kAntiAffinity:
      return "anti-affinity";
    case TermKind::kSpread:
      return "spread";
    case TermKind::kNearTasks:
    case TermKind::kNearData:
      break;
  }
  return "near";
}

}  // namespace

std::optional<Reply> Turn::RefuseUnkeptRule(const state::JobSpec& spec, uint32_t profile) {
  for (size_t g = 0; g < spec.groups.size(); ++g) {
    const std::vector<state::TermSpec>& terms = spec.groups[g].needs->terms;
    for (size_t t = 0; t < terms.size(); ++t) {
      if (terms[t].weight != 0 || profiles_[profile].profile.Keeps(terms[t].kind)) continue;
      std::string others;
      for (const auto& [name, index] : profile_index_) {
        if (!profiles_[index].profile.Keeps(terms[t].kind)) continue;
        others += (others.empty() ? " (" : ", ") + name;
      }
      if (!others.empty()) others += ")";
      return Refuse(
          absl::FailedPreconditionError(
              "profile \"" + spec.profile + "\": it has no filter that keeps a required rule of " +
              std::string(KindText(terms[t].kind)) +
              "; make it preferred, or submit to a profile " + "that has one" + others),
          Reason::kFieldNotHonoured,
          "job.groups[" + std::to_string(g) + "].template.terms[" + std::to_string(t) + "]");
    }
  }
  return std::nullopt;
}

Reply Turn::Do(const Principal& who, state::SubmitJob& command) {
  if (!command.batch_id.empty()) {
    const int64_t next = state_->BatchOffset(who.name, command.batch_id);
    if (command.batch_offset != next) {
      return Refuse(absl::FailedPreconditionError(
                        "batch \"" + command.batch_id + "\": item " +
                        std::to_string(command.batch_offset) + " came, item " +
                        std::to_string(next) + " is next; open the stream again and go on there"),
                    Reason::kInvalidField, "offset");
    }
  }
  if (!command.request_id.empty()) {
    if (const auto* first = state_->FindRequest(who.name, command.request_id)) {
      if (first->body_hash != command.body_hash) return RefuseReused(command.request_id);
      SubmitReply repeated;
      repeated.job = first->job;
      repeated.tasks = first->tasks;
      if (const JobRow* job = state_->FindJob(first->job)) Judge(*job, repeated);
      Reply reply = Answer(std::move(repeated));
      reply.epoch = first->epoch;
      return reply;
    }
  }
  Reply reply = Admit(who, command);
  if (!command.batch_id.empty()) {
    // Refused or admitted, the item has its durable answer.
    state_->PutBatch({who.name, command.batch_id, command.batch_offset + 1, now_ms_});
  }
  return reply;
}

std::string Turn::ResourcesField(size_t group) {
  return "job.groups[" + std::to_string(group) + "].template.resources.extended";
}

std::optional<Reply> Turn::RefuseJob(const Principal& who, const state::JobSpec& spec,
                                     uint32_t& profile) {
  if (!who.MaySee(spec.ns)) {
    return Refuse(
        absl::PermissionDeniedError("namespace \"" + spec.ns + "\": " + who.name +
                                    " may not submit there; leave it out for \"default\""),
        Reason::kNotAllowed, "job.namespace");
  }
  if (const auto hidden = FindHiddenNamespace(who, spec)) {
    return Refuse(absl::PermissionDeniedError(hidden->text), Reason::kNotAllowed, hidden->field);
  }
  if (spec.queue != "default") {
    return Refuse(absl::NotFoundError("queue \"" + spec.queue +
                                      "\": there is none of that name; there is \"default\""),
                  Reason::kUnknownQueue, "job.queue");
  }
  const auto found = profile_index_.find(spec.profile);
  if (found == profile_index_.end()) {
    std::string known;
    for (const auto& [name, index] : profile_index_) known += (known.empty() ? "" : ", ") + name;
    return Refuse(absl::NotFoundError("profile \"" + spec.profile +
                                      "\": there is none of that name; there is: " + known),
                  Reason::kUnknownProfile, "job.profile");
  }
  profile = found->second;
  return RefuseUnkeptRule(spec, profile);
}

Reply Turn::Admit(const Principal& who, state::SubmitJob& command) {
  const state::JobSpec& spec = *command.spec;
  const auto audited = [&](Reply reply) {
    Audit(who, "submit_job", "namespace " + spec.ns, "refused",
          std::string(reply.status.message()));
    return reply;
  };
  const auto refuse = [&](absl::Status status, Reason reason, std::string field) {
    return audited(Refuse(std::move(status), reason, std::move(field)));
  };
  uint32_t profile = 0;
  if (auto refused = RefuseJob(who, spec, profile)) return audited(*std::move(refused));
  if (!state_->HasJobIds()) {
    return refuse(
        absl::FailedPreconditionError(
            "job: the ids of restore generation " + std::to_string(state_->meta().generation) +
            " are used up; save a snapshot and restore it, which begins a new one"),
        Reason::kNone, "");
  }
  std::vector<state::ShapeId> shapes;
  for (size_t i = 0; i < spec.groups.size(); ++i) {
    const state::TaskTraits traits =
        command.features.empty() ? state::TaskTraits{} : state::TraitsOf(command.features[i].hints);
    auto shape = state_->requirements().Acquire(*spec.groups[i].needs, profile, state_->nodes(),
                                                false, traits);
    if (!shape.ok()) {
      for (const state::ShapeId acquired : shapes) {
        state_->requirements().Release(acquired, state_->nodes());
      }
      return refuse(shape.status(), Reason::kInvalidField, ResourcesField(i));
    }
    shapes.push_back(*shape);
  }

  JobRow& job = state_->AddJob(command.spec, std::move(command.blob), std::move(shapes), who.name,
                               command.run_as, now_ms_, wall_ms_);
  for (uint32_t g = 0; g < command.features.size(); ++g) {
    state::GroupFeatures& features = command.features[g];
    if (!features.hints.empty()) work_units_ += state_->SetHints(job, g, features.hints);
    if (features.record == nullptr) continue;
    state_->PutFeatures(job.id, g, state::FeaturePart::kAdmission, std::move(features.record));
  }
  for (uint32_t g = 0; g < job.groups.size(); ++g) {
    job.groups[g].queue_key = QueueKeyOf(job, g);
  }
  state_->JoinTerms(job);
  SyncTerms();
  for (uint32_t g = 0; g < job.groups.size(); ++g) SyncQueue(job, g);
  if (!command.request_id.empty() && !BERTH_PLANTED(kForgetRequest)) {
    state_->PutRequest({.principal = who.name,
                        .request_id = command.request_id,
                        .body_hash = command.body_hash,
                        .job = job.id,
                        .tasks = spec.task_count(),
                        .epoch = state_->meta().epoch,
                        .answered_ms = now_ms_});
  }
  Audit(who, "submit_job", "job " + std::to_string(job.id.value), "ok",
        std::to_string(spec.task_count()) + " tasks in namespace " + spec.ns);

  SubmitReply reply;
  reply.job = job.id;
  reply.tasks = spec.task_count();
  Judge(job, reply);
  return Answer(std::move(reply));
}

absl::StatusOr<pipeline::Placeability> Turn::JudgeShape(state::ShapeId shape,
                                                        const TaskView& task) {
  using pipeline::Placeability;
  if (!state_->nodes().live().Any()) return Placeability::kFitsLater;
  // What is parked was found not to fit now.
  if (!queue_.IsParked(shape)) {
    const auto fits = engine_.Fits(ProfileOf(shape).profile.placing(), KeyOf(shape), task);
    work_units_ += engine_.TakeWork();
    if (!fits.ok()) return fits.status();
    if (*fits) return Placeability::kFitsNow;
  }
  const auto may_ever_fit = MayEverFit(shape, task);
  if (!may_ever_fit.ok()) return may_ever_fit.status();
  return *may_ever_fit ? Placeability::kFitsLater : Placeability::kNeverFits;
}

void Turn::Judge(const JobRow& job, SubmitReply& reply) {
  using pipeline::Placeability;
  reply.placeability = Placeability::kFitsNow;
  for (uint32_t g = 0; g < job.groups.size(); ++g) {
    const state::ShapeId shape = job.groups[g].shape;
    TaskView view = ViewOf(shape, {job.id, g, 0});
    if (view.needs.has_data) view.data = *job.groups[g].data;
    const auto& profile = ProfileOf(shape).profile;
    const auto verdict = JudgeShape(shape, view);
    if (!verdict.ok()) continue;  // a plugin that cannot work shows when it is its turn
    if (*verdict > reply.placeability) reply.placeability = *verdict;
    if (*verdict != Placeability::kNeverFits) continue;
    Charge(profile, kLooksOfExplanation);
    const auto why = pipeline::Explain(profile, view, state_->nodes());
    if (!why.ok()) continue;
    const std::string& name = job.spec->groups[g].name;
    reply.warnings.push_back(name.empty() ? why->text : "group " + name + ": " + why->text);
  }
}

Reply Turn::Do(const Principal& who, const state::NoteBatchRefusal& command) {
  const int64_t next = state_->BatchOffset(who.name, command.batch_id);
  if (command.batch_offset == next) {
    state_->PutBatch({who.name, command.batch_id, next + 1, now_ms_});
  }
  return Answer(BatchReply{state_->BatchOffset(who.name, command.batch_id)});
}

Reply Turn::Do(const Principal& who, const state::GetBatch& command) {
  return Answer(BatchReply{state_->BatchOffset(who.name, command.batch_id)});
}

}  // namespace berth::scheduler
