// berth plan: where the tasks of a job would go, without submitting it.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/output/explanation_page.h"
#include "cli/output/message_value.h"
#include "cli/output/table.h"
#include "cli/output/terminal_text.h"
#include "cli/task_flags.h"

namespace berth::cli {
namespace {

struct PlanFlags {
  TaskFlags task;
  std::string file;
};

// Those that would have a node, one row each.
std::string PlacedTable(const v1::PlanResponse& plan) {
  Table table({"TASK", "NODE", "TOTAL", "RUNNER-UP", "NODES THAT FIT"});
  for (const v1::Explanation& task : plan.tasks()) {
    if (!task.has_decision()) continue;
    const v1::Decision& decision = task.decision();
    table.AddRow(
        {task.task_id(), decision.winner().node(), std::to_string(decision.winner().total()),
         decision.runner_up().empty()
             ? ""
             : decision.runner_up() + " (" + std::to_string(decision.runner_up_total()) + ")",
         std::to_string(decision.nodes_feasible())});
  }
  return table.Text();
}

std::string PlannedTitle(const v1::Explanation& task) {
  const std::string others =
      task.tasks_like_it() > 1
          ? ", and " + std::to_string(task.tasks_like_it() - 1) + " more like it"
          : "";
  return "Task " + task.task_id() + others;
}

std::string PlanPage(const v1::PlanResponse& plan) {
  std::string text = TerminalLines(plan.text()) + "\n";
  if (plan.tasks_placed() > 0) {
    text += "\n" + PlacedTable(plan);
    int64_t told = 0;
    for (const v1::Explanation& task : plan.tasks()) told += task.has_decision() ? 1 : 0;
    if (told < plan.tasks_placed()) {
      text += "... and " + std::to_string(plan.tasks_placed() - told) +
              " more that would have a "
              "node\n";
    }
  }
  for (const v1::Explanation& task : plan.tasks()) {
    if (!task.has_decision()) text += "\n" + ExplanationPage(task, PlannedTitle(task));
  }
  return text;
}

absl::StatusOr<int> RunPlan(PlanFlags& flags, Invocation& invocation) {
  BERTH_RETURN_IF_ERROR(invocation.RefuseNameFormat("plan"));
  BERTH_RETURN_IF_ERROR(TakeJobFile("plan", flags.file, invocation, flags.task));
  v1::PlanRequest request;
  BERTH_ASSIGN_OR_RETURN(*request.mutable_job(), BuildJob(flags.task, invocation));
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  BERTH_ASSIGN_OR_RETURN(const v1::PlanResponse plan,
                         client->Call(client->jobs(), &v1::JobService::Stub::Plan, request));
  if (invocation.wants_document()) {
    invocation.PrintDocument(MessageToValue(plan));
  } else if (invocation.flags().quiet) {
    invocation.Print(TerminalLines(plan.text()) + "\n");
  } else {
    invocation.Print(PlanPage(plan));
  }
  return plan.tasks_placed() == plan.tasks_total() ? kExitOk : kExitNo;
}

}  // namespace

Action AddPlan(CLI::App& app) {
  const auto flags = std::make_shared<PlanFlags>();
  app.add_option("FILE", flags->file, "Job file (YAML); - reads standard input");
  AddTaskFlags(app, flags->task);
  return [flags](Invocation& invocation) { return RunPlan(*flags, invocation); };
}

}  // namespace berth::cli
