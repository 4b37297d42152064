// berth admin snapshot: the cluster's state as a file, saved, looked into, put back.
#include <sys/stat.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/annotate.h"
#include "base/quantities.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/output/sections.h"
#include "cli/output/table.h"
#include "cli/output/terminal_text.h"
#include "snapshot/part_file.h"
#include "snapshot/snapshot_reader.h"

namespace berth::cli {
namespace {

using snapshot::SnapshotReader;
using snapshot::SnapshotSummary;

constexpr char kStdout[] = "-";

// Letters of the store's tables (src/store/tables.h): they never change their meaning.
constexpr char kJobs = 'j';
constexpr char kTasks = 't';
constexpr char kNodes = 'n';

struct SnapshotFlags {
  std::string file;
  bool force = false;
  std::string config;
  std::string data_dir;
  std::string generation;
};

// "2026-11-20T18:00:00Z"
std::string UtcText(int64_t unix_ms) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixMillis(unix_ms), absl::UTCTimeZone());
}

yaml::Value Number(uint64_t number) { return yaml::Value::Int(static_cast<int64_t>(number)); }

yaml::Value DocumentOf(const std::string& file, const SnapshotSummary& summary) {
  const snapshot::SnapshotInfo& info = summary.info;
  yaml::Value document;
  document.Set("file", yaml::Value::String(file));
  document.Set("bytes", Number(summary.bytes));
  document.Set("clusterId", yaml::Value::String(info.cluster_id));
  if (!info.cluster_name.empty()) {
    document.Set("clusterName", yaml::Value::String(info.cluster_name));
  }
  document.Set("generation", Number(info.generation));
  document.Set("term", Number(info.term));
  document.Set("epoch", Number(info.epoch));
  document.Set("createdUnixMs", yaml::Value::Int(info.created_unix_ms));
  document.Set("berthdVersion", yaml::Value::String(info.berthd_version));
  document.Set("schemaVersion", Number(info.schema_version));
  document.Set("jobs", Number(summary.RecordsOf(kJobs)));
  document.Set("taskRecords", Number(summary.RecordsOf(kTasks)));
  document.Set("nodes", Number(summary.RecordsOf(kNodes)));
  yaml::Value::List tables;
  for (const snapshot::TableSummary& table : summary.tables) {
    yaml::Value entry;
    entry.Set("table", yaml::Value::String(table.name));
    entry.Set("records", Number(table.records));
    entry.Set("bytes", Number(table.bytes));
    tables.push_back(std::move(entry));
  }
  document.Set("tables", yaml::Value::Sequence(std::move(tables)));
  return document;
}

std::string BytesText(uint64_t bytes) { return base::FormatBytes(static_cast<int64_t>(bytes)); }

// Checked before berthd is asked, and again when the file gets its name.
absl::Status CheckMayWrite(const std::string& file) {
  struct stat found {};
  if (::stat(file.c_str(), &found) != 0) return absl::OkStatus();
  return absl::AlreadyExistsError("snapshot \"" + file +
                                  "\": there is such a file already; give another name, or "
                                  "--force to replace it");
}

// Receives it all, into `write`, and checks it.
absl::StatusOr<SnapshotSummary> Receive(
    Client& client, const std::function<absl::Status(std::string_view)>& write) {
  grpc::ClientContext context;
  client.SetLogsDeadline(context);
  const auto stream = client.admin().SaveSnapshot(&context, v1::SaveSnapshotRequest());
  SnapshotReader reader;
  v1::SaveSnapshotResponse response;
  absl::Status status;
  while (status.ok() && stream->Read(&response)) {
    status = reader.Feed(response.data());
    if (status.ok()) status = write(response.data());
  }
  if (!status.ok()) context.TryCancel();
  const grpc::Status ended = stream->Finish();
  if (status.ok() && !ended.ok()) return client.Explain(ended);
  BERTH_RETURN_IF_ERROR(base::Annotate(status, "the snapshot that berthd sent"));
  absl::StatusOr<SnapshotSummary> summary = reader.Finish();
  if (!summary.ok()) {
    return base::Annotate(summary.status(), "the snapshot that berthd sent");
  }
  return summary;
}

