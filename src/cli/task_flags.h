#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "berth/v1/types.pb.h"
#include "cli/invocation.h"

namespace CLI {
class App;
}

namespace berth::cli {

// The flags by which `run` and `submit` describe a job, as they were typed.
struct TaskFlags {
  std::string file;
  std::string request_id;

  // Of the job: also allowed with a file, whose values they replace.
  std::string name;
  std::string queue;
  std::string profile;
  std::string priority;
  std::string description;
  std::vector<std::string> labels;

  // Of its tasks: only without a file.
  std::string cpu;
  std::string memory;
  std::string storage;
  std::string bandwidth;
  std::string gpus;
  std::string gpu_share;
  std::string gpu_memory;
  std::string tpus;
  std::string array;
  std::string time_limit;
  std::string grace;
  std::string retries;
  std::string on_partition;
  bool service = false;
  std::string restart;
  std::string on_oom;
  std::string cpu_limit;
  std::string cpu_placement;
  std::string io_weight;
  std::string network;
  std::string max_processes;
  std::string workdir;
  std::string image;
  std::vector<std::string> mounts;
  bool pty = false;
  bool interactive = false;
  std::string stdin_file;
  std::vector<std::string> uploads;
  std::vector<std::string> environment;
  std::vector<std::string> node_selector;
  std::vector<std::string> tolerations;
  std::vector<std::string> spread;
  std::vector<std::string> apart;
  std::vector<std::string> together;
  std::vector<std::string> near;
};

// Adds the flags to a command. `flags` outlives it.
void AddTaskFlags(CLI::App& app, TaskFlags& flags);

// The job file that stands without a flag, of a verb that takes one. InvalidArgument: there is
// another with -f, or nothing that says what the job is.
absl::Status TakeJobFile(const std::string& verb, const std::string& file, Invocation& invocation,
                         TaskFlags& flags);

// The job that the flags and the words after "--", or the file, describe. InvalidArgument names the
// flag, or the place in the file, that is wrong.
absl::StatusOr<v1::JobSpec> BuildJob(const TaskFlags& flags, Invocation& invocation);

}  // namespace berth::cli
