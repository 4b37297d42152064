#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agentd/agent_event.h"
#include "agentd/attempt_key.h"
#include "agentd/checks/port_probe.h"
#include "agentd/commands/command_runner.h"
#include "agentd/event_loop.h"
#include "base/clock.h"
#include "berth/v1/agent.pb.h"

namespace berth::agentd {

// Runs commands beside running attempts: as their users, in their directories, within their limits.
//
// Threading: the loop's thread.
class TaskCommands {
 public:
  virtual ~TaskCommands() = default;
  // As CommandRunner::Run() and Cancel().
  virtual uint64_t Run(const AttemptKey& key, const std::vector<std::string>& arguments,
                       int64_t timeout_ms, CommandRunner::Done done) = 0;
  virtual void Cancel(uint64_t id) = 0;
};

// Asks running attempts how they are, as their health and readiness checks say, and tells what
// changes: TaskCondemned when a health check has failed for good, TaskReadiness.
//
// Threading: the loop's thread. Nothing blocks. Cost: what the checks cost; nothing in between.
class TaskChecks {
 public:
  using Report = std::function<void(Event)>;

  // All outlive it.
  TaskChecks(EventLoop& loop, const base::Clock& clock, TaskCommands& commands, Report report);
  TaskChecks(const TaskChecks&) = delete;
  TaskChecks& operator=(const TaskChecks&) = delete;
  ~TaskChecks();

  // Begins, or begins anew. `network_namespace`: of the attempt; empty: the node's.
  void Watch(const AttemptKey& key, const v1::StartTask& start,
             const std::string& network_namespace);
  void Unwatch(const AttemptKey& key);

 private:
  class Check;

  EventLoop& loop_;
  const base::Clock& clock_;
  TaskCommands& commands_;
  const Report report_;
  std::multimap<AttemptKey, std::unique_ptr<Check>> checks_;
};

}  // namespace berth::agentd
