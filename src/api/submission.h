// What the two ways to submit have in common.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "api/admission.h"
#include "berth/v1/scheduler.pb.h"
#include "scheduler/reply.h"
#include "state/commands.h"
#include "state/principal.h"
#include "wire/refusal.h"

namespace berth::api {

// What admission tells the submitter besides.
struct SubmissionNotes {
  std::vector<std::string> defaults_applied;
  std::vector<std::string> warnings;
};

struct Submission {
  state::SubmitJob command;
  SubmissionNotes notes;
};

// Admits `job` for `principal`, who must be allowed to use its namespace.
std::variant<Submission, wire::Refusal> MakeSubmission(v1::JobSpec job,
                                                       const state::Principal& principal,
                                                       const AdmissionOptions& options);

v1::SubmitJobResponse SubmissionAnswer(const scheduler::Reply& reply,
                                       const scheduler::SubmitReply& body,
                                       const SubmissionNotes& notes);

// A refusal of the loop, with fields as paths in the job, as admission has them.
v1::PlanResponse PlanAnswer(const scheduler::Reply& reply, const scheduler::PlanReply& body,
                            const SubmissionNotes& notes);

wire::Refusal SubmissionRefusal(const scheduler::Reply& reply);

}  // namespace berth::api
