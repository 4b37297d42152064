#include "exe/restore_command.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <utility>
#include <vector>

#include "agents/inventory.h"
#include "api/job_spec_reader.h"
#include "base/build_info.h"
#include "base/clock.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "scheduler/recovery.h"
#include "store/recover.h"
#include "store/restore_snapshot.h"
#include "yaml/write.h"

namespace berth {
namespace {

// What every start of berthd checks. Whether the configuration has the jobs' profiles is left to
// that start: it names them.
absl::Status CheckStarts(const store::StateStore& restored) {
  const store::SpecDecoders decoders{.job = api::DecodeJobSpec, .node = agents::DecodeInventory};
  BERTH_ASSIGN_OR_RETURN(store::RecoveredState state, store::Recover(restored, decoders));
  scheduler::RecoveryOptions options;
  for (const store::RecoveredJob& job : state.jobs) {
    const std::string& profile = job.job.spec->profile;
    if (std::find(options.profiles.begin(), options.profiles.end(), profile) ==
        options.profiles.end()) {
      options.profiles.push_back(profile);
    }
  }
  return scheduler::BuildState(std::move(state), options).status();
}

int ExitCodeOf(const absl::Status& status) {
  if (absl::IsNotFound(status)) return 3;
  return absl::IsPermissionDenied(status) ? 4 : 1;
}

void Print(const yaml::Value& document, const std::string& format) {
  std::cout << (format == "yaml" ? yaml::WriteYaml(document) : yaml::WriteJson(document, 2) + "\n");
}

yaml::Value Number(uint64_t value) { return yaml::Value::Int(static_cast<int64_t>(value)); }

yaml::Value DocumentOf(const RestoreArguments& arguments, const store::RestoreOutcome& outcome) {
  const snapshot::SnapshotInfo& info = outcome.snapshot.info;
  yaml::Value of;
  of.Set("generation", Number(info.generation));
  of.Set("epoch", Number(info.epoch));
  of.Set("createdUnixMs", yaml::Value::Int(info.created_unix_ms));
  yaml::Value document;
  document.Set("clusterId", yaml::Value::String(info.cluster_id));
  document.Set("dataDir", yaml::Value::String(arguments.data_dir));
  document.Set("generation", Number(outcome.generation));
  document.Set("epoch", Number(outcome.epoch));
  document.Set("jobs", Number(outcome.snapshot.RecordsOf('j')));
  document.Set("snapshot", std::move(of));
  if (!outcome.moved_aside.empty()) {
    document.Set("movedAside", yaml::Value::String(outcome.moved_aside));
  }
  return document;
}

}  // namespace

int FailRestore(const absl::Status& status, const std::string& format) {
  const std::string message = base::S(status.message());
  if (format.empty()) {
    std::cerr << "berthd: " << message << "\n";
    return ExitCodeOf(status);
  }
  yaml::Value error;
  error.Set("code", yaml::Value::String(absl::StatusCodeToString(status.code())));
  error.Set("message", yaml::Value::String(message));
  yaml::Value document;
  document.Set("error", std::move(error));
  Print(document, format);
  return ExitCodeOf(status);
}

int RestoreCommand(const RestoreArguments& arguments) {
  // What is said below is enough; what is wrong on the way is not.
  base::LogOptions log;
  log.component = "berthd";
  log.level = base::LogLevel::kWarn;
  base::InitLogging(log);
  base::SystemClock clock;
  store::RestoreOptions options;
  options.file = arguments.file;
  options.data_dir = arguments.data_dir;
  options.cluster_name = arguments.cluster_name;
  options.generation = arguments.generation;
  options.principal = "uid:" + std::to_string(::getuid());
  options.check = CheckStarts;
  const absl::StatusOr<store::RestoreOutcome> outcome = store::RestoreSnapshot(options, clock);
  if (!outcome.ok()) return FailRestore(outcome.status(), arguments.format);
  if (!outcome->unreadable.empty()) {
    std::cerr << "berthd: what was there before could not be read, and its generation is taken as "
                 "smaller: "
              << outcome->unreadable << "\n";
  }
  if (!arguments.format.empty()) {
    Print(DocumentOf(arguments, *outcome), arguments.format);
    return 0;
  }
  const snapshot::SnapshotInfo& info = outcome->snapshot.info;
  std::cout << "restored " << arguments.file << " (cluster " << info.cluster_id << ", epoch "
            << info.epoch << ", " << outcome->snapshot.RecordsOf('j') << " jobs) into "
            << arguments.data_dir << ": generation " << outcome->generation << ", epoch "
            << outcome->epoch << "; start berthd on it\n";
  if (!outcome->moved_aside.empty()) {
    std::cout << "the state before it is kept in " << outcome->moved_aside
              << "; remove that when nobody needs it\n";
  }
  return 0;
}

}  // namespace berth
