#include "cli/submission.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/strings.h"
#include "base/uuid.h"
#include "cli/output/terminal_text.h"
#include "cli/patience.h"
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
  request.set_request_id(request_id.empty() ? base::NewUuid() : request_id);
  Patience patience(*invocation.process().clock);
  bool may_have_arrived = false;
  while (true) {
    auto response = (*client)->Call((*client)->jobs(), &v1::JobService::Stub::SubmitJob, request);
    const absl::Status& status = response.status();
    if (status.ok() || !ReasonOf(status).empty()) return response;  // berthd's own answer
    const bool broke = IsPassing(status);
    may_have_arrived |=
        status.code() == absl::StatusCode::kDeadlineExceeded || (broke && !WasNeverSent(status));
    if (!may_have_arrived) return response;
    if (broke) {
      // The same request again: berthd knows it by its id, and admits it once.
      if (patience.Miss()) {
        invocation.PrintError("berth: the connection to berthd broke; trying again\n");
      }
      if (!patience.IsOver()) {
        std::this_thread::sleep_for(kRetryPause);
        continue;
      }
    }
    return WithMessage(status, base::S(status.message()) +
                                   "; whether the job was admitted is not known: look with 'berth "
                                   "get jobs', or repeat it with --request-id " +
                                   request.request_id() + ", which submits it once");
  }
}

std::string NeverFitsText(Invocation& invocation, const v1::SubmitJobResponse& submitted) {
  std::string text = TerminalText(ServersWords(invocation, submitted));
  if (text.empty()) text = kNeverFits;
  const bool proposes = text.find("; try ") != std::string::npos;
  return text + (proposes ? ", or 'berth explain last'" : "; see 'berth explain last'");
}

}  // namespace berth::cli
