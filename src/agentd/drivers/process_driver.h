#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "agentd/cgroups/cgroups.h"
#include "agentd/drivers/driver.h"
#include "agentd/drivers/user_directory.h"
#include "berth/v1/agent.pb.h"
#include "shim/task_spec.h"

namespace berth::agentd {

// Turns a StartTask into what a shim runs as a plain process of the node, and a shim's errors into
// reasons. What it says of a task's rights, environment and limits holds for every driver.
//
// Pure but for Explain(), which looks at the files in question.
//
// Threading: one thread; Explain() from any. Errors: CannotStart.
class ProcessDriver final : public Driver {
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

  using Identity = TaskIdentity;
  using Prepared = PreparedTask;

  explicit ProcessDriver(Node node) : node_(std::move(node)) {}

  // The node's devices, from now on.
  void SetDevices(const v1::NodeInventory& inventory);

  [[nodiscard]] std::variant<Identity, CannotStart> Admit(
      const v1::StartTask& start) const override;
  void Prepare(const AttemptToPrepare& attempt, PreparedAnswer answer) override;

  // The answer itself. REQUIRES: `identity` is from Admit(), and `user` is that user's record.
  [[nodiscard]] std::variant<Prepared, CannotStart> Prepare(const v1::StartTask& start,
                                                            const Identity& identity,
                                                            const UserRecord& user,
                                                            const AttemptPaths& paths) const;

  [[nodiscard]] CannotStart Explain(const shim::StatusRecord& start,
                                    std::string_view spec_file) const override;

  [[nodiscard]] const Node& node() const { return node_; }
  // Of the devices that the node has: "gpu", ...; empty for one that it does not have.
  [[nodiscard]] std::string DeviceKind(const std::string& id) const;

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
  bool devices_known_ = false;
  std::map<std::string, std::string> device_kinds_;  // by Device.id
};

// Fills in what the cgroup brings.
void AddCgroup(const TaskCgroup& cgroup, shim::TaskSpec& spec);

}  // namespace berth::agentd
