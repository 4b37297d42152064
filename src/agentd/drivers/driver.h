#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>

#include "agentd/cgroups/cgroups.h"
#include "agentd/drivers/user_directory.h"
#include "berth/v1/agent.pb.h"
#include "shim/shim_protocol.h"
#include "shim/task_spec.h"

namespace berth::agentd {

// Why an attempt cannot run here, for berthd and for people.
struct CannotStart {
  v1::ReasonCode reason = v1::REASON_CODE_DRIVER_ERROR;
  std::string message;
};

// Whom a task runs as.
struct TaskIdentity {
  uint32_t uid = 0;
  uint32_t gid = 0;
  bool becomes = false;  // the shim has to change to it
};

// Where an attempt's files are.
struct AttemptPaths {
  std::string output;
  std::string error;
  std::string input;
  std::string script;
  std::string scratch;
  std::string bundle;  // of a container
};

// Ready but for its cgroup.
struct PreparedTask {
  shim::TaskSpec spec;
  TaskLimits limits;
  bool needs_scratch = false;  // paths.scratch is to be made
  bool needs_script = false;   // payload.script is to be written to paths.script
  bool needs_input = false;    // payload.stdin_data is to be written to paths.input
};

// What a driver makes a PreparedTask of.
struct AttemptToPrepare {
  const v1::StartTask& start;
  TaskIdentity identity;  // from Admit()
  const UserRecord& user;
  AttemptPaths paths;
};

// A way in which tasks run on a node: it turns a StartTask into what a shim runs, and a shim's
// "could not start" into a reason. The shim does the rest, for all of them alike: limits, output,
// stops, time limits, the end.
//
// Threading: one thread, on which answers come too. Errors: CannotStart.
class Driver {
 public:
  using PreparedAnswer = std::function<void(std::variant<PreparedTask, CannotStart>)>;

  Driver() = default;
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;
  virtual ~Driver() = default;

  // Whether the node runs this task at all, and as whom.
  [[nodiscard]] virtual std::variant<TaskIdentity, CannotStart> Admit(
      const v1::StartTask& start) const = 0;

  // Answers before it returns, or later when there is something to get first. What `attempt` refers
  // to need not outlive the call.
  virtual void Prepare(const AttemptToPrepare& attempt, PreparedAnswer answer) = 0;

  // Puts a shim's "could not start" into words. `spec_file`: the bytes of the attempt's spec. May
  // look at the files in question.
  [[nodiscard]] virtual CannotStart Explain(const shim::StatusRecord& start,
                                            std::string_view spec_file) const = 0;
};

}  // namespace berth::agentd
