#include "cli/task_flags.h"

#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/did_you_mean.h"
#include "base/quantities.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "berth/resources.h"
#include "cli/names.h"
#include "cli/raw_terminal.h"
#include "jobfile/array_spec.h"
#include "jobfile/job_yaml.h"

namespace berth::cli {
namespace {

// Position + 1 = number on the wire.
constexpr std::array<std::string_view, 2> kOnPartition = {"keep", "kill"};
constexpr std::array<std::string_view, 2> kRestart = {"always", "onFailure"};
constexpr std::array<std::string_view, 3> kCpuPlacements = {"shared", "dedicated", "numa"};
constexpr std::array<std::string_view, 2> kNetworks = {"host", "isolated"};

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

// Rules between the tasks of the group.
absl::Status ApplyTerms(const TaskFlags& flags, v1::TaskTemplate& task) {
  const auto add = [&](const char* flag, v1::TermKind kind, const std::string& key) {
    if (key.empty()) return Refuse(flag, "is empty: name a label of nodes, such as zone or host");
    v1::Term& term = *task.add_terms();
    term.set_kind(kind);
    term.set_topology_key(key);
    return absl::OkStatus();
  };
  for (const std::string& text : flags.spread) {
    const std::size_t colon = text.rfind(':');
    BERTH_RETURN_IF_ERROR(add("--spread", v1::TERM_KIND_SPREAD, text.substr(0, colon)));
    if (colon == std::string::npos) continue;
    BERTH_RETURN_IF_ERROR(
        Apply("--spread", text.substr(colon + 1), Count(1, 1'000'000), [&](int64_t skew) {
          task.mutable_terms()->rbegin()->set_max_skew(static_cast<int32_t>(skew));
        }));
  }
  for (const std::string& key : flags.apart) {
    BERTH_RETURN_IF_ERROR(add("--apart", v1::TERM_KIND_ANTI_AFFINITY, key));
  }
  for (const std::string& key : flags.together) {
    BERTH_RETURN_IF_ERROR(add("--together", v1::TERM_KIND_AFFINITY, key));
  }
  for (const std::string& text : flags.near) {
    // Names of data may have colons themselves.
    const std::size_t colon = text.find(':');
    BERTH_RETURN_IF_ERROR(add("--near", v1::TERM_KIND_NEAR, text.substr(0, colon)));
    if (colon == std::string::npos) continue;
    if (colon + 1 == text.size()) {
      return Refuse("--near", "\"" + text + "\" names no data: write KEY:NAME, or KEY alone");
    }
    task.mutable_terms()->rbegin()->set_data(text.substr(colon + 1));
  }
  return absl::OkStatus();
}

// The number on the wire of one of `names`, whose first is 1.
template <std::size_t N>
auto OneOf(const std::array<std::string_view, N>& names) {
  return [&names](const std::string& text) -> absl::StatusOr<int> {
    std::string all;
    for (std::size_t i = 0; i < N; ++i) {
      if (names[i] == text) return static_cast<int>(i) + 1;
      all += (i == 0 ? "" : i + 1 < N ? ", " : " or ") + std::string(names[i]);
    }
    return absl::InvalidArgumentError("\"" + text + "\" is none of them: write " + all +
                                      base::DidYouMean(text, names));
  };
}

// [factor:]limit
absl::StatusOr<v1::MemoryRetry> ParseMemoryRetry(const std::string& text) {
  v1::MemoryRetry retry;
  std::string limit = text;
  if (const std::size_t colon = limit.find(':'); colon != std::string::npos) {
    // A factor is written as amounts of CPU are: 1.5.
    const auto milli = base::ParseCpuMilli(limit.substr(0, colon));
    if (!milli.ok() || *milli < 1010 || *milli > 10'000) {
      return absl::InvalidArgumentError("\"" + limit.substr(0, colon) +
                                        "\" is no factor between 1.01 and 10: write "
                                        "[FACTOR:]LIMIT, as 64Gi or 2:64Gi");
    }
    retry.set_factor_percent(static_cast<int32_t>(*milli / 10));
    limit.erase(0, colon + 1);
  }
  BERTH_ASSIGN_OR_RETURN(const int64_t bytes, base::ParseBytes(limit));
  retry.set_limit_bytes(bytes);
  return retry;
}

// A whole payload may have 1 MiB; what leaves room for the rest of it.
constexpr std::size_t kMostPayloadBytes = std::size_t{1} << 20;

absl::Status TooLarge(const char* flag, const std::string& file, std::size_t bytes) {
  return Refuse(flag,
                file + " has " + (bytes > kMostPayloadBytes ? "more than " : "") +
                    base::FormatBytes(static_cast<int64_t>(std::min(bytes, kMostPayloadBytes))) +
                    ", and a submission carries 1Mi with all that belongs to it: put it where "
                    "the node finds it, or send it when the task runs, with 'berth cp'");
}

absl::StatusOr<std::string> ReadPart(const char* flag, const std::string& file) {
  auto text = base::ReadSmallFile(file, kMostPayloadBytes + 1);
  if (absl::IsOutOfRange(text.status())) return TooLarge(flag, file, kMostPayloadBytes + 1);
  // A file is a part of the command line here: not found is a wrong argument, not a wrong answer.
  if (!text.ok()) return Refuse(flag, base::S(text.status().message()));
  if (text->size() > kMostPayloadBytes) return TooLarge(flag, file, text->size());
  return text;
}

// What the tasks read: a terminal, what is typed, or a file.
absl::Status AddInput(const TaskFlags& flags, const Process& process, v1::Payload& payload) {
  if (int{flags.pty} + int{flags.interactive} + int{!flags.stdin_file.empty()} > 1) {
    return absl::InvalidArgumentError(
        "--pty, --interactive and --stdin: give one of them; a task has one standard input");
  }
  if (flags.interactive) payload.set_console(v1::CONSOLE_PIPE);
  if (flags.pty) {
    payload.set_console(v1::CONSOLE_TERMINAL);
    if (const auto size = SizeOfTerminal(process.stdin_fd)) {
      payload.set_console_rows(size->rows);
      payload.set_console_columns(size->columns);
    }
    const std::optional<std::string> term = process.environment("TERM");
    if (term && !term->empty() && !payload.environment().contains("TERM")) {
      (*payload.mutable_environment())["TERM"] = *term;
    }
  }
  if (flags.stdin_file.empty()) return absl::OkStatus();
  if (flags.stdin_file != "-") {
    BERTH_ASSIGN_OR_RETURN(std::string bytes, ReadPart("--stdin", flags.stdin_file));
    payload.set_stdin_data(std::move(bytes));
    return absl::OkStatus();
  }
  BERTH_ASSIGN_OR_RETURN(std::string bytes, process.read_stdin(kMostPayloadBytes + 1));
  if (bytes.size() > kMostPayloadBytes) return TooLarge("--stdin", "standard input", bytes.size());
  payload.set_stdin_data(std::move(bytes));
  return absl::OkStatus();
}

absl::Status AddUploads(const TaskFlags& flags, v1::Payload& payload) {
  std::size_t total = payload.stdin_data().size();
  for (const std::string& path : flags.uploads) {
    v1::PayloadFile& file = *payload.add_files();
    BERTH_ASSIGN_OR_RETURN(std::string bytes, ReadPart("--upload", path));
    total += bytes.size();
    if (total > kMostPayloadBytes)
      return TooLarge("--upload", path + ", with what is before it,", total);
    file.set_name(path.substr(path.rfind('/') + 1));
    for (int i = 0; i + 1 < payload.files_size(); ++i) {
      if (payload.files(i).name() == file.name()) {
        return Refuse("--upload",
                      "two files are called " + file.name() + ": they would be one there");
      }
    }
    file.set_executable(access(path.c_str(), X_OK) == 0);
    file.set_data(std::move(bytes));
  }
  return absl::OkStatus();
}

// [model:]count, of which the model goes to the request.
absl::StatusOr<std::string> TakeModel(const char* flag, const std::string& value,
                                      v1::DeviceRequest& request) {
  const std::size_t colon = value.rfind(':');
  if (colon == std::string::npos) return value;
  if (colon == 0) return Refuse(flag, "\"" + value + "\" has no model before ':'");
  request.add_models(value.substr(0, colon));
  return value.substr(colon + 1);
}

// [model:]count, or [model:]2x2x1: a box.
absl::Status AddTpus(const TaskFlags& flags, v1::TaskTemplate& task) {
  if (flags.tpus.empty()) return absl::OkStatus();
  v1::DeviceRequest request;
  request.set_kind("tpu");
  BERTH_ASSIGN_OR_RETURN(const std::string chips, TakeModel("--tpus", flags.tpus, request));
  const bool is_box = chips.find('x') != std::string::npos;
  int64_t count = 1;
  std::size_t axes = 0;
  for (std::size_t at = 0; at <= chips.size(); ++axes) {
    const std::size_t end = std::min(chips.find('x', at), chips.size());
    const auto extent =
        base::ParseCount(chips.substr(at, end - at), 1, is_box ? kMaxTorusExtent : 1024);
    if (!extent.ok()) return OfFlag("--tpus", extent.status());
    if (axes == kTorusAxes) return Refuse("--tpus", "a torus has at most 3 axes");
    count *= *extent;
    if (is_box) request.add_box(static_cast<int32_t>(*extent));
    at = end + 1;
  }
  if (count > 1024) return Refuse("--tpus", "at most 1024 chips a task are allowed");
  request.set_count(static_cast<int32_t>(count));
  *task.add_devices() = std::move(request);
  return absl::OkStatus();
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
    BERTH_ASSIGN_OR_RETURN(const std::string count, TakeModel("--gpus", flags.gpus, request));
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
  BERTH_RETURN_IF_ERROR(Apply("--bandwidth", flags.bandwidth, base::ParseBitsPerSecond,
                              [&](int64_t bits) { resources.set_bandwidth_bits_per_s(bits); }));
  BERTH_RETURN_IF_ERROR(AddGpus(flags, task));
  BERTH_RETURN_IF_ERROR(AddTpus(flags, task));
  BERTH_RETURN_IF_ERROR(Apply("--cpu-limit", flags.cpu_limit, base::ParseCpuMilli,
                              [&](int64_t milli) { task.set_cpu_limit_milli(milli); }));
  BERTH_RETURN_IF_ERROR(
      Apply("--cpu-placement", flags.cpu_placement, OneOf(kCpuPlacements),
            [&](int which) { task.set_cpu_placement(static_cast<v1::CpuPlacement>(which)); }));
  BERTH_RETURN_IF_ERROR(Apply("--io-weight", flags.io_weight, Count(1, 1000), [&](int64_t weight) {
    task.set_io_weight(static_cast<int32_t>(weight));
  }));
  BERTH_RETURN_IF_ERROR(Apply("--network", flags.network, OneOf(kNetworks), [&](int mode) {
    task.set_network(static_cast<v1::NetworkMode>(mode));
  }));
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
  return ApplyTerms(flags, task);
}

// SRC[:DST][:ro]
absl::Status AddMount(const std::string& text, v1::Payload& payload) {
  v1::Mount& mount = *payload.add_mounts();
  std::string rest = text;
  const auto ends_with = [&](std::string_view end) {
    if (!rest.ends_with(end)) return false;
    rest.resize(rest.size() - end.size());
    return true;
  };
  if (ends_with(":ro")) {
    mount.set_read_only(true);
  } else {
    ends_with(":rw");
  }
  const std::size_t colon = rest.find(':');
  mount.set_source(rest.substr(0, colon));
  if (colon != std::string::npos) mount.set_target(rest.substr(colon + 1));
  const bool absolute = mount.source().starts_with('/') &&
                        (colon == std::string::npos || mount.target().starts_with('/'));
  if (absolute && mount.target().find(':') == std::string::npos) return absl::OkStatus();
  return Refuse("--mount", "\"" + text +
                               "\" is not SOURCE[:TARGET][:ro] with absolute paths, as"
                               " /data/sets:/data:ro");
}

absl::StatusOr<v1::JobSpec> JobFromCommand(const TaskFlags& flags, Invocation& invocation) {
  // An image may say itself what to run.
  static const std::vector<std::string> kNoCommand;
  const std::vector<std::string>& command =
      invocation.command() ? *invocation.command() : kNoCommand;
  const bool given = invocation.command() || flags.image.empty();
  if (given && (command.empty() || command[0].empty())) {
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
  BERTH_RETURN_IF_ERROR(AddInput(flags, invocation.process(), *task.mutable_payload()));
  BERTH_RETURN_IF_ERROR(AddUploads(flags, *task.mutable_payload()));
  if (!flags.uploads.empty()) {
    if (!flags.workdir.empty()) {
      return Refuse("--upload",
                    "does not go with --workdir: files are written into the task's own scratch "
                    "directory, in which it then works");
    }
  }
  task.mutable_payload()->set_image(flags.image);
  for (const std::string& mount : flags.mounts) {
    BERTH_RETURN_IF_ERROR(AddMount(mount, *task.mutable_payload()));
  }
  if (!flags.uploads.empty() || (flags.workdir.empty() && !flags.image.empty())) {
    // The task's scratch directory, or the image's: this one is not in the image.
  } else if (flags.workdir.empty()) {
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
  BERTH_RETURN_IF_ERROR(
      Apply("--on-partition", flags.on_partition, OneOf(kOnPartition),
            [&](int what) { group.set_on_partition(static_cast<v1::OnPartition>(what)); }));
  group.set_service(flags.service);
  BERTH_RETURN_IF_ERROR(Apply("--restart", flags.restart, OneOf(kRestart), [&](int policy) {
    group.set_restart(static_cast<v1::RestartPolicy>(policy));
  }));
  if (group.restart() != v1::RESTART_POLICY_UNSPECIFIED && !flags.service) {
    return Refuse("--restart", "goes with --service; without it there is --retries");
  }
  BERTH_RETURN_IF_ERROR(Apply("--on-oom", flags.on_oom, ParseMemoryRetry,
                              [&](v1::MemoryRetry retry) { *group.mutable_on_oom() = retry; }));
  return job;
}

// The flag of a task that was given together with a file, or "".
std::string TaskFlagGiven(const TaskFlags& flags) {
  const std::pair<const char*, bool> given[] = {{"--cpu", !flags.cpu.empty()},
                                                {"--memory", !flags.memory.empty()},
                                                {"--storage", !flags.storage.empty()},
                                                {"--bandwidth", !flags.bandwidth.empty()},
                                                {"--cpu-limit", !flags.cpu_limit.empty()},
                                                {"--cpu-placement", !flags.cpu_placement.empty()},
                                                {"--io-weight", !flags.io_weight.empty()},
                                                {"--network", !flags.network.empty()},
                                                {"--service", flags.service},
                                                {"--restart", !flags.restart.empty()},
                                                {"--on-oom", !flags.on_oom.empty()},
                                                {"--gpus", !flags.gpus.empty()},
                                                {"--gpu-share", !flags.gpu_share.empty()},
                                                {"--gpu-memory", !flags.gpu_memory.empty()},
                                                {"--tpus", !flags.tpus.empty()},
                                                {"--array", !flags.array.empty()},
                                                {"--time-limit", !flags.time_limit.empty()},
                                                {"--grace", !flags.grace.empty()},
                                                {"--retries", !flags.retries.empty()},
                                                {"--on-partition", !flags.on_partition.empty()},
                                                {"--max-processes", !flags.max_processes.empty()},
                                                {"--workdir", !flags.workdir.empty()},
                                                {"--image", !flags.image.empty()},
                                                {"--mount", !flags.mounts.empty()},
                                                {"--pty", flags.pty},
                                                {"--interactive", flags.interactive},
                                                {"--stdin", !flags.stdin_file.empty()},
                                                {"--upload", !flags.uploads.empty()},
                                                {"--env", !flags.environment.empty()},
                                                {"--node-selector", !flags.node_selector.empty()},
                                                {"--tolerate", !flags.tolerations.empty()},
                                                {"--spread", !flags.spread.empty()},
                                                {"--apart", !flags.apart.empty()},
                                                {"--together", !flags.together.empty()},
                                                {"--near", !flags.near.empty()}};
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
  text("--bandwidth", flags.bandwidth, "Network bandwidth a task: 1Gbit, 100Mbit", "AMOUNT");
  text("--gpus", flags.gpus, "GPUs a task, optionally of one model: 2, A100-SXM4-80GB:2",
       "[MODEL:]N");
  text("--gpu-share", flags.gpu_share, "Part of one GPU: 0.5", "SHARE");
  text("--gpu-memory", flags.gpu_memory,
       "Least memory of each GPU; with --gpu-share, what is taken", "AMOUNT");
  text("--tpus", flags.tpus,
       "TPU chips a task, optionally of one model, or a box of their torus: 4, v5e:4, v4:2x2x1",
       "[MODEL:]N|AxB");
  text("--array", flags.array, "Tasks with these indices: 0-99, 1,3,5-8, 0-10:2", "RANGES");
  text("--time-limit", flags.time_limit, "Stop a task that runs longer: 10m, 2h, HH:MM:SS",
       "DURATION");
  text("--grace", flags.grace, "Between SIGTERM and SIGKILL: 30s", "DURATION");
  text("--retries", flags.retries, "Further attempts after a failure; 0 to 100", "N");
  text("--on-partition", flags.on_partition,
       "What a node that is cut off does with a task: keep (default) or kill", "WHAT");
  app.add_flag("--service", flags.service,
               "Runs until cancelled: started again after each end, with growing pauses");
  text("--restart", flags.restart, "After which ends a service is: always (default) or onFailure",
       "WHEN");
  text(
      "--on-oom", flags.on_oom,
      "After an end at the memory limit, try again with 1.5 (or FACTOR) times as much, up to LIMIT",
      "[FACTOR:]LIMIT");
  text("--cpu-limit", flags.cpu_limit, "Most CPU at once; else what is idle is free for all",
       "AMOUNT");
  text("--cpu-placement", flags.cpu_placement,
       "CPUs: shared (default), dedicated (whole, its own), numa (those, of one NUMA node)",
       "WHICH");
  text("--io-weight", flags.io_weight, "Share of busy disks; 1 to 1000, 100 by default", "N");
  text("--network", flags.network,
       "host (default), or isolated: its own, ending at the node, with --bandwidth enforced",
       "MODE");
  text("--max-processes", flags.max_processes, "Most processes and threads of a task", "N");
  text("--workdir", flags.workdir,
       "Directory on the node; the current one by default, with --image the image's", "DIR");
  text("--image", flags.image,
       "Root file system: a directory on the node, an OCI layout there, or a registry's image",
       "IMAGE");
  list("--mount", flags.mounts,
       "With --image: folder or file of the node that the task sees; may be repeated",
       "SRC[:DST][:ro]");
  app.add_flag("--pty", flags.pty, "With a terminal of the task's own; see 'berth attach'");
  app.add_flag("-i,--interactive", flags.interactive,
               "The task reads what is typed here, until its end");
  text("--stdin", flags.stdin_file, "The task reads this file, at most 1Mi; - is standard input",
       "FILE");
  list("--upload", flags.uploads,
       "Written into the task's scratch directory, in which it works; may be repeated", "FILE");
  list("--env", flags.environment, "Environment of the tasks; K alone takes it from here", "K[=V]");
  list("--node-selector", flags.node_selector, "Label that the node must have; may be repeated",
       "K=V");
  list("--tolerate", flags.tolerations, "Taint that a task may meet; may be repeated",
       "K[=V][:EFFECT]");
  list("--spread", flags.spread,
       "The tasks go evenly over the values of this label of nodes, at most SKEW (1) apart; may be "
       "repeated",
       "KEY[:SKEW]");
  list("--apart", flags.apart,
       "No two of the tasks on nodes with one value of this label; may be repeated", "KEY");
  list("--together", flags.together,
       "All tasks on nodes with one value of this label; may be repeated", "KEY");
  list("--near", flags.near,
       "Rather where round trips to the other tasks, or to this data set or model, are short, by "
       "the values of this label (rack, zone); may be repeated",
       "KEY[:DATA]");
  text("--request-id", flags.request_id, "Makes it safe to repeat this very submission", "ID");
}

absl::Status TakeJobFile(const std::string& verb, const std::string& file, Invocation& invocation,
                         TaskFlags& flags) {
  if (!file.empty() && !flags.file.empty()) {
    return absl::InvalidArgumentError("two job files, " + file + " and " + flags.file +
                                      ": give one");
  }
  if (!file.empty()) flags.file = file;
  if (!flags.file.empty() || invocation.command() || !flags.image.empty()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("nothing to " + verb + ": name a job file, as in: berth " +
                                    verb + " job.yaml, or write a command after \"--\"");
}

absl::StatusOr<v1::JobSpec> BuildJob(const TaskFlags& flags, Invocation& invocation) {
  if (flags.file.empty() && !invocation.command() && flags.image.empty()) {
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
