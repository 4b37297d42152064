#include "cli/invocation.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "cli/output/terminal_text.h"
#include "cli/rpc_status.h"
#include "yaml/write.h"

namespace berth::cli {

absl::StatusOr<Client*> Invocation::client() {
  if (!client_) {
    BERTH_ASSIGN_OR_RETURN(client_,
                           Client::Create(flags_.server, flags_.request_timeout, process_.clock));
  }
  return client_.get();
}

absl::Status Invocation::RefuseNameFormat(std::string_view command) const {
  if (flags_.format != OutputFormat::kName) return absl::OkStatus();
  return absl::InvalidArgumentError("-o name does not go with 'berth " + std::string(command) +
                                    "': it lists nothing; leave it out, or use 'berth get'");
}

void Invocation::PrintDocument(const yaml::Value& value) {
  Print(flags_.format == OutputFormat::kYaml ? yaml::WriteYaml(value)
                                             : yaml::WriteJson(value, 2) + "\n");
}

void Invocation::PrintFailure(const absl::Status& status) {
  if (!wants_document()) {
    PrintError("berth: " + TerminalLines(base::V(status.message())) + "\n");
    return;
  }
  yaml::Value error;
  error.Set("code", yaml::Value::String(absl::StatusCodeToString(status.code())));
  if (const std::string reason = ReasonOf(status); !reason.empty()) {
    error.Set("reason", yaml::Value::String(reason));
  }
  error.Set("message", yaml::Value::String(base::S(status.message())));
  if (const std::string field = FieldOf(status); !field.empty()) {
    error.Set("field", yaml::Value::String(field));
  }
  yaml::Value document;
  document.Set("error", std::move(error));
  PrintDocument(document);
}

absl::Status Invocation::ResolveLast(std::vector<Selector>& selectors) {
  if (std::none_of(selectors.begin(), selectors.end(),
                   [](const Selector& selector) { return selector.is_last(); })) {
    return absl::OkStatus();
  }
  BERTH_ASSIGN_OR_RETURN(Client* const server, client());
  v1::ListJobsRequest request;
  request.set_namespace_(flags_.name_space);
  request.set_newest_first(true);
  BERTH_ASSIGN_OR_RETURN(const v1::ListJobsResponse page,
                         server->Call(server->jobs(), &v1::JobService::Stub::ListJobs, request));
  if (page.jobs().empty()) {
    return absl::NotFoundError("there is no last job: none has been submitted, or kept");
  }
  const std::string me = "uid:" + std::to_string(getuid());
  const auto mine = std::find_if(page.jobs().begin(), page.jobs().end(),
                                 [&](const v1::Job& job) { return job.submitted_by() == me; });
  const std::string& id = (mine != page.jobs().end() ? *mine : page.jobs(0)).id();
  for (Selector& selector : selectors) {
    if (selector.is_last()) selector.id = id + selector.id.substr(selector.job().size());
  }
  return absl::OkStatus();
}

}  // namespace berth::cli
