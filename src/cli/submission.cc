#include "cli/submission.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "cli/output/terminal_text.h"
#include "cli/rpc_status.h"

namespace berth::cli {
namespace {

constexpr char kNeverFits[] = "cannot ever fit";

// The server's words for it: from the submission's warnings, else from an explanation. Empty when
// it gives none; the job's fate does not hang on it.
std::string ServersWords(Invocation& invocation, const v1::SubmitJobResponse& submitted) {
  for (const std::string& warning : submitted.warnings()) {
    if (warning.starts_with(kNeverFits)) return warning;
  }
  const absl::StatusOr<Client*> client = invocation.client();
  if (!client.ok()) return "";
  v1::ExplainRequest request;
  request.set_id(submitted.job_id());
  request.set_top(0);
  const auto answer = (*client)->Call((*client)->jobs(), &v1::JobService::Stub::Explain, request);
  if (!answer.ok() || !answer->explanation().text().starts_with(kNeverFits)) return "";
  return answer->explanation().text();
}

}  // namespace

absl::StatusOr<v1::SubmitJobResponse> Submit(Invocation& invocation, v1::JobSpec job,
                                             const std::string& request_id) {
  absl::StatusOr<Client*> client = invocation.client();
  if (!client.ok()) return client.status();
  v1::SubmitJobRequest request;
  *request.mutable_job() = std::move(job);
  request.set_request_id(request_id);
  auto response = (*client)->Call((*client)->jobs(), &v1::JobService::Stub::SubmitJob, request);
  if (response.status().code() == absl::StatusCode::kDeadlineExceeded && request_id.empty()) {
    return WithMessage(response.status(),
                       base::S(response.status().message()) +
                           "; whether the job was admitted is not known: look with 'berth get "
                           "jobs', and give --request-id to make repeating safe");
  }
  return response;
}

std::string NeverFitsText(Invocation& invocation, const v1::SubmitJobResponse& submitted) {
  std::string text = TerminalText(ServersWords(invocation, submitted));
  if (text.empty()) text = kNeverFits;
  const bool proposes = text.find("; try ") != std::string::npos;
  return text + (proposes ? ", or 'berth explain last'" : "; see 'berth explain last'");
}

}  // namespace berth::cli
