#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "agentd/commands/command_runner.h"
#include "berth/v1/agent.pb.h"
#include "config/agent_config.h"

namespace berth::agentd {

// What the node runs before each attempt and after it, as agent.yaml says: as the agent's own user,
// with BERTH_ variables that say for whom. A hook may run twice for one attempt, when the agent was
// restarted meanwhile; an epilog then comes before the second prolog.
//
// Threading: the loop's thread.
class TaskHooks {
 public:
  // `commands` outlives it.
  TaskHooks(CommandRunner& commands, config::HookConfig prolog, config::HookConfig epilog);

  [[nodiscard]] bool has_prolog() const { return !prolog_.command.empty(); }
  [[nodiscard]] bool has_epilog() const { return !epilog_.command.empty(); }

  // Empty `fault`: the task may start. Returns what CancelBefore() takes. REQUIRES: has_prolog().
  uint64_t Before(const v1::StartTask& start, std::function<void(std::string fault)> done);
  // Kills it if it still runs; its `done` is not called.
  void CancelBefore(uint64_t id) { commands_.Cancel(id); }
  // A fault is logged. REQUIRES: has_epilog().
  void After(const v1::StartTask& start, std::function<void()> done);

 private:
  [[nodiscard]] Command CommandOf(const config::HookConfig& hook, const v1::StartTask& start) const;

  CommandRunner& commands_;
  const config::HookConfig prolog_;
  const config::HookConfig epilog_;
};

}  // namespace berth::agentd