absl::StatusOr<int> SaveToStdout(Invocation& invocation) {
  if (invocation.process().out_is_terminal) {
    return absl::InvalidArgumentError(
        "a snapshot is no text for a terminal: name a file, or send it on with >, or |");
  }
  if (invocation.wants_document()) {
    return absl::InvalidArgumentError(
        "-o: standard output has the snapshot itself; name a file, or leave -o out");
  }
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  ByteSink& out = *invocation.process().out;
  BERTH_ASSIGN_OR_RETURN(
      const SnapshotSummary summary, Receive(*client, [&](std::string_view bytes) {
        out.Write(bytes);
        return out.failed()
                   ? absl::FailedPreconditionError(
                         "standard output took no more of it; nothing complete was written")
                   : absl::OkStatus();
      }));
  if (!invocation.flags().quiet) {
    invocation.PrintError("snapshot saved: epoch " + std::to_string(summary.info.epoch) + ", " +
                          std::to_string(summary.RecordsOf(kJobs)) + " jobs, " +
                          BytesText(summary.bytes) + "\n");
  }
  return 0;
}

absl::StatusOr<int> Save(const SnapshotFlags& flags, Invocation& invocation) {
  if (flags.file == kStdout) return SaveToStdout(invocation);
  if (!flags.force) BERTH_RETURN_IF_ERROR(CheckMayWrite(flags.file));
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  BERTH_ASSIGN_OR_RETURN(const auto file, snapshot::PartFile::Create(flags.file));
  BERTH_ASSIGN_OR_RETURN(
      const SnapshotSummary summary,
      Receive(*client, [&](std::string_view bytes) { return file->Write(bytes); }));
  if (const absl::Status completed = file->Complete(flags.force); !completed.ok()) {
    return absl::IsAlreadyExists(completed) ? CheckMayWrite(flags.file) : completed;
  }
  if (invocation.wants_document()) {
    invocation.PrintDocument(DocumentOf(flags.file, summary));
  } else if (invocation.wants_names()) {
    invocation.Print(flags.file + "\n");
  } else {
    invocation.Print("snapshot saved to " + TerminalText(flags.file) + ": epoch " +
                     std::to_string(summary.info.epoch) + ", " +
                     std::to_string(summary.RecordsOf(kJobs)) + " jobs, " +
                     BytesText(summary.bytes) + "\n");
  }
  return 0;
}

std::string PageOf(const SnapshotSummary& summary) {
  const snapshot::SnapshotInfo& info = summary.info;
  Sections page;
  page.Title("Snapshot");
  page.Line("Cluster", info.cluster_id);
  page.Line("Name", info.cluster_name);
  page.Line("Generation", std::to_string(info.generation));
  page.Line("Term", std::to_string(info.term));
  page.Line("Epoch", std::to_string(info.epoch));
  page.Line("Saved", UtcText(info.created_unix_ms));
  page.Line("By", "berthd " + info.berthd_version + ", schema version " +
                      std::to_string(info.schema_version));
  page.Line("Size", BytesText(summary.bytes));
  page.Line("Jobs", std::to_string(summary.RecordsOf(kJobs)));
  page.Line("Tasks", std::to_string(summary.RecordsOf(kTasks)) + " with a record of their own");
  page.Line("Nodes", std::to_string(summary.RecordsOf(kNodes)));
  Table table({"TABLE", "RECORDS", "BYTES"});
  for (const snapshot::TableSummary& each : summary.tables) {
    table.AddRow({each.name, std::to_string(each.records), std::to_string(each.bytes)});
  }
  return page.Text() + "\n" + table.Text();
}

