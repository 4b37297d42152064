#include "api/admission.h"

#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "api/job_spec_reader.h"
#include "api/unhonoured_fields.h"
#include "base/quantities.h"
#include "base/sha256.h"
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
constexpr size_t kMostPathBytes = 4095;
// Linux takes at most 32 pages as one argument or one variable of the environment.
constexpr size_t kMostArgumentBytes = (128 << 10) - 1;
constexpr int kMostVariables = 1024;
constexpr int32_t kMostPriority = 1000;
constexpr int32_t kMostRetries = 100;
constexpr int64_t kMostGraceMs = 3600 * int64_t{1000};
constexpr int64_t kMostTimeLimitMs = int64_t{36'500} * 24 * 3600 * 1000;
constexpr int32_t kMostProcesses = 1 << 22;  // the kernel's own limit

// Checks one job and fills it in, in place.
class Normaliser {
 public:
  Normaliser(const AdmissionOptions& options, v1::JobSpec& job) : options_(options), job_(job) {}

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
    Range(job_.priority(), -kMostPriority, kMostPriority, FieldPath("priority"));
    // Too many are refused by the reader, without a look at each.
    const int groups = job_.groups_size() > kMostGroups ? 0 : job_.groups_size();
    for (int i = 0; i < groups; ++i) Group(i);
    if (job_.name().empty()) job_.set_name(DefaultName());
    wire::CheckName(wire::kJobName, job_.name(), FieldPath("name"), violations_);
  }

  Violations& violations() { return violations_; }
  std::vector<std::string>& defaults_applied() { return defaults_applied_; }
  // Something is wrong with the size of it.
  bool too_large() const { return too_large_; }

 private:
  void Range(int64_t value, int64_t least, int64_t most, const FieldPath& path) {
    if (value >= least && value <= most) return;
    violations_.Add(path, "is " + std::to_string(value) + "; " + std::to_string(least) + " to " +
                              std::to_string(most) + " is allowed");
  }

  void FillIn(std::string& field, const char* name) {
    if (!field.empty()) return;
    field = "default";
    defaults_applied_.push_back(std::string(name) + "=default");
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
    if (!group.has_template_()) {
      violations_.Add(FieldPath(path, "template"), "is required: it says what the tasks are");
      return;
    }
    Template(*group.mutable_template_(), FieldPath(path, "template"), prefix);
    if (!group.has_array()) return;
    for (v1::IndexRange& range : *group.mutable_array()->mutable_ranges()) {
      if (range.step() == 0) range.set_step(1);
    }
  }

  void Template(v1::TaskTemplate& task, const FieldPath& path, const std::string& prefix) {
    Resources(task, path, prefix);
    for (v1::DeviceRequest& device : *task.mutable_devices()) RoundUp(device);
    Range(task.time_limit_ms(), 0, kMostTimeLimitMs, FieldPath(path, "time_limit_ms"));
    if (!task.has_grace_ms()) {
      task.set_grace_ms(options_.grace_ms);
      defaults_applied_.push_back(
          prefix + "grace=" + base::FormatExactDuration(absl::Milliseconds(options_.grace_ms)));
    }
    Range(task.grace_ms(), 0, kMostGraceMs, FieldPath(path, "grace_ms"));
    Range(task.max_processes(), 0, kMostProcesses, FieldPath(path, "max_processes"));
    Payload(task.payload(), FieldPath(path, "payload"));
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

  void Command(const v1::Payload& payload, const FieldPath& path) {
    const bool has_script = !payload.script().empty();
    if (has_script && std::string_view(payload.script()).substr(0, 2) != "#!") {
      violations_.Add(FieldPath(path, "script"),
                      "does not start with #!; its first line names what runs it, as #!/bin/sh");
    }
    if (!has_script && payload.command_size() == 0) {
      violations_.Add(FieldPath(path, "command"), "is empty; say what to run");
    }
    for (int i = 0; i < payload.command_size(); ++i) {
      const std::string& argument = payload.command(i);
      const FieldPath argument_path(path, "command", i);
      if (i == 0 && !has_script && argument.empty()) {
        violations_.Add(argument_path, "is empty; the first word is the program to run");
      }
      wire::CheckArgument(argument, argument_path, violations_);
      if (argument.size() > kMostArgumentBytes) {
        violations_.Add(argument_path, "is " + std::to_string(argument.size()) +
                                           " bytes long; Linux takes " +
                                           std::to_string(kMostArgumentBytes) + " in one argument");
      }
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
};

}  // namespace

std::variant<AdmittedJob, wire::Refusal> Admit(v1::JobSpec job, const AdmissionOptions& options) {
  Normaliser normaliser(options, job);
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
  spec->blob = base::Sha256Hex(blob);
  return AdmittedJob{.spec = std::move(spec),
                     .blob = std::make_shared<const std::string>(std::move(blob)),
                     .defaults_applied = std::move(normaliser.defaults_applied())};
}

}  // namespace berth::api
