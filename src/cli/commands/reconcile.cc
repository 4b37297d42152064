// berth admin reconcile: attempts in quarantine, listed, adopted, killed.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/quantities.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/output/message_value.h"
#include "cli/output/rows.h"
#include "cli/output/table.h"
#include "cli/output/terminal_text.h"

namespace berth::cli {
namespace {

struct ReconcileFlags {
  std::vector<std::string> ids;
  std::string node;
  bool adopt = false;
  bool kill = false;
  bool all = false;
};

int ReconcileCode(v1::ReasonCode reason) {
  if (reason == v1::REASON_CODE_UNSPECIFIED) return 0;
  return reason == v1::REASON_CODE_NOT_FOUND ? kExitNotFound : kExitNo;
}

std::string AgeText(int64_t unix_ms, int64_t now_unix_ms) {
  return unix_ms == 0 ? "" : base::FormatAge(now_unix_ms - unix_ms);
}

// "2 cpu, 4Gi, GPU-0 (share 0.5)"
std::string HoldsText(const v1::QuarantinedAttempt& attempt) {
  std::string text = ResourcesText(attempt.resources());
  for (const std::string& id : attempt.device_ids()) text += ", " + id;
  const int32_t share_milli = attempt.device_share_milli();
  if (share_milli > 0) text += " (share " + base::FormatCpuMilli(share_milli) + ")";
  return text;
}

std::string ListText(const std::vector<const v1::ReconcileResult*>& found, bool wide,
                     int64_t now_unix_ms) {
  std::vector<std::string> headers = {"ATTEMPT", "NAME", "NODE", "HOLDS", "JOB", "RUNS FOR"};
  if (wide) headers.insert(headers.end(), {"NAMESPACE", "QUARANTINED FOR"});
  Table table(std::move(headers));
  for (const v1::ReconcileResult* result : found) {
    const v1::QuarantinedAttempt& attempt = result->attempt();
    std::vector<std::string> cells = {result->id(),
                                      attempt.job_name(),
                                      attempt.node(),
                                      HoldsText(attempt),
                                      attempt.job_known() ? "known" : "unknown",
                                      AgeText(attempt.started_unix_ms(), now_unix_ms)};
    if (wide) {
      cells.insert(cells.end(),
                   {attempt.namespace_(), AgeText(attempt.quarantined_unix_ms(), now_unix_ms)});
    }
    table.AddRow(std::move(cells));
  }
  return table.Text();
}

// "12.3#2 on node n1: adopted"
std::string DoneText(const v1::ReconcileResult& result, v1::ReconcileAction action) {
  // What is to be known besides names the attempt itself.
  if (!result.message().empty()) return result.message();
  return result.id() + " on node " + result.attempt().node() +
         (action == v1::RECONCILE_ACTION_KILL ? ": told to end; its room is free when it has"
                                              : ": adopted");
}

absl::StatusOr<std::vector<v1::ReconcileResult>> Ask(Client& client, v1::ReconcileRequest request) {
  std::vector<v1::ReconcileResult> results;
  request.set_page_size(kPageSize);
  do {
    BERTH_ASSIGN_OR_RETURN(
        v1::ReconcileResponse response,
        client.Call(client.admin(), &v1::AdminService::Stub::Reconcile, request));
    for (v1::ReconcileResult& result : *response.mutable_results()) {
      results.push_back(std::move(result));
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return results;
}

absl::StatusOr<v1::ReconcileRequest> RequestOf(const ReconcileFlags& flags,
                                               Invocation& invocation) {
  v1::ReconcileRequest request;
  if (flags.adopt && flags.kill) {
    return absl::InvalidArgumentError("--adopt and --kill: give one");
  }
  if (flags.all && (!flags.node.empty() || !flags.ids.empty())) {
    return absl::InvalidArgumentError("--all does not go with --node or ids: give one of them");
  }
  if (flags.kill && !flags.all && flags.node.empty() && flags.ids.empty()) {
    return absl::InvalidArgumentError(
        "--kill: kill what? Name jobs, tasks or attempts, give --node NODE, or --all; see "
        "'berth admin reconcile' for what is in quarantine");
  }
  request.set_action(flags.kill    ? v1::RECONCILE_ACTION_KILL
                     : flags.adopt ? v1::RECONCILE_ACTION_ADOPT
                                   : v1::RECONCILE_ACTION_LIST);
  request.set_node(flags.node.starts_with("node/") ? flags.node.substr(5) : flags.node);
  request.set_all(flags.all);
  if (!flags.ids.empty()) {
    BERTH_ASSIGN_OR_RETURN(std::vector<Selector> selectors, ParseSelectors(flags.ids));
    BERTH_RETURN_IF_ERROR(invocation.ResolveLast(selectors));
    for (const Selector& selector : selectors) request.add_ids(selector.id);
  }
  return request;
}

absl::StatusOr<int> RunReconcile(const ReconcileFlags& flags, Invocation& invocation) {
  BERTH_ASSIGN_OR_RETURN(const v1::ReconcileRequest request, RequestOf(flags, invocation));
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  BERTH_ASSIGN_OR_RETURN(const std::vector<v1::ReconcileResult> results, Ask(*client, request));
  int code = 0;
  std::vector<const v1::ReconcileResult*> done;
  std::vector<const v1::ReconcileResult*> refused;
  for (const v1::ReconcileResult& result : results) {
    code = std::max(code, ReconcileCode(result.reason()));
    (result.reason() == v1::REASON_CODE_UNSPECIFIED ? done : refused).push_back(&result);
  }
  if (invocation.wants_document()) {
    yaml::Value::List items;
    for (const v1::ReconcileResult& result : results) items.push_back(MessageToValue(result));
    yaml::Value list;
    list.Set("items", yaml::Value::Sequence(std::move(items)));
    invocation.PrintDocument(list);
    return code;
  }
  const bool is_list = request.action() == v1::RECONCILE_ACTION_LIST;
  if (invocation.flags().format == OutputFormat::kName || (is_list && invocation.flags().quiet)) {
    for (const v1::ReconcileResult* result : done) {
      invocation.Print(TerminalText(result->id()) + "\n");
    }
  } else if (is_list) {
    if (!done.empty()) {
      invocation.Print(ListText(done, invocation.wide(), invocation.process().clock->WallMs()));
    } else if (refused.empty()) {
      invocation.Print("nothing is in quarantine\n");
    }
  } else if (!invocation.flags().quiet) {
    for (const v1::ReconcileResult* result : done) {
      invocation.Print(TerminalText(DoneText(*result, request.action())) + "\n");
    }
    if (results.empty()) invocation.Print("nothing is in quarantine: nothing was done\n");
  }
  for (const v1::ReconcileResult* result : refused) {
    invocation.PrintError("berth: " + TerminalText(result->message()) + "\n");
  }
  return code;
}

}  // namespace

Action AddReconcile(CLI::App& app) {
  const auto flags = std::make_shared<ReconcileFlags>();
  app.footer(
      "After a restore, agents may have attempts that were started after the snapshot. They are "
      "in\n"
      "quarantine: they run on, their room is held, and nothing ends them unasked. Without a flag\n"
      "they are listed. --adopt makes one the attempt of its task, if its job is known here, the\n"
      "task waits, and it has had no later attempt; those of jobs that are not known here can "
      "only\n"
      "be left to end, or killed, and their jobs submitted again.");
  app.add_option("ID", flags->ids, "Jobs, tasks or attempts: 12, 12.3, 12.3#2; all by default");
  app.add_flag("--adopt", flags->adopt, "Make them the attempts of their tasks");
  app.add_flag("--kill", flags->kill, "End them; wants ids, --node or --all");
  app.add_option("--node", flags->node, "Only what is on this node")->type_name("NODE");
  app.add_flag("--all", flags->all, "Everything in quarantine");
  return [flags](Invocation& invocation) { return RunReconcile(*flags, invocation); };
}

}  // namespace berth::cli
