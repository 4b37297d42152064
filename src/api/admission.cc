#include "api/admission.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "api/job_spec_reader.h"
#include "api/unhonoured_fields.h"
#include "base/quantities.h"
#include "base/sha256.h"
#include "state/group_hints.h"
#include "wire/message_buffer.h"
#include "wire/names.h"
#include "wire/values.h"

namespace berth::api {
namespace {

using wire::FieldPath;
using wire::Violations;

constexpr size_t kMostPayloadBytes = 1 << 20;
constexpr size_t kMostDescriptionBytes = 16 << 10;
constexpr size_t kMostAnnotationBytes = 4 << 10;
constexpr int kMostMounts = 64;
constexpr int kMostData = 64;
constexpr size_t kMostPathBytes = 4095;
// Linux takes at most 32 pages as one argument or one variable of the environment.
constexpr size_t kMostArgumentBytes = (128 << 10) - 1;
constexpr int kMostVariables = 1024;
constexpr int kMostFiles = 1000;
constexpr size_t kMostFileNameBytes = 255;
constexpr int32_t kMostPriority = 1000;
constexpr int32_t kMostRetries = 100;
constexpr int64_t kMostGraceMs = 3600 * int64_t{1000};
constexpr int64_t kMostTimeLimitMs = int64_t{36'500} * 24 * 3600 * 1000;
constexpr int32_t kMostProcesses = 1 << 22;  // the kernel's own limit
constexpr int32_t kLeastMemoryFactor = 101;
constexpr int32_t kMostMemoryFactor = 1000;
constexpr int32_t kDefaultMemoryFactor = 150;
constexpr int32_t kMostIoWeight = 1000;
constexpr int32_t kMostPort = 65535;
constexpr int64_t kMostCheckMs = 24 * 3600 * int64_t{1000};
constexpr int32_t kMostCheckFailures = 1000;

// Checks one job and fills it in, in place.
class Normaliser {
 public:
  Normaliser(const AdmissionOptions& options, v1::JobSpec& job, const std::string& user)
      : options_(options), job_(job), user_(user) {}

  void Run() {
    FindUnhonouredFields(job_, violations_);
    FindUnknownFields(job_, violations_);
    Texts();
    FillIn(*job_.mutable_namespace_(), "namespace");
    wire::CheckName(wire::kNamespaceName, job_.namespace_(), FieldPath("namespace"), violations_);
    FillIn(*job_.mutable_queue(), "queue");
    wire::CheckName(wire::kJobName, job_.queue(), FieldPath("queue"), violations_);
    FillIn(*job_.mutable_profile(), "profile");
    wire::CheckName(wire::kJobName, job_.profile(), FieldPath("profile"), violations_);
    DeclaredFeatures();
    Range(job_.priority(), -kMostPriority, kMostPriority, FieldPath("priority"));
    // Too many are refused by the reader, without a look at each.
    const int groups = job_.groups_size() > kMostGroups ? 0 : job_.groups_size();
    if (job_.name().empty()) job_.set_name(DefaultName());
    // Before defaults: what was left open may be known better.
    if (options_.features != nullptr && groups > 0 && violations_.empty() && HasBounds()) {
      reading_ = options_.features->ReadJob(job_, user_);
    }
    for (int i = 0; i < groups; ++i) Group(i);
    wire::CheckName(wire::kJobName, job_.name(), FieldPath("name"), violations_);
  }

  Violations& violations() { return violations_; }
  std::vector<std::string>& defaults_applied() { return defaults_applied_; }
  FeatureReader::Reading& reading() { return reading_; }
  // Something is wrong with the size of it.
  bool too_large() const { return too_large_; }

 private:
  void Range(int64_t value, int64_t least, int64_t most, const FieldPath& path) {
    if (value >= least && value <= most) return;
    violations_.Add(path, "is " + std::to_string(value) + "; " + std::to_string(least) + " to " +
                              std::to_string(most) + " is allowed");
  }

  bool HasBounds() const {
    return std::all_of(job_.groups().begin(), job_.groups().end(), [](const v1::TaskGroup& group) {
      return group.template_().payload().ByteSizeLong() <= kMostPayloadBytes;
    });
  }

  void FillIn(std::string& field, const char* name) {
    if (!field.empty()) return;
    field = "default";
    defaults_applied_.push_back(std::string(name) + "=default");
  }

  void DeclaredFeatures() {
    const FieldPath path("features");
    const v1::Features& said = job_.features();
    static constexpr std::string_view kClasses[] = {"", "cpu", "memory", "io", "network", "gpu"};
    if (std::find(std::begin(kClasses), std::end(kClasses), said.computation_class()) ==
        std::end(kClasses)) {
      violations_.Add(FieldPath(path, "computation_class"),
                      "must be cpu, memory, io, network or gpu");
    }
    if (said.has_duration_ms()) {
      Range(said.duration_ms(), 1, kMostTimeLimitMs, FieldPath(path, "duration_ms"));
    }
    Data(said.inputs(), path, "inputs");
    Data(said.outputs(), path, "outputs");
    if (said.models_size() > kMostData) {
      violations_.Add(FieldPath(path, "models"), "has " + std::to_string(said.models_size()) +
                                                     " entries; at most " +
                                                     std::to_string(kMostData) + " are allowed");
      return;
    }
    for (int i = 0; i < said.models_size(); ++i) {
      wire::CheckText(said.models(i), state::kMostDataNameBytes, FieldPath(path, "models", i),
                      violations_);
    }
  }

  void Data(const google::protobuf::RepeatedPtrField<v1::LocalData>& data, const FieldPath& path,
            const char* name) {
    if (data.size() > kMostData) {
      violations_.Add(FieldPath(path, name), "has " + std::to_string(data.size()) +
                                                 " entries; at most " + std::to_string(kMostData) +
                                                 " are allowed");
      return;
    }
    for (int i = 0; i < data.size(); ++i) {
      const FieldPath entry(path, name, i);
      if (data[i].name().empty()) violations_.Add(FieldPath(entry, "name"), "is required");
      wire::CheckText(data[i].name(), state::kMostDataNameBytes, FieldPath(entry, "name"),
                      violations_);
      Range(data[i].size_bytes(), 0, std::numeric_limits<int64_t>::max(),
            FieldPath(entry, "size_bytes"));
    }
  }

  void Texts() {
    wire::CheckLabels(job_.labels(), FieldPath::Root(), "labels", violations_);
    wire::CheckProse(job_.description(), kMostDescriptionBytes, FieldPath("description"),
                     violations_);
    if (job_.annotations_size() > wire::kMostLabels) {
      violations_.Add(FieldPath("annotations"),
                      "has " + std::to_string(job_.annotations_size()) + " entries; at most " +
                          std::to_string(wire::kMostLabels) + " are allowed");
      return;
    }
    for (const auto& [key, value] : job_.annotations()) {
      const FieldPath entry(FieldPath::Root(), "annotations", key);
      wire::CheckName(wire::kLabelKey, key, entry, violations_);
      wire::CheckProse(value, kMostAnnotationBytes, entry, violations_);
    }
  }

  void Group(int number) {
    v1::TaskGroup& group = *job_.mutable_groups(number);
    const FieldPath path(FieldPath::Root(), "groups", number);
    const std::string prefix = job_.groups_size() > 1 ? group.name() + "." : "";
    Range(group.retries(), 0, kMostRetries, FieldPath(path, "retries"));
    if (!v1::OnPartition_IsValid(group.on_partition())) {
      violations_.Add(FieldPath(path, "on_partition"), "is no value that this version knows");
    }
    if (group.on_partition() == v1::ON_PARTITION_UNSPECIFIED) {
      group.set_on_partition(v1::ON_PARTITION_KEEP);
    }
    Restarts(group, path);
    if (!group.has_template_()) {
      violations_.Add(FieldPath(path, "template"), "is required: it says what the tasks are");
      return;
    }
    Template(*group.mutable_template_(), FieldPath(path, "template"), prefix, number);
    MemoryRetry(group, FieldPath(path, "on_oom"));
    if (!group.has_array()) return;
    for (v1::IndexRange& range : *group.mutable_array()->mutable_ranges()) {
      if (range.step() == 0) range.set_step(1);
    }
  }

  void Restarts(v1::TaskGroup& group, const FieldPath& path) {
    if (!v1::RestartPolicy_IsValid(group.restart())) {
      violations_.Add(FieldPath(path, "restart"), "is no value that this version knows");
    }
    if (!group.service()) {
      if (group.restart() == v1::RESTART_POLICY_UNSPECIFIED) return;
      violations_.Add(FieldPath(path, "restart"),
                      "goes with a service only; what is no service has retries");
      return;
    }
    if (group.restart() == v1::RESTART_POLICY_UNSPECIFIED) {
      group.set_restart(v1::RESTART_POLICY_ALWAYS);
    }
    if (group.retries() != 0) {
      violations_.Add(FieldPath(path, "retries"),
                      "goes with what is no service: a service is started again however often");
    }
  }

  // REQUIRES: the template's resources are filled in.
  void MemoryRetry(v1::TaskGroup& group, const FieldPath& path) {
    if (!group.has_on_oom()) return;
    v1::MemoryRetry& retry = *group.mutable_on_oom();
    if (retry.factor_percent() == 0) retry.set_factor_percent(kDefaultMemoryFactor);
    Range(retry.factor_percent(), kLeastMemoryFactor, kMostMemoryFactor,
          FieldPath(path, "factor_percent"));
    const FieldPath limit(path, "limit_bytes");
    const int64_t memory = group.template_().resources().memory_bytes();
    Violations wrong;
    const auto quanta =
        wire::ToQuanta(retry.limit_bytes(), kMemoryQuantumBytes, wire::Rounding::kUp, limit, wrong);
    if (!quanta) {
      violations_.Add(limit, "is no amount of memory");
    } else if (retry.limit_bytes() <= memory) {
      violations_.Add(limit, "is " + base::FormatBytes(retry.limit_bytes()) +
                                 ", not above the memory that is asked for at first (" +
                                 base::FormatBytes(memory) + ")");
    } else {
      retry.set_limit_bytes(*quanta * kMemoryQuantumBytes);
    }
  }

  void Template(v1::TaskTemplate& task, const FieldPath& path, const std::string& prefix,
                int group) {
    if (static_cast<size_t>(group) < reading_.groups.size()) {
      FillFromFeatures(task, reading_.groups[static_cast<size_t>(group)],
                       job_.groups(group).on_oom().limit_bytes() != 0, prefix);
    }
    Resources(task, path, prefix);
    for (v1::DeviceRequest& device : *task.mutable_devices()) RoundUp(device);
    for (v1::Term& term : *task.mutable_terms()) FillIn(term);
    Range(task.time_limit_ms(), 0, kMostTimeLimitMs, FieldPath(path, "time_limit_ms"));
    if (!task.has_grace_ms()) {
      task.set_grace_ms(options_.grace_ms);
      defaults_applied_.push_back(
          prefix + "grace=" + base::FormatExactDuration(absl::Milliseconds(options_.grace_ms)));
    }
    Range(task.grace_ms(), 0, kMostGraceMs, FieldPath(path, "grace_ms"));
    Range(task.max_processes(), 0, kMostProcesses, FieldPath(path, "max_processes"));
    Isolation(task, path);
    if (task.has_health_check()) Check(task.health_check(), FieldPath(path, "health_check"));
    if (task.has_readiness_check()) {
      Check(task.readiness_check(), FieldPath(path, "readiness_check"));
    }
    Payload(task.payload(), FieldPath(path, "payload"));
  }

  void FillIn(v1::Term& term) const {
    if (term.kind() == v1::TERM_KIND_SPREAD && term.max_skew() == 0) term.set_max_skew(1);
    if (term.kind() == v1::TERM_KIND_NEAR) term.set_preferred(true);
    if (term.preferred() && term.weight() == 0) term.set_weight(1);
    if (term.selector().requirements_size() > 0 && term.namespaces_size() == 0) {
      term.add_namespaces(job_.namespace_());
    }
  }

  void Isolation(const v1::TaskTemplate& task, const FieldPath& path) {
    const int64_t cpu = task.resources().cpu_milli();
    const FieldPath limit(path, "cpu_limit_milli");
    if (task.cpu_limit_milli() != 0) {
      Range(task.cpu_limit_milli(), 1, kMaxQuanta, limit);
      if (task.cpu_limit_milli() < cpu) {
        violations_.Add(limit, "is " + base::FormatCpuMilli(task.cpu_limit_milli()) +
                                   ", below the " + base::FormatCpuMilli(cpu) +
                                   " that is reserved");
      }
    }
    const FieldPath placement(path, "cpu_placement");
    if (!v1::CpuPlacement_IsValid(task.cpu_placement())) {
      violations_.Add(placement, "is no value that this version knows");
    } else if (task.cpu_placement() > v1::CPU_PLACEMENT_SHARED) {
      if (cpu == 0 || cpu % 1000 != 0) {
        violations_.Add(placement, "asks for whole CPUs, and the task for " +
                                       base::FormatCpuMilli(cpu) + ": ask for a whole number");
      }
      if (task.cpu_limit_milli() != 0) {
        violations_.Add(limit, "does not go with CPUs of the task's own, which are its limit");
      }
    }
    Range(task.io_weight(), 0, kMostIoWeight, FieldPath(path, "io_weight"));
    if (!v1::NetworkMode_IsValid(task.network())) {
      violations_.Add(FieldPath(path, "network"), "is no value that this version knows");
    }
  }

  void Check(const v1::HealthCheck& check, const FieldPath& path) {
    switch (check.check_case()) {
      case v1::HealthCheck::kCommand:
        if (check.command().command().empty() || check.command().command(0).empty()) {
          violations_.Add(FieldPath(FieldPath(path, "command"), "command"),
                          "is empty; name the program to run");
        }
        for (int i = 0; i < check.command().command_size(); ++i) {
          Argument(check.command().command(i), FieldPath(FieldPath(path, "command"), "command", i));
        }
        break;
      case v1::HealthCheck::kTcpPort:
        Range(check.tcp_port(), 1, kMostPort, FieldPath(path, "tcp_port"));
        break;
      case v1::HealthCheck::kHttp: {
        const FieldPath http(path, "http");
        Range(check.http().port(), 1, kMostPort, FieldPath(http, "port"));
        const std::string& at = check.http().path();
        const bool is_plain =
            std::all_of(at.begin(), at.end(), [](char c) { return c > ' ' && c < 0x7f; });
        if (!at.empty() && (at[0] != '/' || at.size() > kMostPathBytes || !is_plain)) {
          violations_.Add(FieldPath(http, "path"),
                          "is no path of an HTTP request: it begins with / and has no blanks");
        }
        break;
      }
      case v1::HealthCheck::CHECK_NOT_SET:
        violations_.Add(path, "says nothing to check: give it a command, a tcp_port or http");
        break;
    }
    Range(check.initial_delay_ms(), 0, kMostCheckMs, FieldPath(path, "initial_delay_ms"));
    Range(check.period_ms(), 0, kMostCheckMs, FieldPath(path, "period_ms"));
    Range(check.timeout_ms(), 0, kMostCheckMs, FieldPath(path, "timeout_ms"));
    Range(check.failures(), 0, kMostCheckFailures, FieldPath(path, "failures"));
  }

  // What features say takes the place of a default, where nothing else of the job hangs on that.
  void FillFromFeatures(v1::TaskTemplate& task, const FeatureReader::Group& read,
                        bool has_memory_limit, const std::string& prefix) {
    v1::Resources& resources = *task.mutable_resources();
    const bool may_fill_cpu =
        task.cpu_limit_milli() == 0 && task.cpu_placement() <= v1::CPU_PLACEMENT_SHARED;
    if (!resources.has_cpu_milli() && read.cpu_milli > 0 && may_fill_cpu) {
      resources.set_cpu_milli(read.cpu_milli);
      defaults_applied_.push_back(prefix + "cpu=" + base::FormatCpuMilli(read.cpu_milli) + " (by " +
                                  read.cpu_from + ")");
    }
    if (!resources.has_memory_bytes() && read.memory_bytes > 0 && !has_memory_limit) {
      resources.set_memory_bytes(read.memory_bytes);
      defaults_applied_.push_back(prefix + "memory=" + base::FormatBytesExact(read.memory_bytes) +
                                  " (by " + read.memory_from + ")");
    }
  }

  void Resources(v1::TaskTemplate& task, const FieldPath& path, const std::string& prefix) {
    if (!task.resources().has_cpu_milli()) {
      defaults_applied_.push_back(prefix +
                                  "cpu=" + base::FormatCpuMilli(options_.defaults.cpu_milli));
    }
    if (!task.resources().has_memory_bytes()) {
      defaults_applied_.push_back(
          prefix + "memory=" + base::FormatBytesExact(options_.defaults.memory_bytes));
    }
    Violations wrong;
    const state::Amounts amounts = wire::RequestAmounts(task.resources(), options_.defaults,
                                                        FieldPath(path, "resources"), wrong);
    // The reader finds the same faults in amounts that were left as they are.
    if (wrong.empty()) *task.mutable_resources() = wire::ToResources(amounts);
  }

  static void RoundUp(v1::DeviceRequest& device) {
    Violations ignored;  // the reader finds the same
    const auto quanta = wire::ToQuanta(device.memory_bytes(), kMemoryQuantumBytes,
                                       wire::Rounding::kUp, FieldPath::Root(), ignored);
    if (device.has_memory_bytes() && quanta) {
      device.set_memory_bytes(*quanta * kMemoryQuantumBytes);
    }
  }

  void Payload(const v1::Payload& payload, const FieldPath& path) {
    if (const size_t bytes = payload.ByteSizeLong(); bytes > kMostPayloadBytes) {
      too_large_ = true;
      violations_.Add(path,
                      "is " + std::to_string(bytes) + " bytes long; at most " +
                          std::to_string(kMostPayloadBytes) +
                          " are allowed: put large inputs into files that the nodes can read");
      return;
    }
    Command(payload, path);
    if (payload.environment_size() > kMostVariables) {
      violations_.Add(FieldPath(path, "environment"),
                      "has " + std::to_string(payload.environment_size()) + " variables; at most " +
                          std::to_string(kMostVariables) + " are allowed");
      return;
    }
    for (const auto& [name, value] : payload.environment()) Variable(name, value, path);
    Image(payload, path);
    Input(payload, path);
    Files(payload, path);
    const std::string& directory = payload.working_directory();
    const FieldPath directory_path(path, "working_directory");
    if (directory.empty()) return;
    if (directory.size() > kMostPathBytes) {
      violations_.Add(directory_path, "is longer than a path may be");
    } else if (wire::CheckArgument(directory, directory_path, violations_) &&
               directory.front() != '/') {
      violations_.Add(directory_path, "\"" + directory +
                                          "\" is not absolute; a directory on the node starts "
                                          "with /");
    }
  }

  void Image(const v1::Payload& payload, const FieldPath& path) {
    const FieldPath image_path(path, "image");
    if (payload.image().size() > kMostPathBytes) {
      violations_.Add(image_path, "is longer than a path may be");
    } else {
      wire::CheckArgument(payload.image(), image_path, violations_);
    }
    if (payload.mounts_size() == 0) return;
    if (payload.image().empty()) {
      violations_.Add(
          FieldPath(path, "mounts"),
          "only go with an image: without one a task sees the node's files as they are");
      return;
    }
    if (payload.mounts_size() > kMostMounts) {
      violations_.Add(FieldPath(path, "mounts"), "are " + std::to_string(payload.mounts_size()) +
                                                     "; at most " + std::to_string(kMostMounts) +
                                                     " are allowed");
      return;
    }
    std::set<std::string> targets;
    for (int i = 0; i < payload.mounts_size(); ++i) {
      const v1::Mount& mount = payload.mounts(i);
      const FieldPath mount_path(path, "mounts", i);
      if (!MountPath(mount.source(), FieldPath(mount_path, "source"))) continue;
      const FieldPath target_path(mount_path, mount.target().empty() ? "source" : "target");
      const std::string& target = mount.target().empty() ? mount.source() : mount.target();
      if (!MountPath(target, target_path)) continue;
      for (const std::string_view reserved : {"/dev", "/proc", "/sys"}) {
        if (target == "/" || (target + "/").starts_with(std::string(reserved) + "/")) {
          violations_.Add(target_path, "\"" + target +
                                           "\" is the task's own: name a folder that is not in"
                                           " /dev, /proc or /sys");
          break;
        }
      }
      if (!targets.insert(target).second) {
        violations_.Add(target_path, "\"" + target + "\" is where another one is mounted");
      }
    }
  }

  void Input(const v1::Payload& payload, const FieldPath& path) {
    const FieldPath console_path(path, "console");
    if (!v1::Console_IsValid(payload.console())) {
      violations_.Add(console_path, "is not NONE, PIPE or TERMINAL");
    } else if (payload.console() > v1::CONSOLE_NONE && !payload.stdin_data().empty()) {
      violations_.Add(console_path, "does not go with stdin_data: a task has one standard input");
    }
    constexpr int32_t kMost = std::numeric_limits<uint16_t>::max();
    Range(payload.console_rows(), 0, kMost, FieldPath(path, "console_rows"));
    Range(payload.console_columns(), 0, kMost, FieldPath(path, "console_columns"));
  }

  void Files(const v1::Payload& payload, const FieldPath& path) {
    if (payload.files_size() > 0 && !payload.working_directory().empty()) {
      violations_.Add(FieldPath(path, "files"),
                      "does not go with working_directory: files are written into the task's own "
                      "scratch directory, in which it then works");
      return;
    }
    if (payload.files_size() > kMostFiles) {
      violations_.Add(FieldPath(path, "files"), "has " + std::to_string(payload.files_size()) +
                                                    " files; at most " +
                                                    std::to_string(kMostFiles) + " are allowed");
      return;
    }
    std::set<std::string_view> names;
    for (int i = 0; i < payload.files_size(); ++i) {
      const std::string& name = payload.files(i).name();
      const FieldPath file_path(path, "files", i);
      const FieldPath name_path(file_path, "name");
      if (name.empty() || name == "." || name == ".." || name.size() > kMostFileNameBytes ||
          name.find('/') != std::string::npos || name.find('\0') != std::string::npos) {
        violations_.Add(name_path,
                        "is no file name: one without a slash, of at most 255 bytes, is required");
      } else if (!names.insert(name).second) {
        violations_.Add(name_path, "\"" + name + "\" is another file's name, too");
      }
    }
  }

  bool MountPath(const std::string& text, const FieldPath& path) {
    if (text.size() > kMostPathBytes) {
      violations_.Add(path, "is longer than a path may be");
      return false;
    }
    if (!wire::CheckArgument(text, path, violations_)) return false;
    const std::string within = text + "/";
    if (text.empty() || text.front() != '/' || within.find("/../") != std::string::npos ||
        within.find("/./") != std::string::npos || within.find("//") != std::string::npos) {
      if (text != "/") {
        violations_.Add(path, "\"" + text +
                                  "\" is not an absolute path, without \".\", \"..\" and"
                                  " doubled or closing slashes");
        return false;
      }
    }
    return true;
  }

  void Command(const v1::Payload& payload, const FieldPath& path) {
    const bool has_script = !payload.script().empty();
    if (has_script && std::string_view(payload.script()).substr(0, 2) != "#!") {
      violations_.Add(FieldPath(path, "script"),
                      "does not start with #!; its first line names what runs it, as #!/bin/sh");
    }
    if (!has_script && payload.command_size() == 0 && payload.image().empty()) {
      violations_.Add(FieldPath(path, "command"), "is empty; say what to run");
    }
    for (int i = 0; i < payload.command_size(); ++i) {
      const std::string& argument = payload.command(i);
      const FieldPath argument_path(path, "command", i);
      if (i == 0 && !has_script && argument.empty()) {
        violations_.Add(argument_path, "is empty; the first word is the program to run");
      }
      Argument(argument, argument_path);
    }
  }

  void Argument(const std::string& argument, const FieldPath& path) {
    wire::CheckArgument(argument, path, violations_);
    if (argument.size() > kMostArgumentBytes) {
      violations_.Add(path, "is " + std::to_string(argument.size()) + " bytes long; Linux takes " +
                                std::to_string(kMostArgumentBytes) + " in one argument");
    }
  }

  void Variable(const std::string& name, const std::string& value, const FieldPath& path) {
    const FieldPath entry(path, "environment", name);
    if (!wire::CheckName(wire::kVariableName, name, entry, violations_)) return;
    if (name.starts_with("BERTH_")) {
      violations_.Add(entry, "is Berth's own: names that start with BERTH_ cannot be set");
    }
    wire::CheckArgument(value, entry, violations_);
    if (name.size() + 1 + value.size() > kMostArgumentBytes) {
      violations_.Add(entry, "is " + std::to_string(value.size()) + " bytes long; Linux takes " +
                                 std::to_string(kMostArgumentBytes) + " in one variable");
    }
  }

  // The first word of the first command, as far as a name may look like it.
  std::string DefaultName() const {
    if (job_.groups_size() == 0) return "job";
    const v1::Payload& payload = job_.groups(0).template_().payload();
    if (!payload.script().empty()) return "script";
    if (payload.command_size() == 0) return "job";
    const std::string& word = payload.command(0);
    std::string name = word.substr(word.rfind('/') + 1, 63);
    for (char& c : name) {
      if (!wire::kJobName.matches({&c, 1})) c = '_';
    }
    return name.empty() ? "job" : name;
  }

  const AdmissionOptions& options_;
  v1::JobSpec& job_;
  Violations violations_;
  std::vector<std::string> defaults_applied_;
  bool too_large_ = false;
  const std::string& user_;
  FeatureReader::Reading reading_;
};

}  // namespace

std::variant<AdmittedJob, wire::Refusal> Admit(v1::JobSpec job, const AdmissionOptions& options,
                                               const std::string& user) {
  Normaliser normaliser(options, job, user);
  normaliser.Run();
  Violations& violations = normaliser.violations();
  bool too_large = normaliser.too_large();

  auto spec = std::make_shared<state::JobSpec>(ReadJobSpec(job, violations));
  if (!violations.any_invalid() && spec->task_count() > kMostTasks) {
    too_large = true;
    violations.Add(FieldPath("groups"),
                   "have " + std::to_string(spec->task_count()) + " tasks together; at most " +
                       std::to_string(kMostTasks) + " are allowed in a job: submit several");
  }
  std::string blob;
  if (violations.empty()) {
    blob = wire::DeterministicBytes(job);
    if (static_cast<int64_t>(blob.size()) > options.most_job_bytes) {
      too_large = true;
      violations.Add(FieldPath::Root(), "the job is " + std::to_string(blob.size()) +
                                            " bytes long; at most " +
                                            std::to_string(options.most_job_bytes) +
                                            " are allowed (limits.job in berthd.yaml)");
    }
  }
  if (!violations.empty()) {
    wire::Refusal refusal = wire::RefusalOf(violations);
    if (too_large) refusal.reason = Reason::kJobTooLarge;
    return refusal;
  }
  spec->blob = base::Sha256Of(blob);
  AdmittedJob admitted{.spec = std::move(spec),
                       .blob = std::make_shared<const std::string>(std::move(blob)),
                       .defaults_applied = std::move(normaliser.defaults_applied()),
                       .features = {},
                       .warnings = std::move(normaliser.reading().warnings)};
  for (FeatureReader::Group& group : normaliser.reading().groups) {
    admitted.features.push_back(std::move(group.features));
  }
  return admitted;
}

}  // namespace berth::api