absl::StatusOr<int> Inspect(const SnapshotFlags& flags, Invocation& invocation) {
  BERTH_RETURN_IF_ERROR(invocation.RefuseNameFormat("admin snapshot inspect"));
  const absl::StatusOr<SnapshotSummary> summary = snapshot::ReadSnapshotFile(flags.file);
  if (absl::IsDataLoss(summary.status())) {
    // Elsewhere this is trouble with berthd; here it is the answer.
    invocation.PrintFailure(summary.status());
    return kExitNo;
  }
  BERTH_RETURN_IF_ERROR(summary.status());
  if (invocation.wants_document()) {
    invocation.PrintDocument(DocumentOf(flags.file, *summary));
  } else {
    invocation.Print(PageOf(*summary));
  }
  return 0;
}

absl::StatusOr<int> Restore(const SnapshotFlags& flags, Invocation& invocation) {
  BERTH_RETURN_IF_ERROR(invocation.RefuseNameFormat("admin snapshot restore"));
  std::vector<std::string> arguments = {"restore-snapshot", flags.file};
  const auto pass = [&](const char* name, const std::string& value) {
    if (!value.empty()) arguments.insert(arguments.end(), {name, value});
  };
  if (!flags.config.empty() && !flags.data_dir.empty()) {
    return absl::InvalidArgumentError("--config and --data-dir: give one");
  }
  pass("--config", flags.config);
  pass("--data-dir", flags.data_dir);
  pass("--generation", flags.generation);
  if (invocation.wants_document()) {
    pass("--output", invocation.flags().format == OutputFormat::kJson ? "json" : "yaml");
  }
  return invocation.process().become("berthd", arguments);
}

absl::Status NeedsFile(const SnapshotFlags& flags, std::string_view verb) {
  if (!flags.file.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError("which file? Write: berth admin snapshot " + std::string(verb) +
                                    " FILE");
}

}  // namespace

Action AddSnapshot(CLI::App& app) {
  const auto flags = std::make_shared<SnapshotFlags>();
  CLI::App* const save = app.add_subcommand(
      "save", "Have berthd send a snapshot of all its state, check it, and keep it as FILE");
  save->add_option("FILE", flags->file, "Made with mode 0600; -: standard output");
  save->add_flag("--force", flags->force, "Replace FILE if it is there");
  save->footer("What is in it is for operators alone: scripts and environments of all users.");
  CLI::App* const inspect =
      app.add_subcommand("inspect", "Check all of FILE, and say what is in it; needs no berthd");
  inspect->add_option("FILE", flags->file, "A snapshot");
  CLI::App* const restore =
      app.add_subcommand("restore", "Put FILE's state in the place of a stopped berthd's");
  restore->footer(
      "The work is done by the program berthd beside this one, or in PATH: run it as the user "
      "that\n"
      "berthd runs as. All of FILE is checked first. The state that was there is moved to\n"
      "db.before-restore-<time>, never removed. Whatever kills it, the old or the new state is "
      "there.");
  restore->add_option("FILE", flags->file, "A snapshot");
  restore
      ->add_option("--config", flags->config,
                   "berthd.yaml, which names the directory; /etc/berth/berthd.yaml by default")
      ->type_name("FILE");
  restore->add_option("--data-dir", flags->data_dir, "The directory itself")->type_name("DIR");
  restore
      ->add_option(
          "--generation", flags->generation,
          "Restore generation of the new state; one more than any that is known by default")
      ->type_name("N");
  for (CLI::App* const each : {save, inspect, restore}) each->fallthrough();
  return [flags, save, inspect, restore](Invocation& invocation) -> absl::StatusOr<int> {
    if (save->parsed()) {
      BERTH_RETURN_IF_ERROR(NeedsFile(*flags, "save"));
      return Save(*flags, invocation);
    }
    if (inspect->parsed()) {
      BERTH_RETURN_IF_ERROR(NeedsFile(*flags, "inspect"));
      return Inspect(*flags, invocation);
    }
    if (restore->parsed()) {
      BERTH_RETURN_IF_ERROR(NeedsFile(*flags, "restore"));
      return Restore(*flags, invocation);
    }
    return absl::InvalidArgumentError(
        "save, inspect or restore? Write: berth admin snapshot save FILE");
  };
}

}  // namespace berth::cli
