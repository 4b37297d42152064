#include "cli/output/explanation_page.h"

#include <algorithm>

#include "base/quantities.h"
#include "cli/names.h"
#include "cli/output/sections.h"
#include "cli/output/table.h"
#include "cli/output/terminal_text.h"

namespace berth::cli {
namespace {

// An amount of what a filter is about; 0: none is concerned.
std::string AmountText(const v1::FilterOutcome& filter, int64_t amount) {
  if (filter.requested() == 0) return "";
  switch (filter.reason()) {
    case v1::REASON_CODE_INSUFFICIENT_MEMORY:
    case v1::REASON_CODE_INSUFFICIENT_STORAGE:
    case v1::REASON_CODE_DEVICE_MEMORY_TOO_SMALL:
      return base::FormatBytes(amount, base::Rounding::kDown);
    case v1::REASON_CODE_INSUFFICIENT_CPU:
      return base::FormatCpuMilli(amount);
    case v1::REASON_CODE_INSUFFICIENT_BANDWIDTH:
      return amount == 0 ? "0" : base::FormatBitsPerSecond(amount);
    default:
      return std::to_string(amount);
  }
}

}  // namespace

std::string FiltersTable(const v1::Explanation& explanation) {
  Table table({"REMOVED", "FILTER", "REASON", "SUBJECT", "ASKED", "LARGEST FREE", "LARGEST",
               "FOR EXAMPLE"});
  for (const v1::FilterOutcome& filter : explanation.filters()) {
    std::string examples;
    for (const std::string& node : filter.examples()) {
      examples += (examples.empty() ? "" : ", ") + node;
    }
    table.AddRow({std::to_string(filter.nodes()), filter.plugin(), NameOf(filter.reason()),
                  filter.subject(), AmountText(filter, filter.requested()),
                  AmountText(filter, filter.largest_free()),
                  AmountText(filter, filter.largest_capacity()), examples});
  }
  return table.Text();
}

std::string ScoresTable(const std::vector<v1::NodeScore>& nodes) {
  std::vector<std::string> headers = {"NODE", "TOTAL"};
  std::vector<int> columns;
  std::string silent;
  for (int i = 0; i < nodes[0].plugins_size(); ++i) {
    const v1::PluginScore& plugin = nodes[0].plugins(i);
    const std::string name = TerminalText(plugin.plugin());
    // A server that sends vectors of different lengths must not break the table.
    const bool has_opinion =
        std::any_of(nodes.begin(), nodes.end(), [&](const v1::NodeScore& node) {
          return i < node.plugins_size() && node.plugins(i).score() != 0;
        });
    if (has_opinion) {
      columns.push_back(i);
      headers.push_back(name + " x" + std::to_string(plugin.weight()));
    } else {
      silent += (silent.empty() ? "" : ", ") + name;
    }
  }
  Table table(headers);
  for (const v1::NodeScore& node : nodes) {
    std::vector<std::string> cells = {node.node(), std::to_string(node.total())};
    for (const int i : columns) {
      cells.push_back(i < node.plugins_size() ? std::to_string(node.plugins(i).score()) : "");
    }
    table.AddRow(std::move(cells));
  }
  return table.Text() + (silent.empty() ? "" : "0 by " + silent + "\n");
}

std::string ExplanationPage(const v1::Explanation& explanation, const std::string& title) {
  Sections page;
  page.Title(title);
  page.Line("Placeability", NameOf(explanation.placeability()));
  page.Line("Reason", NameOf(explanation.reason()));
  if (explanation.has_queue_position()) {
    page.Line("Queue", std::to_string(explanation.queue_position()) + " before it");
  }
  if (explanation.task_mix_tasks() > 0) {
    page.Line("Task mix", "of " + std::to_string(explanation.task_mix_tasks()) +
                              " tasks, counted on day " +
                              std::to_string(explanation.task_mix_day()));
  }
  for (const v1::Suggestion& suggestion : explanation.suggestions()) {
    page.Line("It would fit", !suggestion.text().empty()
                                  ? suggestion.text()
                                  : "with " + suggestion.field() + " " + suggestion.value());
  }
  if (!explanation.filters().empty()) {
    page.Title("Filters: " + std::to_string(explanation.nodes_feasible()) + " of " +
               std::to_string(explanation.nodes_total()) + " nodes fit");
    page.Block(FiltersTable(explanation));
  }
  if (explanation.has_decision()) {
    const v1::Decision& decision = explanation.decision();
    page.Title("Decision, as it was made");
    page.Line("Node", decision.winner().node());
    page.Line("Epoch", std::to_string(decision.epoch()));
    page.Line("Profile", decision.profile());
    page.Line("Feasible", std::to_string(decision.nodes_feasible()) +
                              (decision.nodes_feasible() == 1 ? " node" : " nodes"));
    if (!decision.runner_up().empty()) {
      page.Line("Runner-up",
                decision.runner_up() + ", total " + std::to_string(decision.runner_up_total()));
    }
    page.Block(ScoresTable({decision.winner()}));
  }
  if (!explanation.scores_now().empty()) {
    page.Title("Scores as of now (epoch " + std::to_string(explanation.as_of_epoch()) + ")");
    page.Block(ScoresTable({explanation.scores_now().begin(), explanation.scores_now().end()}));
    for (const v1::ScoreNote& note : explanation.score_notes()) {
      page.Line(note.plugin(), note.text());
    }
  }
  // The answer first; what it was made from below.
  return TerminalLines(explanation.text()) + "\n\n" + page.Text();
}

}  // namespace berth::cli
