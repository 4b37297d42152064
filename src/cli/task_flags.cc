#include "cli/task_flags.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <string_view>
#include <utility>

#include "base/did_you_mean.h"
#include "base/quantities.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cli/names.h"
#include "jobfile/array_spec.h"
#include "jobfile/job_yaml.h"

namespace berth::cli {
namespace {

absl::Status OfFlag(const char* flag, const absl::Status& status) {
  return absl::InvalidArgumentError(std::string(flag) + ": " + base::S(status.message()));
}

absl::Status Refuse(const char* flag, const std::string& why) {
  return absl::InvalidArgumentError(std::string(flag) + ": " + why);
}

// Parses `text` when it was given, and calls `set` with the result.
template <typename Parse, typename Set>
absl::Status Apply(const char* flag, const std::string& text, Parse parse, Set set) {
  if (text.empty()) return absl::OkStatus();
  auto parsed = parse(text);
  if (!parsed.ok()) return OfFlag(flag, parsed.status());
  set(*std::move(parsed));
  return absl::OkStatus();
}

auto Count(int64_t least, int64_t most) {
  return [=](const std::string& text) { return base::ParseCount(text, least, most); };
}

// "key=value".
absl::StatusOr<std::pair<std::string, std::string>> KeyValue(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return absl::InvalidArgumentError("\"" + text + "\": write KEY=VALUE");
  }
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

template <typename Map>
absl::Status AddAll(const char* flag, const std::vector<std::string>& given, Map& map) {
  for (const std::string& text : given) {
    const auto pair = KeyValue(text);
    if (!pair.ok()) return OfFlag(flag, pair.status());
    map[pair->first] = pair->second;
  }
  return absl::OkStatus();
}

absl::Status AddEnvironment(const std::vector<std::string>& given, const Process& process,
                            v1::Payload& payload) {
  for (const std::string& text : given) {
    if (text.find('=') != std::string::npos) {
      BERTH_RETURN_IF_ERROR(AddAll("--env", {text}, *payload.mutable_environment()));
      continue;
    }
    const std::optional<std::string> value = process.environment(text);
    if (!value) {
      return Refuse("--env",
                    "\"" + text + "\" is not set here: set it, or write " + text + "=VALUE");
    }
    (*payload.mutable_environment())[text] = *value;
  }
  return absl::OkStatus();
}

// key[=value][:effect]; "*" for every key.
absl::StatusOr<v1::Toleration> ParseToleration(const std::string& text) {
  v1::Toleration toleration;
  std::string rest = text;
  if (const std::size_t colon = rest.rfind(':'); colon != std::string::npos) {
    const std::string name = rest.substr(colon + 1);
    const auto effect = TaintEffectOf(name);
    constexpr std::string_view kEffects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute"};
    if (!effect) {
      return absl::InvalidArgumentError(
          "\"" + name + "\" is no effect: write NoSchedule, PreferNoSchedule or NoExecute" +
          base::DidYouMean(name, kEffects));
    }
    toleration.set_effect(*effect);
    rest.resize(colon);
  }
  if (const std::size_t equals = rest.find('='); equals != std::string::npos) {
    toleration.set_value(rest.substr(equals + 1));
    rest.resize(equals);
  }
  if (rest.empty()) {
    return absl::InvalidArgumentError("\"" + text +
                                      "\" has no key: write KEY[=VALUE][:EFFECT], or * for every "
                                      "key");
  }
  if (rest != "*") toleration.set_key(rest);
  return toleration;
}

// [model:]count
absl::Status AddGpus(const TaskFlags& flags, v1::TaskTemplate& task) {
  if (flags.gpus.empty() && flags.gpu_share.empty() && flags.gpu_memory.empty()) {
    return absl::OkStatus();
  }
  v1::DeviceRequest request;
  request.set_kind("gpu");
  request.set_count(1);
  if (!flags.gpus.empty()) {
    std::string count = flags.gpus;
    if (const std::size_t colon = count.rfind(':'); colon != std::string::npos) {
      if (colon == 0) return Refuse("--gpus", "\"" + flags.gpus + "\" has no model before ':'");
      request.add_models(count.substr(0, colon));
      count.erase(0, colon + 1);
    }
    const auto parsed = base::ParseCount(count, 1, 1024);
    if (!parsed.ok()) return OfFlag("--gpus", parsed.status());
    request.set_count(static_cast<int32_t>(*parsed));
  }
  if (!flags.gpu_share.empty()) {
    const auto share = base::ParseCpuMilli(flags.gpu_share);
    if (!share.ok() || *share < 1 || *share > 1000) {
      return Refuse("--gpu-share", "\"" + flags.gpu_share +
                                       "\" is no share: write a part of one GPU, as 0.5 or 500m");
    }
    if (request.count() != 1) {
      return Refuse("--gpu-share", "goes with one GPU only, not with --gpus " + flags.gpus);
    }
    request.set_share_milli(static_cast<int32_t>(*share));
  }
  BERTH_RETURN_IF_ERROR(Apply("--gpu-memory", flags.gpu_memory, base::ParseBytes,
                              [&](int64_t bytes) { request.set_memory_bytes(bytes); }));
  *task.add_devices() = std::move(request);
  return absl::OkStatus();
}

absl::Status ApplyJobFlags(const TaskFlags& flags, const Invocation& invocation, v1::JobSpec& job) {
  if (!flags.name.empty()) job.set_name(flags.name);
  if (!flags.queue.empty()) job.set_queue(flags.queue);
  if (!flags.profile.empty()) job.set_profile(flags.profile);
  if (!flags.description.empty()) job.set_description(flags.description);
  if (!invocation.flags().name_space.empty()) job.set_namespace_(invocation.flags().name_space);
  BERTH_RETURN_IF_ERROR(
      Apply("--priority", flags.priority, Count(-1000, 1000),
            [&](int64_t priority) { job.set_priority(static_cast<int32_t>(priority)); }));
  return AddAll("--label", flags.labels, *job.mutable_labels());
}

absl::Status ApplyTaskFlags(const TaskFlags& flags, v1::TaskTemplate& task) {
  v1::Resources& resources = *task.mutable_resources();
  BERTH_RETURN_IF_ERROR(Apply("--cpu", flags.cpu, base::ParseCpuMilli,
                              [&](int64_t milli) { resources.set_cpu_milli(milli); }));
  BERTH_RETURN_IF_ERROR(Apply("--memory", flags.memory, base::ParseBytes,
                              [&](int64_t bytes) { resources.set_memory_bytes(bytes); }));
  if (resources.has_memory_bytes() && resources.memory_bytes() == 0) {
    return Refuse("--memory", "0 is too little to run in");
  }
  BERTH_RETURN_IF_ERROR(Apply("--storage", flags.storage, base::ParseBytes,
                              [&](int64_t bytes) { resources.set_storage_bytes(bytes); }));
  BERTH_RETURN_IF_ERROR(AddGpus(flags, task));
  BERTH_RETURN_IF_ERROR(Apply(
      "--time-limit", flags.time_limit, base::ParseDuration,
      [&](absl::Duration limit) { task.set_time_limit_ms(absl::ToInt64Milliseconds(limit)); }));
  BERTH_RETURN_IF_ERROR(
      Apply("--grace", flags.grace, base::ParseDuration,
            [&](absl::Duration grace) { task.set_grace_ms(absl::ToInt64Milliseconds(grace)); }));
  if (task.grace_ms() > absl::ToInt64Milliseconds(absl::Hours(1))) {
    return Refuse("--grace", "\"" + flags.grace + "\" is too long: at most 1h");
  }
  constexpr int64_t kMostProcesses = std::numeric_limits<int32_t>::max();
  BERTH_RETURN_IF_ERROR(
      Apply("--max-processes", flags.max_processes, Count(1, kMostProcesses),
            [&](int64_t most) { task.set_max_processes(static_cast<int32_t>(most)); }));
  BERTH_RETURN_IF_ERROR(
      AddAll("--node-selector", flags.node_selector, *task.mutable_node_selector()));
  for (const std::string& text : flags.tolerations) {
    const auto toleration = ParseToleration(text);
    if (!toleration.ok()) return OfFlag("--tolerate", toleration.status());
    *task.add_tolerations() = *toleration;
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::JobSpec> JobFromCommand(const TaskFlags& flags, Invocation& invocation) {
  const std::vector<std::string>& command = *invocation.command();
  if (command.empty() || command[0].empty()) {
    return absl::InvalidArgumentError(
        "no command after \"--\": write the program to run there, as "
        "in: berth run -- python3 train.py");
  }
  v1::JobSpec job;
  v1::TaskGroup& group = *job.add_groups();
  v1::TaskTemplate& task = *group.mutable_template_();
  for (const std::string& word : command) task.mutable_payload()->add_command(word);
  BERTH_RETURN_IF_ERROR(ApplyTaskFlags(flags, task));
  BERTH_RETURN_IF_ERROR(
      AddEnvironment(flags.environment, invocation.process(), *task.mutable_payload()));
  if (flags.workdir.empty()) {
    BERTH_ASSIGN_OR_RETURN(const std::string here, invocation.process().working_directory());
    task.mutable_payload()->set_working_directory(here);
  } else if (flags.workdir[0] != '/') {
    return Refuse("--workdir", "\"" + flags.workdir + "\" is not an absolute path");
  } else {
    task.mutable_payload()->set_working_directory(flags.workdir);
  }
  if (!flags.array.empty()) {
    const auto array = jobfile::ParseArraySpec(flags.array);
    if (!array.ok()) return absl::InvalidArgumentError("--" + base::S(array.status().message()));
    *group.mutable_array() = *array;
  }
  BERTH_RETURN_IF_ERROR(Apply("--retries", flags.retries, Count(0, 100), [&](int64_t retries) {
    group.set_retries(static_cast<int32_t>(retries));
  }));
  if (flags.on_partition == "keep") {
    group.set_on_partition(v1::ON_PARTITION_KEEP);
  } else if (flags.on_partition == "kill") {
    group.set_on_partition(v1::ON_PARTITION_KILL);
  } else if (!flags.on_partition.empty()) {
    return Refuse("--on-partition",
                  "\"" + flags.on_partition + "\" is neither \"keep\" nor \"kill\"");
  }
  return job;
}

// The flag of a task that was given together with a file, or "".
std::string TaskFlagGiven(const TaskFlags& flags) {
  const std::pair<const char*, bool> given[] = {{"--cpu", !flags.cpu.empty()},
                                                {"--memory", !flags.memory.empty()},
                                                {"--storage", !flags.storage.empty()},
                                                {"--gpus", !flags.gpus.empty()},
                                                {"--gpu-share", !flags.gpu_share.empty()},
                                                {"--gpu-memory", !flags.gpu_memory.empty()},
                                                {"--array", !flags.array.empty()},
                                                {"--time-limit", !flags.time_limit.empty()},
                                                {"--grace", !flags.grace.empty()},
                                                {"--retries", !flags.retries.empty()},
                                                {"--on-partition", !flags.on_partition.empty()},
                                                {"--max-processes", !flags.max_processes.empty()},
                                                {"--workdir", !flags.workdir.empty()},
                                                {"--env", !flags.environment.empty()},
                                                {"--node-selector", !flags.node_selector.empty()},
                                                {"--tolerate", !flags.tolerations.empty()}};
  for (const auto& [name, is_given] : given) {
    if (is_given) return name;
  }
  return "";
}

absl::StatusOr<v1::JobSpec> JobFromFile(const TaskFlags& flags, Invocation& invocation) {
  if (invocation.command()) {
    return absl::InvalidArgumentError("both a job file (" + flags.file +
                                      ") and a command after \"--\": give one of them");
  }
  if (const std::string flag = TaskFlagGiven(flags); !flag.empty()) {
    return absl::InvalidArgumentError(flag + " does not go with a job file: write it into " +
                                      flags.file);
  }
  const bool from_stdin = flags.file == "-";
  // One byte more than is read, so that the reader can say that there is more.
  constexpr std::size_t kMost = jobfile::kMaxJobFileBytes + 1;
  absl::StatusOr<std::string> text =
      from_stdin ? invocation.process().read_stdin(kMost) : base::ReadSmallFile(flags.file, kMost);
  if (!text.ok()) {
    // A file is a part of the command line here: not found is a wrong argument, not a wrong answer.
    return absl::InvalidArgumentError(base::S(text.status().message()));
  }
  return jobfile::ParseJobYaml(*text, from_stdin ? "standard input" : flags.file);
}

}  // namespace

void AddTaskFlags(CLI::App& app, TaskFlags& flags) {
  const auto text = [&](const char* name, std::string& target, const char* help,
                        const char* value) {
    app.add_option(name, target, help)->type_name(value);
  };
  const auto list = [&](const char* name, std::vector<std::string>& target, const char* help,
                        const char* value) {
    app.add_option(name, target, help)->type_name(value)->allow_extra_args(false);
  };
  text("-f,--file", flags.file, "Job file (YAML); - reads standard input", "FILE");
  text("--name", flags.name, "Name of the job, for people", "NAME");
  text("--queue", flags.queue, "Queue that it waits in", "NAME");
  text("--profile", flags.profile, "Profile that places it", "NAME");
  text("--priority", flags.priority, "Higher is placed first; -1000 to 1000", "N");
  text("--description", flags.description, "What it is about, in your words", "TEXT");
  list("--label", flags.labels, "Label of the job; may be repeated", "K=V");
  text("--cpu", flags.cpu, "Cores a task: 2, 0.5, 500m", "AMOUNT");
  text("--memory", flags.memory, "Memory a task, a hard limit: 512Mi, 2Gi", "AMOUNT");
  text("--storage", flags.storage, "Scratch storage a task: 10Gi", "AMOUNT");
  text("--gpus", flags.gpus, "GPUs a task, optionally of one model: 2, A100-SXM4-80GB:2",
       "[MODEL:]N");
  text("--gpu-share", flags.gpu_share, "Part of one GPU: 0.5", "SHARE");
  text("--gpu-memory", flags.gpu_memory,
       "Least memory of each GPU; with --gpu-share, what is taken", "AMOUNT");
  text("--array", flags.array, "Tasks with these indices: 0-99, 1,3,5-8, 0-10:2", "RANGES");
  text("--time-limit", flags.time_limit, "Stop a task that runs longer: 10m, 2h, HH:MM:SS",
       "DURATION");
  text("--grace", flags.grace, "Between SIGTERM and SIGKILL: 30s", "DURATION");
  text("--retries", flags.retries, "Further attempts after a failure; 0 to 100", "N");
  text("--on-partition", flags.on_partition,
       "What a node that is cut off does with a task: keep (default) or kill", "WHAT");
  text("--max-processes", flags.max_processes, "Most processes and threads of a task", "N");
  text("--workdir", flags.workdir, "Directory on the node; the current one by default", "DIR");
  list("--env", flags.environment, "Environment of the tasks; K alone takes it from here", "K[=V]");
  list("--node-selector", flags.node_selector, "Label that the node must have; may be repeated",
       "K=V");
  list("--tolerate", flags.tolerations, "Taint that a task may meet; may be repeated",
       "K[=V][:EFFECT]");
  text("--request-id", flags.request_id, "Makes it safe to repeat this very submission", "ID");
}

absl::StatusOr<v1::JobSpec> BuildJob(const TaskFlags& flags, Invocation& invocation) {
  if (flags.file.empty() && !invocation.command()) {
    return absl::InvalidArgumentError(
        "nothing to run: write a command after \"--\", as in: berth "
        "run -- python3 train.py, or name a job file with -f FILE");
  }
  BERTH_ASSIGN_OR_RETURN(v1::JobSpec job, flags.file.empty() ? JobFromCommand(flags, invocation)
                                                             : JobFromFile(flags, invocation));
  BERTH_RETURN_IF_ERROR(ApplyJobFlags(flags, invocation, job));
  return job;
}

}  // namespace berth::cli
