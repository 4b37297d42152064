// berth features eval, berth features test: rules on texts, without a cluster.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/small_file.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/output/table.h"
#include "cli/output/terminal_text.h"
#include "features/baseline.h"
#include "features/evaluation.h"
#include "features/gold_set.h"
#include "features/rules.h"

namespace berth::cli {
namespace {

constexpr size_t kMostTableBytes = size_t{4} << 20;

struct EvalFlags {
  std::string set = "./tests/data/features";
  std::vector<std::string> rules;
  bool faults = false;
};

absl::StatusOr<features::RuleTables> TablesWith(const std::vector<std::string>& files) {
  BERTH_ASSIGN_OR_RETURN(features::RuleTables tables, features::DefaultTables());
  for (const std::string& file : files) {
    BERTH_ASSIGN_OR_RETURN(const std::string text, base::ReadSmallFile(file, kMostTableBytes));
    BERTH_RETURN_IF_ERROR(tables.Add(text, file));
  }
  return tables;
}

std::string RatioText(const features::Ratio& ratio) {
  if (ratio.whole == 0) return "";
  char text[64];
  std::snprintf(text, sizeof text, "%.1f %% of %lld", 100 * ratio.value(),
                static_cast<long long>(ratio.whole));
  return text;
}

absl::StatusOr<int> Eval(const EvalFlags& flags, Invocation& invocation) {
  BERTH_RETURN_IF_ERROR(invocation.RefuseNameFormat("features eval"));
  BERTH_ASSIGN_OR_RETURN(features::RuleTables tables, TablesWith(flags.rules));
  BERTH_ASSIGN_OR_RETURN(const features::GoldSet set, features::ReadGoldSet(flags.set));
  const features::Rules rules(std::move(tables));
  const std::map<std::string, features::Extractor> extractors = {
      {"rules", [&](const features::JobText& text) { return rules.ReadText(text); }},
      {"baseline", features::ReadBaseline}};
  if (invocation.wants_document()) {
    invocation.PrintDocument(features::EvaluateAll(set, extractors));
    return kExitOk;
  }
  Table table(
      {"PART", "BY", "TEXTS", "CLASS", "STATED, EXACT", "GPU MEMORY WITHIN 2X", "HALLUCINATED"});
  std::string faults;
  for (const auto& [part, texts] : set) {
    for (const auto& [name, extractor] : extractors) {
      const features::Measured measured = features::Evaluate(texts, extractor);
      table.AddRow({part, name, std::to_string(measured.texts), RatioText(measured.class_exact),
                    RatioText(measured.stated_exact), RatioText(measured.gpu_memory_within_2x),
                    RatioText(measured.hallucinated)});
      if (!flags.faults || name != "rules") continue;
      for (const std::string& fault : measured.faults) {
        faults += TerminalText(part + "/" + fault) + "\n";
      }
    }
  }
  invocation.Print(table.Text());
  if (!faults.empty()) invocation.Print("\n" + faults);
  return kExitOk;
}

absl::StatusOr<int> Test(const std::vector<std::string>& files, Invocation& invocation) {
  BERTH_ASSIGN_OR_RETURN(features::RuleTables tables, TablesWith(files));
  const size_t examples = tables.examples.size();
  const std::vector<std::string> failing =
      features::FailingExamples(features::Rules(std::move(tables)));
  for (const std::string& line : failing) invocation.Print(TerminalText(line) + "\n");
  if (!invocation.flags().quiet) {
    invocation.Print(std::to_string(examples) + " examples, " + std::to_string(failing.size()) +
                     " failed\n");
  }
  return failing.empty() ? kExitOk : kExitNo;
}

}  // namespace

Action AddFeaturesEval(CLI::App& app) {
  const auto flags = std::make_shared<EvalFlags>();
  app.add_option("--set", flags->set,
                 "Folder with parts of labelled texts (default: " + flags->set + ")");
  app.add_option("--rules", flags->rules, "Tables that are added to those that are built in");
  app.add_flag("--faults", flags->faults, "Say of each text what the rules got wrong");
  return [flags](Invocation& invocation) { return Eval(*flags, invocation); };
}

Action AddFeaturesTest(CLI::App& app) {
  const auto files = std::make_shared<std::vector<std::string>>();
  app.add_option("FILE", *files, "Tables that are added to those that are built in");
  return [files](Invocation& invocation) { return Test(*files, invocation); };
}

}  // namespace berth::cli
