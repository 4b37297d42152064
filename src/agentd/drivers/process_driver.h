#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "agentd/cgroups/cgroups.h"
#include "agentd/drivers/user_directory.h"
#include "berth/v1/agent.pb.h"
#include "shim/task_spec.h"

namespace berth::agentd {

// Why an attempt cannot run here, for berthd and for people.
struct CannotStart {
  v1::ReasonCode reason = v1::REASON_CODE_DRIVER_ERROR;
  std::string message;
};

// Turns a StartTask into what a shim runs as a plain process of the node, and a shim's errors into
// reasons.
//
// Pure but for Explain(), which looks at the files in question.
//
// Threading: one thread. Errors: CannotStart.
class ProcessDriver {
 public:
  // What the node adds to a task, and allows.
  struct Node {
    std::string name;
    bool allow_root = false;
    uint32_t agent_uid = 0;
    uint32_t agent_gid = 0;
    std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    std::string lang = "C.UTF-8";
    uint64_t open_files_soft = 0;  // the soft limit that tasks get; 0: the agent's own
    std::string lease_path;        // absolute; empty: no task can be fenced here
  };

  // Whom a task runs as.
  struct Identity {
    uint32_t uid = 0;
    uint32_t gid = 0;
    bool becomes = false;  // the shim has to change to it
  };

  // Where an attempt's files are.
  struct Paths {
    std::string output;
    std::string error;
    std::string script;
    std::string scratch;
  };

  // Ready but for its cgroup.
  struct Prepared {
    shim::TaskSpec spec;
    TaskLimits limits;
    bool needs_scratch = false;  // its working directory is paths.scratch
    bool needs_script = false;   // payload.script is to be written to paths.script
  };

  explicit ProcessDriver(Node node) : node_(std::move(node)) {}

  // The node's devices, from now on.
  void SetDevices(const v1::NodeInventory& inventory);

  // Whether the node runs this task at all, and as whom.
  [[nodiscard]] std::variant<Identity, CannotStart> Admit(const v1::StartTask& start) const;

  // REQUIRES: `identity` is from Admit(), and `user` is that user's record.
  [[nodiscard]] std::variant<Prepared, CannotStart> Prepare(const v1::StartTask& start,
                                                            const Identity& identity,
                                                            const UserRecord& user,
                                                            const Paths& paths) const;

  // Puts a shim's "could not start" into words. `spec_file`: the bytes of the attempt's spec.
  [[nodiscard]] CannotStart Explain(const shim::StatusRecord& start,
                                    std::string_view spec_file) const;

 private:
  [[nodiscard]] CannotStart Refuse(v1::ReasonCode reason, std::string message) const;
  [[nodiscard]] std::map<std::string, std::string> Environment(const v1::StartTask& start,
                                                               const UserRecord& user) const;
  void AddDevices(const v1::StartTask& start,
                  std::map<std::string, std::string>& environment) const;
  [[nodiscard]] CannotStart ExplainProgram(const shim::StatusRecord& start, std::string program,
                                           const std::string& directory,
                                           const std::string& path) const;

  const Node node_;
  std::map<std::string, std::string> device_kinds_;  // by Device.id
};

// Fills in what the cgroup brings.
void AddCgroup(const TaskCgroup& cgroup, shim::TaskSpec& spec);

}  // namespace berth::agentd
