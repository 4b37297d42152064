#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agentd/drivers/process_driver.h"
#include "agentd/drivers/spec_file.h"
#include "berth/v1/agent.pb.h"
#include "shim/task_spec.h"

namespace berth::agentd {

// What runs beside a task, in its container if it has one. It is known from the attempt's files,
// also to an agent that has just come back.
//
// Threading: pure.

// `start`: the attempt's record of it, of a task that runs.
//
// A command: the task's user, directory, environment and cgroups, and no limit of its own.
shim::TaskSpec CommandBeside(const shim::SpecView& task, const shim::StatusRecord& start,
                             const v1::ExecCommand& command);

// Work on files: the task's user and directory, outside its cgroups: a task at its memory limit can
// still be copied from. The program is the node's own, and static.
shim::TaskSpec FileWorkBeside(const shim::SpecView& task, const shim::StatusRecord& start,
                              std::vector<std::string> arguments);
// The same for a task that has ended and whose scratch directory, which is its user's, is still
// there.
shim::TaskSpec FileWorkAfter(const std::string& scratch, uint32_t uid, uint32_t gid,
                             std::vector<std::string> arguments);

}  // namespace berth::agentd
