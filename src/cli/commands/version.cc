// berth version: this program's, and berthd's when it can be reached.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <string>

#include "base/build_info.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cli/commands/commands.h"
#include "cli/output/message_value.h"
#include "cli/output/terminal_text.h"
#include "cli/rpc_status.h"

namespace berth::cli {
namespace {

absl::StatusOr<int> RunVersion(bool only_client, Invocation& invocation) {
  yaml::Value document;
  document.Set("client", yaml::Value::String(std::string(base::Version())));
  std::string text = "berth " + std::string(base::Version()) + "\n";
  int code = 0;
  if (!only_client) {
    BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
    const auto answer =
        client->Call(client->admin(), &v1::AdminService::Stub::GetVersion, v1::GetVersionRequest());
    // This program's version is an answer even where berthd gives none.
    if (answer.ok()) {
      document.Set("server", MessageToValue(*answer));
      text += "berthd " + TerminalText(answer->version()) + " at " + client->address() +
              " (cluster " + TerminalText(answer->cluster_id()) + ", term " +
              std::to_string(answer->term()) + ")\n";
    } else {
      code = cli::ExitCodeOf(answer.status());
      const std::string why = base::S(answer.status().message());
      document.Set("serverError", yaml::Value::String(why));
      if (!invocation.wants_document()) invocation.PrintError("berth: " + why + "\n");
    }
  }
  if (invocation.wants_document()) {
    invocation.PrintDocument(document);
  } else {
    invocation.Print(text);
  }
  return code;
}

}  // namespace

Action AddVersion(CLI::App& app) {
  const auto only_client = std::make_shared<bool>(false);
  app.add_flag("--client", *only_client, "Only this program's; berthd is not asked");
  return [only_client](Invocation& invocation) { return RunVersion(*only_client, invocation); };
}

}  // namespace berth::cli
