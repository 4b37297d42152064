// berth cancel: asks that jobs or tasks end.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/names.h"
#include "cli/output/message_value.h"

namespace berth::cli {
namespace {

struct CancelFlags {
  std::vector<std::string> ids;
  std::string message;
  std::string request_id;
};

// "12: 3 tasks are being cancelled"
std::string ResultText(const v1::CancelResult& result) {
  switch (result.reason()) {
    case v1::REASON_CODE_UNSPECIFIED:
      return result.id() + ": " + std::to_string(result.tasks()) +
             (result.tasks() == 1 ? " task is being cancelled" : " tasks are being cancelled");
    case v1::REASON_CODE_ALREADY_ENDED:
      return result.id() + ": has already ended";
    case v1::REASON_CODE_NOT_FOUND:
      return result.id() + ": not found; list what there is with 'berth get jobs'";
    case v1::REASON_CODE_NOT_ALLOWED:
      return result.id() + ": is not yours to cancel";
    default:
      return result.id() + ": " + NameOf(result.reason());
  }
}

// The worst of them decides; what has ended already is as wished.
int CancelCode(v1::ReasonCode reason) {
  switch (reason) {
    case v1::REASON_CODE_UNSPECIFIED:
    case v1::REASON_CODE_ALREADY_ENDED:
      return 0;
    case v1::REASON_CODE_NOT_FOUND:
      return kExitNotFound;
    case v1::REASON_CODE_NOT_ALLOWED:
      return kExitNotAllowed;
    default:
      return kExitNo;
  }
}

absl::StatusOr<int> RunCancel(const CancelFlags& flags, Invocation& invocation) {
  if (flags.ids.empty()) {
    return absl::InvalidArgumentError(
        "nothing to cancel: name jobs or tasks, as in: berth cancel "
        "12");
  }
  BERTH_ASSIGN_OR_RETURN(std::vector<Selector> selectors, ParseSelectors(flags.ids));
  v1::CancelRequest request;
  for (const Selector& selector : selectors) {
    if (selector.names_attempt()) {
      return absl::InvalidArgumentError("\"" + selector.id + "\" is an attempt: cancel its task, " +
                                        selector.id.substr(0, selector.id.find('#')));
    }
  }
  BERTH_RETURN_IF_ERROR(invocation.ResolveLast(selectors));
  for (const Selector& selector : selectors) request.add_ids(selector.id);
  request.set_message(flags.message);
  request.set_request_id(flags.request_id);
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  BERTH_ASSIGN_OR_RETURN(const v1::CancelResponse response,
                         client->Call(client->jobs(), &v1::JobService::Stub::Cancel, request));
  int code = 0;
  for (const v1::CancelResult& result : response.results()) {
    const int own = CancelCode(result.reason());
    code = std::max(code, own);
    if (invocation.wants_document()) continue;
    if (own != 0) {
      invocation.PrintError("berth: " + ResultText(result) + "\n");
    } else if (!invocation.flags().quiet) {
      invocation.Print(ResultText(result) + "\n");
    }
  }
  if (invocation.wants_document()) invocation.PrintDocument(MessageToValue(response));
  return code;
}

}  // namespace

Action AddCancel(CLI::App& app) {
  const auto flags = std::make_shared<CancelFlags>();
  app.add_option("ID", flags->ids, "Jobs or tasks: 12, 12.3, 1,3,5-8, last");
  app.add_option("--message", flags->message, "Why, for the record")->type_name("TEXT");
  app.add_option("--request-id", flags->request_id, "Makes it safe to repeat this very request")
      ->type_name("ID");
  return [flags](Invocation& invocation) { return RunCancel(*flags, invocation); };
}

}  // namespace berth::cli
