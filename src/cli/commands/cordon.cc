// berth cordon, berth uncordon: whether a node takes new tasks.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/output/message_value.h"
#include "cli/output/terminal_text.h"

namespace berth::cli {
namespace {

absl::StatusOr<int> RunCordon(const std::vector<std::string>& names, bool cordoned,
                              Invocation& invocation) {
  if (names.empty()) {
    return absl::InvalidArgumentError("which node? List them with 'berth get nodes'");
  }
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  yaml::Value::List documents;
  for (const std::string& given : names) {
    v1::SetCordonRequest request;
    request.set_name(given.starts_with("node/") ? given.substr(5) : given);
    request.set_cordoned(cordoned);
    BERTH_ASSIGN_OR_RETURN(
        const v1::SetCordonResponse answer,
        client->Call(client->nodes(), &v1::NodeService::Stub::SetCordon, request));
    if (invocation.wants_document()) {
      documents.push_back(MessageToValue(answer.node()));
    } else if (!invocation.flags().quiet) {
      invocation.Print(
          "node " + TerminalText(answer.node().name()) +
          (cordoned ? " cordoned: it takes no new tasks\n" : " uncordoned: it takes new tasks\n"));
    }
  }
  if (invocation.wants_document()) {
    invocation.PrintDocument(documents.size() == 1 ? documents[0]
                                                   : yaml::Value::Sequence(std::move(documents)));
  }
  return 0;
}

Action Add(CLI::App& app, bool cordoned) {
  const auto names = std::make_shared<std::vector<std::string>>();
  app.add_option("NODE", *names, "Names of nodes");
  return
      [names, cordoned](Invocation& invocation) { return RunCordon(*names, cordoned, invocation); };
}

}  // namespace

Action AddCordon(CLI::App& app) { return Add(app, true); }

Action AddUncordon(CLI::App& app) { return Add(app, false); }

}  // namespace berth::cli
