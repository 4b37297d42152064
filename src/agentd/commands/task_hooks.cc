#include "agentd/commands/task_hooks.h"

#include <cstdlib>
#include <utility>

#include "base/logging.h"

namespace berth::agentd {

TaskHooks::TaskHooks(CommandRunner& commands, config::HookConfig prolog, config::HookConfig epilog)
    : commands_(commands), prolog_(std::move(prolog)), epilog_(std::move(epilog)) {}

Command TaskHooks::CommandOf(const config::HookConfig& hook, const v1::StartTask& start) const {
  Command command;
  command.arguments = hook.command;
  command.timeout_ms = hook.timeout_ms;
  const char* path = std::getenv("PATH");
  const std::pair<const char*, std::string> variables[] = {
      {"PATH", path != nullptr ? path : "/usr/sbin:/usr/bin:/sbin:/bin"},
      {"BERTH_JOB_ID", std::to_string(start.key().job_id())},
      {"BERTH_JOB_NAME", start.job_name()},
      {"BERTH_NAMESPACE", start.namespace_()},
      {"BERTH_TASK_ID", start.task_id()},
      {"BERTH_ATTEMPT", std::to_string(start.key().attempt())},
      {"BERTH_UID", start.run_as().verified() ? std::to_string(start.run_as().uid()) : ""},
      {"BERTH_GID", start.run_as().verified() ? std::to_string(start.run_as().gid()) : ""},
  };
  for (const auto& [name, value] : variables) {
    command.environment.push_back(std::string(name) + "=" + value);
  }
  std::string devices;
  for (const std::string& id : start.device_ids()) devices += (devices.empty() ? "" : ",") + id;
  command.environment.push_back("BERTH_DEVICES=" + devices);
  return command;
}

uint64_t TaskHooks::Before(const v1::StartTask& start,
                           std::function<void(std::string fault)> done) {
  return commands_.Run(CommandOf(prolog_, start), [this,
                                                   done = std::move(done)](CommandResult result) {
    done(result.good() ? "" : "the node's prolog, " + prolog_.command[0] + ", " + Describe(result));
  });
}

void TaskHooks::After(const v1::StartTask& start, std::function<void()> done) {
  commands_.Run(CommandOf(epilog_, start),
                [this, task = start.task_id(), done = std::move(done)](CommandResult result) {
                  if (!result.good()) {
                    BERTH_LOG_WARN("task {}: the node's epilog, {}, {}", task, epilog_.command[0],
                                   Describe(result));
                  }
                  done();
                });
}

}  // namespace berth::agentd
