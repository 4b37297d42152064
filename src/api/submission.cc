#include "api/submission.h"

#include <utility>

#include "api/authorize.h"
#include "api/convert.h"
#include "api/errors.h"

namespace berth::api {

std::variant<Submission, wire::Refusal> MakeSubmission(v1::JobSpec job,
                                                       const state::Principal& principal,
                                                       const AdmissionOptions& options) {
  auto outcome = Admit(std::move(job), options, principal.name);
  if (auto* refusal = std::get_if<wire::Refusal>(&outcome)) return std::move(*refusal);
  auto& admitted = std::get<AdmittedJob>(outcome);
  if (const absl::Status allowed = RequireNamespace(principal, admitted.spec->ns); !allowed.ok()) {
    wire::Refusal refusal = wire::RefusalOf(allowed);
    refusal.violations.push_back({"namespace", refusal.message});
    return refusal;
  }
  Submission submission;
  submission.command.spec = std::move(admitted.spec);
  submission.command.blob = std::move(admitted.blob);
  submission.command.run_as = {
      .verified = principal.verified, .uid = principal.uid, .gid = principal.gid};
  submission.command.features = std::move(admitted.features);
  submission.notes = {.defaults_applied = std::move(admitted.defaults_applied),
                      .warnings = std::move(admitted.warnings)};
  return submission;
}

v1::SubmitJobResponse SubmissionAnswer(const scheduler::Reply& reply,
                                       const scheduler::SubmitReply& body,
                                       const SubmissionNotes& notes) {
  v1::SubmitJobResponse out;
  out.set_job_id(std::to_string(body.job.value));
  out.set_tasks(body.tasks);
  for (const std::string& warning : body.warnings) out.add_warnings(warning);
  for (const std::string& warning : notes.warnings) out.add_warnings(warning);
  out.set_placeability(ToProto(body.placeability));
  out.set_epoch(reply.epoch);
  for (const std::string& value : notes.defaults_applied) out.add_defaults_applied(value);
  return out;
}

v1::PlanResponse PlanAnswer(const scheduler::Reply& reply, const scheduler::PlanReply& body,
                            const SubmissionNotes& notes) {
  v1::PlanResponse out;
  for (const scheduler::PlanReply::Task& task : body.tasks) {
    *out.add_tasks() = ToProto(task, *body.spec);
  }
  out.set_tasks_total(body.tasks_total);
  out.set_tasks_planned(body.tasks_planned);
  out.set_tasks_placed(body.tasks_placed);
  out.set_as_of_epoch(reply.epoch);
  for (const std::string& value : notes.defaults_applied) out.add_defaults_applied(value);
  out.set_text(body.text);
  return out;
}

wire::Refusal SubmissionRefusal(const scheduler::Reply& reply) {
  constexpr std::string_view kJob = "job.";
  wire::Refusal refusal = RefusalOf(reply);
  for (wire::FieldViolation& violation : refusal.violations) {
    if (violation.field.starts_with(kJob)) violation.field.erase(0, kJob.size());
  }
  return refusal;
}

}  // namespace berth::api
