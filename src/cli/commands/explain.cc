// berth explain: why a task is where it is, or is nowhere.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/quantities.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cli/commands/commands.h"
#include "cli/names.h"
#include "cli/output/explanation_page.h"
#include "cli/output/message_value.h"
#include "cli/output/terminal_text.h"

namespace berth::cli {
namespace {

struct ExplainFlags {
  std::vector<std::string> ids;
  std::string top;
};

std::string TaskTitle(const v1::Explanation& explanation) {
  return "Task " + explanation.task_id() + ": " + std::string(NameOf(explanation.state()));
}

absl::StatusOr<int> RunExplain(const ExplainFlags& flags, Invocation& invocation) {
  BERTH_RETURN_IF_ERROR(invocation.RefuseNameFormat("explain"));
  if (flags.ids.empty()) {
    return absl::InvalidArgumentError(
        "explain what? Name a task or a job, as in: berth explain "
        "12.3, or: berth explain last");
  }
  v1::ExplainRequest request;
  if (!flags.top.empty()) {
    const auto top = base::ParseCount(flags.top, 0, 50);
    if (!top.ok()) return absl::InvalidArgumentError("--top: " + base::S(top.status().message()));
    request.set_top(static_cast<int32_t>(*top));
  }
  BERTH_ASSIGN_OR_RETURN(std::vector<Selector> selectors, ParseSelectors(flags.ids));
  BERTH_RETURN_IF_ERROR(invocation.ResolveLast(selectors));
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  yaml::Value::List documents;
  std::string text;
  for (const Selector& selector : selectors) {
    request.set_id(selector.id.substr(0, selector.id.find('#')));
    BERTH_ASSIGN_OR_RETURN(const v1::ExplainResponse answer,
                           client->Call(client->jobs(), &v1::JobService::Stub::Explain, request));
    if (invocation.wants_document()) {
      documents.push_back(MessageToValue(answer.explanation()));
      continue;
    }
    if (!text.empty()) text += '\n';
    text += invocation.flags().quiet
                ? TerminalLines(answer.explanation().text()) + "\n"
                : ExplanationPage(answer.explanation(), TaskTitle(answer.explanation()));
  }
  if (invocation.wants_document()) {
    invocation.PrintDocument(documents.size() == 1 ? documents[0]
                                                   : yaml::Value::Sequence(std::move(documents)));
  }
  invocation.Print(text);
  return 0;
}

}  // namespace

Action AddExplain(CLI::App& app) {
  const auto flags = std::make_shared<ExplainFlags>();
  app.add_option("ID", flags->ids, "Tasks (12.3) or jobs (12); last");
  app.add_option("--top", flags->top, "Nodes whose scores are shown, 0 to 50; 5 by default")
      ->type_name("N");
  return [flags](Invocation& invocation) { return RunExplain(*flags, invocation); };
}

}  // namespace berth::cli
