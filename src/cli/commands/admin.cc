// berth admin: what operators do with the cluster itself.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "cli/commands/commands.h"

namespace berth::cli {

Action AddAdmin(CLI::App& app) {
  CLI::App* const snapshot =
      app.add_subcommand("snapshot", "Save, inspect or restore the state of the cluster");
  CLI::App* const reconcile = app.add_subcommand(
      "reconcile", "List, adopt or kill attempts that a restored berthd does not know");
  for (CLI::App* const each : {snapshot, reconcile}) each->fallthrough();
  return [snapshot, save_and_restore = AddSnapshot(*snapshot), reconcile,
          settle = AddReconcile(*reconcile)](Invocation& invocation) -> absl::StatusOr<int> {
    if (snapshot->parsed()) return save_and_restore(invocation);
    if (reconcile->parsed()) return settle(invocation);
    return absl::InvalidArgumentError(
        "what of the cluster? Write: berth admin snapshot save|inspect|restore FILE, or: "
        "berth admin reconcile");
  };
}

}  // namespace berth::cli
