#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agentd/attempt_store.h"
#include "agentd/channels/command_process.h"
#include "agentd/checks/task_checks.h"
#include "agentd/drivers/driver.h"
#include "agentd/event_loop.h"
#include "base/clock.h"

namespace berth::agentd {

// Commands of the node's own beside tasks, as `berth exec` runs them: under a shim each.
//
// One that writes more than kMostWritten is killed: it would keep the loop busy with reading for as
// long as it may take.
//
// Threading: the loop's thread. Cost: a file read and a posix_spawn(3) each.
class BesideCommands final : public TaskCommands {
 public:
  static constexpr int64_t kMostWritten = 1 << 20;

  struct Parts {
    EventLoop& loop;
    const base::Clock& clock;
    const AttemptStore& store;
    std::string shim_program;
    // As CommandServer::Guest: keeps the attempt's cgroup its own; null: it does not run.
    std::function<std::shared_ptr<void>(const AttemptKey& key)> guest_of;
    // Puts why a command could not be started into words.
    std::function<CannotStart(const shim::StatusRecord& start, const std::string& spec)> explain;
  };

  explicit BesideCommands(Parts parts);
  ~BesideCommands() override;

  uint64_t Run(const AttemptKey& key, const std::vector<std::string>& arguments, int64_t timeout_ms,
               CommandRunner::Done done) override;
  void Cancel(uint64_t id) override;

 private:
  struct Running;

  [[nodiscard]] std::string Start(Running& running, const AttemptKey& key,
                                  const std::vector<std::string>& arguments);
  void TakeOutput(Running& running, bool is_error, const std::string& data);
  // Nothing of it is left.
  void OnExit(uint64_t id, const shim::StatusRecord* end);
  void EndIfOver(uint64_t id);

  const Parts parts_;
  uint64_t next_id_ = 1;
  std::map<uint64_t, std::unique_ptr<Running>> running_;
};

}  // namespace berth::agentd
