// berth describe: all there is to know about one job, task or node, for people.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/quantities.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/job_ending.h"
#include "cli/names.h"
#include "cli/output/message_value.h"
#include "cli/output/rows.h"
#include "cli/output/sections.h"
#include "cli/output/table.h"
#include "jobfile/array_spec.h"

namespace berth::cli {
namespace {

// "0.25 ms", "12 ms"
std::string FormatMicroseconds(int64_t us) {
  char text[32];
  std::snprintf(text, sizeof(text), us < 10'000 ? "%.2f ms" : "%.0f ms",
                static_cast<double>(us) / 1000);
  return text;
}

// "2026-11-20 18:00:00", in the zone of this machine.
std::string TimeText(int64_t unix_ms) {
  if (unix_ms == 0) return "";
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixMillis(unix_ms),
                          absl::LocalTimeZone());
}

std::string CountText(int64_t count) { return count == 0 ? "" : std::to_string(count); }

template <typename Numbers>
std::string JoinNumbers(const Numbers& numbers) {
  std::string text;
  for (const auto number : numbers) text += (text.empty() ? "" : ",") + std::to_string(number);
  return text;
}

// A word as a shell would need it to be written, when it is not plain.
std::string ShellWord(const std::string& word) {
  const bool plain = !word.empty() && word.find_first_not_of(
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789_./-+=:,@%") == std::string::npos;
  if (plain) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

template <typename StringMap>
std::string MapText(const StringMap& map) {
  const std::map<std::string, std::string> ordered(map.begin(), map.end());
  std::string text;
  for (const auto& [key, value] : ordered) {
    text += (text.empty() ? "" : ", ") + key + "=" + value;
  }
  return text;
}

void AddGroup(Sections& page, const v1::TaskGroup& group) {
  const v1::TaskTemplate& task = group.template_();
  page.Title(group.name().empty() ? "Task" : "Group " + group.name());
  std::string command;
  for (const std::string& word : task.payload().command()) {
    command += (command.empty() ? "" : " ") + ShellWord(word);
  }
  page.Line("Command", command);
  if (!task.payload().script().empty()) {
    page.Line("Script", std::to_string(task.payload().script().size()) +
                            " bytes; see 'berth get job ID -o yaml'");
  }
  page.Line("Image", task.payload().image());
  for (const v1::Mount& mount : task.payload().mounts()) {
    page.Line("Mount", mount.source() + (mount.target().empty() ? "" : " at " + mount.target()) +
                           (mount.read_only() ? ", read only" : ""));
  }
  page.Line("Directory", task.payload().working_directory());
  page.Line("Environment", MapText(task.payload().environment()));
  if (group.has_array()) page.Line("Array", jobfile::FormatArraySpec(group.array()));
  page.Line("Resources", ResourcesText(task.resources()));
  for (const v1::DeviceRequest& device : task.devices()) page.Line("Devices", DeviceText(device));
  page.Line("Node selector", MapText(task.node_selector()));
  for (const v1::Toleration& toleration : task.tolerations()) {
    std::string text = toleration.key().empty() ? "*" : toleration.key();
    if (toleration.has_value()) text += "=" + toleration.value();
    if (toleration.effect() != v1::TAINT_EFFECT_UNSPECIFIED) {
      text += ":" + std::string(NameOf(toleration.effect()));
    }
    page.Line("Tolerates", text);
  }
  if (task.time_limit_ms() > 0) {
    page.Line("Time limit", base::FormatExactDuration(absl::Milliseconds(task.time_limit_ms())));
  }
  if (task.has_grace_ms()) {
    page.Line("Grace", base::FormatExactDuration(absl::Milliseconds(task.grace_ms())));
  }
  page.Line("Processes", CountText(task.max_processes()));
  page.Line("Retries", CountText(group.retries()));
  if (group.on_partition() == v1::ON_PARTITION_KILL) page.Line("On partition", "kill");
}

// Where the tasks of a job are: "97 succeeded, 2 running, 1 failed".
std::string StatesText(const v1::TaskCounts& counts) {
  const std::pair<int64_t, const char*> states[] = {
      {counts.succeeded(), "succeeded"},    {counts.failed(), "failed"},
      {counts.cancelled(), "cancelled"},    {counts.running(), "running"},
      {counts.starting(), "starting"},      {counts.bound(), "bound"},
      {counts.stopping(), "stopping"},      {counts.queued(), "queued"},
      {counts.parked(), "parked"},          {counts.held(), "held"},
      {counts.quarantined(), "quarantined"}};
  std::string text;
  for (const auto& [count, name] : states) {
    if (count == 0) continue;
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + name;
  }
  return text;
}

std::string JobPage(const v1::Job& job) {
  Sections page;
  page.Title("Job " + job.id());
  page.Line("Name", job.spec().name());
  page.Line("State", NameOf(job.state()));
  page.Line("Tasks", StatesText(job.tasks()));
  if (HasEnded(job.state())) page.Line("Exit code", std::to_string(job.exit_code()));
  page.Line("Namespace", job.spec().namespace_());
  page.Line("Queue", job.spec().queue());
  page.Line("Profile", job.spec().profile());
  page.Line("Priority", CountText(job.spec().priority()));
  page.Line("Labels", MapText(job.spec().labels()));
  page.Line("Description", job.spec().description());
  page.Line("Submitted by", job.submitted_by());
  page.Line("Submitted", TimeText(job.submitted_unix_ms()));
  page.Line("Started", TimeText(job.started_unix_ms()));
  page.Line("Ended", TimeText(job.ended_unix_ms()));
  for (const v1::TaskGroup& group : job.spec().groups()) AddGroup(page, group);
  return page.Text();
}

void AddAttempt(Sections& page, const v1::Attempt& attempt) {
  page.Title("Attempt " + attempt.id());
  page.Line("Node", attempt.node());
  page.Line("Isolation", attempt.isolation());
  std::string not_enforced;
  for (const std::string& name : attempt.not_enforced()) {
    not_enforced += (not_enforced.empty() ? "" : ", ") + name;
  }
  page.Line("Not enforced", not_enforced);
  if (attempt.has_ready()) page.Line("Ready", attempt.ready() ? "yes" : "no");
  if (attempt.memory_bytes() > 0) page.Line("Memory", base::FormatBytes(attempt.memory_bytes()));
  std::string devices;
  for (const std::string& id : attempt.device_ids()) devices += (devices.empty() ? "" : ", ") + id;
  page.Line("Devices", devices);
  page.Line("End", NameOf(attempt.end()));
  page.Line("Exit", ExitText(attempt));
  page.Line("Reason", NameOf(attempt.reason()));
  page.Line("Message", attempt.message());
  page.Line("Bound", TimeText(attempt.bound_unix_ms()));
  page.Line("Started", TimeText(attempt.started_unix_ms()));
  page.Line("Ended", TimeText(attempt.ended_unix_ms()));
  if (attempt.started_unix_ms() > 0 && attempt.ended_unix_ms() > 0) {
    page.Line("Ran", base::FormatElapsed(attempt.ended_unix_ms() - attempt.started_unix_ms()));
  }
  if (attempt.usage().cpu_time_ms() > 0) {
    page.Line("CPU time", base::FormatElapsed(attempt.usage().cpu_time_ms()));
  }
  if (attempt.usage().memory_peak_bytes() > 0) {
    page.Line("Peak memory", base::FormatBytes(attempt.usage().memory_peak_bytes()));
  }
  if (attempt.usage().io_read_bytes() > 0 || attempt.usage().io_written_bytes() > 0) {
    page.Line("Disk", base::FormatBytes(attempt.usage().io_read_bytes()) + " read, " +
                          base::FormatBytes(attempt.usage().io_written_bytes()) + " written");
  }
  if (attempt.usage().scratch_bytes() > 0) {
    page.Line("Scratch", base::FormatBytes(attempt.usage().scratch_bytes()));
  }
  if (attempt.usage().device_memory_bytes() > 0 ||
      attempt.usage().device_utilisation_percent() > 0) {
    page.Line("Devices", base::FormatBytes(attempt.usage().device_memory_bytes()) + " in use, " +
                             std::to_string(attempt.usage().device_utilisation_percent()) +
                             "% of one busy");
  }
}

std::string TaskPage(const v1::GetTaskResponse& answer) {
  const v1::Task& task = answer.task();
  Sections page;
  page.Title("Task " + task.id());
  page.Line("Job", task.job_id() + (task.job_name().empty() ? "" : " (" + task.job_name() + ")"));
  page.Line("State", NameOf(task.state()));
  page.Line("Reason", NameOf(task.reason()));
  page.Line("Message", task.message());
  page.Line("Namespace", task.namespace_());
  page.Line("Resources", ResourcesText(task.resources()));
  page.Line("Submitted", TimeText(task.submitted_unix_ms()));
  page.Line("Attempts", CountText(task.attempts()));
  for (const v1::Attempt& attempt : answer.attempts()) AddAttempt(page, attempt);
  if (answer.attempts().empty() && task.has_attempt()) AddAttempt(page, task.attempt());
  return page.Text();
}

std::string LocalDataText(const v1::LocalData& data) {
  if (data.size_bytes() == 0) return data.name();
  return data.name() + " (" + base::FormatBytes(data.size_bytes()) + ")";
}

void AddHardware(Sections& page, const v1::Hardware& hardware) {
  page.Line("CPU model", hardware.cpu_model());
  for (int i = 0; i < hardware.numa_nodes_size(); ++i) {
    const v1::NumaNode& node = hardware.numa_nodes(i);
    page.Line("NUMA node " + std::to_string(i), "cpu " + base::FormatCpuMilli(node.cpu_milli()) +
                                                    ", memory " +
                                                    base::FormatBytes(node.memory_bytes()));
  }
  for (const v1::Disk& disk : hardware.disks()) {
    page.Line("Disk", disk.name() + ": " + std::string(NameOf(disk.disk_class())) + ", " +
                          base::FormatBytes(disk.size_bytes()));
  }
  for (const v1::NetworkInterface& interface : hardware.interfaces()) {
    page.Line("Interface", interface.name() + ": " + (interface.up() ? "up" : "down") +
                               (interface.speed_bits_per_s() > 0
                                    ? ", " + base::FormatBitsPerSecond(interface.speed_bits_per_s())
                                    : ""));
  }
}

std::string PercentText(int32_t milli) {
  return std::to_string(milli / 10) + "." + std::to_string(milli % 10) + "%";
}

// How the node's parts are used.
void AddParts(Sections& page, const v1::NodeUsage& parts) {
  if (parts.ByteSizeLong() == 0) return;
  page.Title("Usage");
  const auto pressure = [&](const char* label, bool is_known, const v1::Pressure& waited) {
    if (!is_known) return;
    page.Line(label, "some waited " + PercentText(waited.some_milli()) + ", all waited " +
                         PercentText(waited.full_milli()) + " of the last 10 s");
  };
  pressure("CPU", parts.has_cpu_pressure(), parts.cpu_pressure());
  pressure("Memory", parts.has_memory_pressure(), parts.memory_pressure());
  pressure("Disks", parts.has_io_pressure(), parts.io_pressure());
  if (parts.has_scratch()) {
    page.Line("Scratch", base::FormatBytes(parts.scratch().free_bytes()) + " free of " +
                             base::FormatBytes(parts.scratch().size_bytes()));
  }
  for (const v1::DiskUsage& disk : parts.disks().disks()) {
    page.Line("Disk", disk.name() + ": read " + base::FormatBytes(disk.read_bytes()) +
                          ", written " + base::FormatBytes(disk.written_bytes()) + ", busy " +
                          base::FormatElapsed(disk.busy_ms()));
  }
  for (const v1::InterfaceUsage& interface : parts.interfaces().interfaces()) {
    page.Line("Interface", interface.name() + ": received " +
                               base::FormatBytes(interface.received_bytes()) + ", sent " +
                               base::FormatBytes(interface.sent_bytes()));
  }
  if (parts.devices().devices().empty()) return;
  Table devices({"DEVICE", "BUSY", "MEMORY USED", "POWER", "TEMPERATURE", "MEMORY ERRORS"});
  for (const v1::DeviceUsage& device : parts.devices().devices()) {
    devices.AddRow(
        {device.id(),
         device.has_utilisation_percent() ? std::to_string(device.utilisation_percent()) + "%" : "",
         base::FormatBytes(device.memory_used_bytes()),
         device.has_power_milliwatts() ? std::to_string(device.power_milliwatts() / 1000) + " W"
                                       : "",
         device.has_temperature_celsius() ? std::to_string(device.temperature_celsius()) + " C"
                                          : "",
         std::to_string(device.uncorrected_errors())});
  }
  page.Block(devices.Text());
}

std::string SkewText(int64_t skew_ms) {
  if (std::abs(skew_ms) <= 1000) return "agrees with berthd's, to a second";
  return std::to_string(std::abs(skew_ms)) + " ms " + (skew_ms > 0 ? "ahead of" : "behind") +
         " berthd's";
}

std::string NodePage(const v1::Node& node) {
  Sections page;
  page.Title("Node " + node.name());
  page.Line("State", NodeStateText(node));
  page.Line("Tasks", std::to_string(node.tasks()));
  if (node.quarantined_attempts() > 0) {
    page.Line("Quarantined", std::to_string(node.quarantined_attempts()) +
                                 " attempts; see 'berth admin reconcile --node " + node.name() +
                                 "'");
  }
  page.Line("Isolation", node.isolation());
  page.Line("Cordoned", node.cordon_reason());
  std::string latencies;
  for (const v1::PeerLatency& latency : node.latencies()) {
    latencies += (latencies.empty() ? "" : ", ") + latency.node() + " " +
                 FormatMicroseconds(latency.round_trip_us());
  }
  page.Line("Round trips", latencies);
  page.Line("Agent", node.agent_version());
  page.Line("Registered", TimeText(node.registered_unix_ms()));
  if (node.has_clock_skew_ms()) page.Line("Clock", SkewText(node.clock_skew_ms()));
  page.Line("Labels", MapText(node.labels()));
  for (const v1::Taint& taint : node.taints()) page.Line("Taint", TaintText(taint));
  AddHardware(page, node.hardware());
  for (const v1::LocalData& data : node.data_sets()) page.Line("Data set", LocalDataText(data));
  for (const v1::LocalData& model : node.models()) page.Line("Model", LocalDataText(model));
  page.Title("Resources");
  Table resources({"RESOURCE", "CAPACITY", "ALLOCATED"});
  const v1::Resources& all = node.capacity();
  const v1::Resources& held = node.allocated();
  resources.AddRow(
      {"cpu", base::FormatCpuMilli(all.cpu_milli()), base::FormatCpuMilli(held.cpu_milli())});
  resources.AddRow(
      {"memory", base::FormatBytes(all.memory_bytes()), base::FormatBytes(held.memory_bytes())});
  if (all.storage_bytes() > 0) {
    resources.AddRow({"storage", base::FormatBytes(all.storage_bytes()),
                      base::FormatBytes(held.storage_bytes())});
  }
  if (all.bandwidth_bits_per_s() > 0) {
    resources.AddRow({"bandwidth", base::FormatBitsPerSecond(all.bandwidth_bits_per_s()),
                      base::FormatBitsPerSecond(held.bandwidth_bits_per_s())});
  }
  const std::map<std::string, int64_t> extended(all.extended().begin(), all.extended().end());
  for (const auto& [name, count] : extended) {
    const auto used = held.extended().find(name);
    resources.AddRow({name, std::to_string(count),
                      std::to_string(used == held.extended().end() ? 0 : used->second)});
  }
  page.Block(resources.Text());
  AddParts(page, node.parts());
  if (!node.devices().empty()) {
    page.Title("Devices");
    const bool has_torus = std::any_of(node.devices().begin(), node.devices().end(),
                                       [](const v1::DeviceStatus& status) {
                                         return !status.device().torus_coordinates().empty();
                                       });
    std::vector<std::string> heads = {"ID",   "KIND",      "MODEL", "MEMORY",
                                      "NUMA", "ALLOCATED", "HEALTH"};
    if (has_torus) heads.insert(heads.begin() + 5, "TORUS");
    Table devices(heads);
    for (const v1::DeviceStatus& status : node.devices()) {
      const v1::Device& device = status.device();
      std::vector<std::string> row = {
          device.id(),
          device.kind(),
          device.model(),
          device.memory_bytes() > 0 ? base::FormatBytes(device.memory_bytes()) : "",
          device.has_numa_node() ? std::to_string(device.numa_node()) : "",
          base::FormatCpuMilli(status.allocated_milli()),
          device.unhealthy() ? "unhealthy: " + device.unhealthy_reason() : "healthy"};
      if (has_torus) row.insert(row.begin() + 5, JoinNumbers(device.torus_coordinates()));
      devices.AddRow(std::move(row));
    }
    page.Block(devices.Text());
  }
  return page.Text();
}

struct DescribeFlags {
  std::vector<std::string> things;
};

// What is said of each thing, printed when all have been found: never half of it.
class Pages {
 public:
  explicit Pages(Invocation& invocation) : invocation_(invocation) {}

  // `page` is called when no document is asked for.
  template <typename Message, typename Page>
  void Add(const Message& message, Page page) {
    if (invocation_.wants_document()) {
      documents_.push_back(MessageToValue(message));
    } else {
      text_ += (text_.empty() ? "" : "\n") + page();
    }
  }

  void Print() {
    if (invocation_.wants_document()) {
      invocation_.PrintDocument(
          documents_.size() == 1 ? documents_[0] : yaml::Value::Sequence(std::move(documents_)));
    }
    invocation_.Print(text_);
  }

 private:
  Invocation& invocation_;
  yaml::Value::List documents_;
  std::string text_;
};

absl::Status DescribeNode(Client& client, const std::string& name, Pages& pages) {
  v1::GetNodeRequest request;
  request.set_name(name);
  BERTH_ASSIGN_OR_RETURN(const v1::GetNodeResponse answer,
                         client.Call(client.nodes(), &v1::NodeService::Stub::GetNode, request));
  pages.Add(answer.node(), [&] { return NodePage(answer.node()); });
  return absl::OkStatus();
}

absl::Status DescribeTask(Client& client, const std::string& id, Pages& pages) {
  v1::GetTaskRequest request;
  request.set_task_id(id.substr(0, id.find('#')));
  BERTH_ASSIGN_OR_RETURN(const v1::GetTaskResponse answer,
                         client.Call(client.jobs(), &v1::JobService::Stub::GetTask, request));
  pages.Add(answer, [&] { return TaskPage(answer); });
  return absl::OkStatus();
}

absl::Status DescribeJob(Invocation& invocation, Client& client, const std::string& id,
                         Pages& pages) {
  v1::GetJobRequest request;
  request.set_job_id(id);
  BERTH_ASSIGN_OR_RETURN(const v1::GetJobResponse answer,
                         client.Call(client.jobs(), &v1::JobService::Stub::GetJob, request));
  pages.Add(answer.job(), [&] { return JobPage(answer.job()); });
  // A job of one task is that task, to the person who asks.
  if (invocation.wants_document() || answer.job().tasks().total() != 1) return absl::OkStatus();
  return DescribeTask(client, id, pages);
}

absl::StatusOr<int> RunDescribe(const DescribeFlags& flags, Invocation& invocation) {
  BERTH_RETURN_IF_ERROR(invocation.RefuseNameFormat("describe"));
  if (invocation.flags().quiet) {
    return absl::InvalidArgumentError(
        "-q does not go with 'berth describe': it says all there is; leave it out, or use "
        "'berth get -q'");
  }
  // Either ids of jobs and tasks, or "node NAME"; "job 12" and "task 12.3" are accepted too.
  std::vector<std::string> things = flags.things;
  bool nodes = false;
  if (!things.empty()) {
    const std::string& kind = things[0];
    nodes = kind == "node" || kind == "nodes";
    if (nodes || kind == "job" || kind == "jobs" || kind == "task" || kind == "tasks") {
      things.erase(things.begin());
    }
  }
  if (things.empty()) {
    return absl::InvalidArgumentError(
        "describe what? Name a job (12), a task (12.3), last, or: "
        "node NAME");
  }
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  Pages pages(invocation);
  for (const std::string& thing : things) {
    if (nodes || thing.starts_with("node/")) {
      BERTH_RETURN_IF_ERROR(
          DescribeNode(*client, thing.starts_with("node/") ? thing.substr(5) : thing, pages));
      continue;
    }
    BERTH_ASSIGN_OR_RETURN(std::vector<Selector> selectors, ParseSelectors({thing}));
    BERTH_RETURN_IF_ERROR(invocation.ResolveLast(selectors));
    for (const Selector& selector : selectors) {
      BERTH_RETURN_IF_ERROR(selector.is_task() || selector.names_attempt()
                                ? DescribeTask(*client, selector.id, pages)
                                : DescribeJob(invocation, *client, selector.id, pages));
    }
  }
  pages.Print();
  return 0;
}

}  // namespace

Action AddDescribe(CLI::App& app) {
  const auto flags = std::make_shared<DescribeFlags>();
  app.add_option("THING", flags->things, "A job (12), a task (12.3), last, or: node NAME");
  return [flags](Invocation& invocation) { return RunDescribe(*flags, invocation); };
}

}  // namespace berth::cli
