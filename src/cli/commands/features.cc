// berth features: what is thought of a job, what people say of that, and how right it was.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/quantities.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cli/commands/commands.h"
#include "cli/output/feature_text.h"
#include "cli/output/message_value.h"
#include "cli/output/table.h"
#include "cli/output/terminal_text.h"
#include "cli/selector.h"

namespace berth::cli {
namespace {

// "12", "job/12" or "last".
absl::StatusOr<std::string> JobOf(const std::string& given, Invocation& invocation) {
  if (given.empty()) {
    return absl::InvalidArgumentError("which job? List them with 'berth get jobs'");
  }
  BERTH_ASSIGN_OR_RETURN(std::vector<Selector> selectors, ParseSelectors({given}));
  BERTH_RETURN_IF_ERROR(invocation.ResolveLast(selectors));
  if (selectors.size() != 1 || selectors[0].is_task()) {
    return absl::InvalidArgumentError("\"" + given + "\": name one job, as 12");
  }
  return selectors[0].id;
}

std::string ShowText(const std::string& job, const v1::ShowFeaturesResponse& shown) {
  std::string text;
  for (const v1::ShowFeaturesResponse::Group& group : shown.groups()) {
    if (!text.empty()) text += "\n";
    text += "Job " + job;
    const std::string& name = group.features().group();
    if (!name.empty()) text += ", group " + TerminalText(name);
    text += "\n";
    if (group.features().values().empty()) text += "  nothing is known of it\n";
    Table table({"FIELD", "VALUE", "FROM", "SURE", "USE"});
    for (const v1::FeatureValue& value : group.features().values()) {
      table.AddRow({FieldText(value.field()), ValueText(value), SourceText(value),
                    std::to_string(value.confidence()) + " %", UseText(value)});
    }
    for (const v1::FeatureValue& value : group.correction().values()) {
      table.AddRow({FieldText(value.field()), ValueText(value),
                    "correction by " + group.correction().by(), "", "compared with the others"});
    }
    if (!table.empty()) text += table.Text();
    if (!group.correction().comment().empty()) {
      text += "Comment: " + TerminalText(group.correction().comment()) + "\n";
    }
  }
  if (shown.has_rating()) {
    const v1::JobRating& rating = shown.rating();
    text += "\nRated " + std::to_string(rating.stars()) + " of 5 by " + TerminalText(rating.by());
    if (!rating.comment().empty()) text += ": " + TerminalText(rating.comment());
    text += "\n";
  }
  return text;
}

absl::StatusOr<int> Show(const std::string& given, Invocation& invocation) {
  BERTH_RETURN_IF_ERROR(invocation.RefuseNameFormat("features show"));
  v1::ShowFeaturesRequest request;
  BERTH_ASSIGN_OR_RETURN(*request.mutable_job_id(), JobOf(given, invocation));
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  BERTH_ASSIGN_OR_RETURN(
      const v1::ShowFeaturesResponse shown,
      client->Call(client->features(), &v1::FeatureService::Stub::ShowFeatures, request));
  if (invocation.wants_document()) {
    invocation.PrintDocument(MessageToValue(shown));
  } else {
    invocation.Print(ShowText(request.job_id(), shown));
  }
  return 0;
}

struct CorrectFlags {
  std::string job, group, comment;
  std::vector<std::string> values;
};

absl::StatusOr<int> Correct(const CorrectFlags& flags, Invocation& invocation) {
  v1::CorrectFeaturesRequest request;
  BERTH_ASSIGN_OR_RETURN(*request.mutable_job_id(), JobOf(flags.job, invocation));
  if (flags.values.empty()) {
    return absl::InvalidArgumentError("what is right? Write FIELD=VALUE, as memory=3Gi");
  }
  for (const std::string& text : flags.values) {
    BERTH_ASSIGN_OR_RETURN(*request.add_values(), ParseFeature(text));
  }
  request.set_group(flags.group);
  request.set_comment(flags.comment);
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  BERTH_ASSIGN_OR_RETURN(
      const v1::CorrectFeaturesResponse answer,
      client->Call(client->features(), &v1::FeatureService::Stub::CorrectFeatures, request));
  if (invocation.wants_document()) {
    invocation.PrintDocument(MessageToValue(answer));
  } else if (!invocation.flags().quiet) {
    invocation.Print("job " + request.job_id() + ": noted\n");
  }
  return 0;
}

struct RateFlags {
  std::string job, stars, comment;
};

absl::StatusOr<int> Rate(const RateFlags& flags, Invocation& invocation) {
  v1::RateJobRequest request;
  BERTH_ASSIGN_OR_RETURN(*request.mutable_job_id(), JobOf(flags.job, invocation));
  if (flags.stars.empty()) {
    return absl::InvalidArgumentError("how did it go? Write a number from 1 (no use) to 5");
  }
  const auto stars = base::ParseCount(flags.stars, 1, 5);
  if (!stars.ok()) {
    return absl::InvalidArgumentError("STARS: " + base::S(stars.status().message()));
  }
  request.set_stars(static_cast<int32_t>(*stars));
  request.set_comment(flags.comment);
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  BERTH_ASSIGN_OR_RETURN(
      const v1::RateJobResponse answer,
      client->Call(client->features(), &v1::FeatureService::Stub::RateJob, request));
  if (invocation.wants_document()) {
    invocation.PrintDocument(MessageToValue(answer));
  } else if (!invocation.flags().quiet) {
    invocation.Print("job " + request.job_id() + ": rated " + flags.stars + " of 5\n");
  }
  return 0;
}

std::string PercentText(double percent) {
  char text[32];
  std::snprintf(text, sizeof text, percent < 10 ? "%.1f %%" : "%.0f %%", percent);
  return text;
}

std::string ReportText(const v1::GetFeatureReportResponse& report) {
  Table table({"FIELD", "FROM", "OUTCOMES", "OVER", "UNDER", "MEDIAN ERROR", "MEAN ERROR",
               "IN INTERVAL", "IN USE"});
  for (const auto& one : report.calibration()) {
    v1::FeatureValue value;
    value.set_source(one.source());
    std::string from = SourceText(value);
    table.AddRow({FieldText(one.field()), from.substr(0, from.find(' ')),
                  std::to_string(one.outcomes()), std::to_string(one.over()),
                  std::to_string(one.under()), PercentText(one.median_error_percent()),
                  PercentText(one.mean_error_percent()),
                  one.has_coverage_percent() ? PercentText(one.coverage_percent()) : "",
                  one.in_use() ? "yes" : "no"});
  }
  std::string text = table.Text();
  text += "\nGroups of alike tasks in history: " + std::to_string(report.history_groups()) + "\n";
  for (const auto& one : report.corrected()) {
    v1::FeatureValue value;
    value.set_source(one.source());
    const std::string from = SourceText(value);
    text += "Corrected by operators, " + from.substr(0, from.find(' ')) + ": " +
            std::to_string(one.agreed()) + " right, " + std::to_string(one.differed()) + " wrong\n";
  }
  int64_t ratings = 0;
  std::string by_stars;
  for (int i = 0; i < report.ratings_size(); ++i) {
    ratings += report.ratings(i);
    by_stars +=
        (i == 0 ? "" : ", ") + std::to_string(report.ratings(i)) + " with " + std::to_string(i + 1);
  }
  if (ratings > 0) text += "Ratings by stars: " + by_stars + "\n";
  return text;
}

absl::StatusOr<int> Report(Invocation& invocation) {
  BERTH_RETURN_IF_ERROR(invocation.RefuseNameFormat("features report"));
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  BERTH_ASSIGN_OR_RETURN(
      const v1::GetFeatureReportResponse report,
      client->Call(client->features(), &v1::FeatureService::Stub::GetFeatureReport,
                   v1::GetFeatureReportRequest()));
  if (invocation.wants_document()) {
    invocation.PrintDocument(MessageToValue(report));
  } else {
    invocation.Print(ReportText(report));
  }
  return 0;
}

}  // namespace

Action AddFeatures(CLI::App& app) {
  const auto job = std::make_shared<std::string>();
  const auto correct_flags = std::make_shared<CorrectFlags>();
  const auto rate_flags = std::make_shared<RateFlags>();
  CLI::App* const show = app.add_subcommand(
      "show", "What is known of a job's tasks, who said it, and what was done with it");
  show->add_option("JOB", *job, "Job id, or last");
  CLI::App* const correct = app.add_subcommand(
      "correct", "Say what is right of a job, for those who operate the cluster");
  correct->add_option("JOB", correct_flags->job, "Job id, or last");
  correct->add_option("FIELD=VALUE", correct_flags->values, "As memory=3Gi, class=io, gpus=2");
  correct->add_option("--group", correct_flags->group, "Group of the job, where it has several");
  correct->add_option("--comment", correct_flags->comment, "Why");
  CLI::App* const rate = app.add_subcommand("rate", "Say how a job of yours went");
  rate->add_option("JOB", rate_flags->job, "Job id, or last");
  rate->add_option("STARS", rate_flags->stars, "1 (no use) to 5 (as wished)");
  rate->add_option("--comment", rate_flags->comment, "What was good, or was not");
  CLI::App* const report =
      app.add_subcommand("report", "How right predictions were, and which of them are in use");
  CLI::App* const eval =
      app.add_subcommand("eval", "Measure the rules on texts whose features are known");
  CLI::App* const test = app.add_subcommand("test", "Check tables of rules and their examples");
  for (CLI::App* const each : {show, correct, rate, report, eval, test}) each->fallthrough();
  return [=, measure = AddFeaturesEval(*eval),
          check = AddFeaturesTest(*test)](Invocation& invocation) -> absl::StatusOr<int> {
    if (show->parsed()) return Show(*job, invocation);
    if (correct->parsed()) return Correct(*correct_flags, invocation);
    if (rate->parsed()) return Rate(*rate_flags, invocation);
    if (report->parsed()) return Report(invocation);
    if (eval->parsed()) return measure(invocation);
    if (test->parsed()) return check(invocation);
    return absl::InvalidArgumentError(
        "what of features? Write: berth features show|correct|rate JOB, or report, eval or test");
  };
}

}  // namespace berth::cli
