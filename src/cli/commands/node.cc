// berth node: what is asked of one node.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>
#include <string>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/output/message_value.h"
#include "cli/output/table.h"
#include "cli/output/terminal_text.h"

namespace berth::cli {
namespace {

std::string LevelText(v1::FindingLevel level) {
  switch (level) {
    case v1::FINDING_LEVEL_BAD:
      return "bad";
    case v1::FINDING_LEVEL_ODD:
      return "odd";
    case v1::FINDING_LEVEL_GOOD:
      return "good";
    default:
      return "";
  }
}

absl::StatusOr<int> Diagnose(const std::string& given, Invocation& invocation) {
  BERTH_RETURN_IF_ERROR(invocation.RefuseNameFormat("node diagnose"));
  if (given.empty()) {
    return absl::InvalidArgumentError("which node? List them with 'berth get nodes'");
  }
  v1::DiagnoseNodeRequest request;
  request.set_name(given.starts_with("node/") ? given.substr(5) : given);
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  BERTH_ASSIGN_OR_RETURN(
      const v1::DiagnoseNodeResponse answer,
      client->Call(client->nodes(), &v1::NodeService::Stub::DiagnoseNode, request));
  const auto& findings = answer.diagnosis().findings();
  if (invocation.wants_document()) {
    invocation.PrintDocument(MessageToValue(answer.diagnosis()));
  } else {
    Table table({"LEVEL", "SUBJECT", "FINDING"});
    for (const v1::Finding& finding : findings) {
      // Good news is not what people ask for with -q.
      if (invocation.flags().quiet && finding.level() == v1::FINDING_LEVEL_GOOD) continue;
      table.AddRow({LevelText(finding.level()), finding.subject(), finding.text()});
    }
    if (!invocation.flags().quiet || !table.empty()) invocation.Print(table.Text());
  }
  const bool bad = std::any_of(findings.begin(), findings.end(), [](const v1::Finding& finding) {
    return finding.level() == v1::FINDING_LEVEL_BAD;
  });
  return bad ? kExitNo : 0;
}

}  // namespace

Action AddNode(CLI::App& app) {
  CLI::App* const diagnose = app.add_subcommand(
      "diagnose",
      "Say what is wrong with a node, as it and berthd see it; ends with 1 if something is bad");
  diagnose->fallthrough();
  const auto name = std::make_shared<std::string>();
  diagnose->add_option("NODE", *name, "Its name");
  return [diagnose, name](Invocation& invocation) -> absl::StatusOr<int> {
    if (diagnose->parsed()) return Diagnose(*name, invocation);
    return absl::InvalidArgumentError("what of a node? Write: berth node diagnose NODE");
  };
}

}  // namespace berth::cli
