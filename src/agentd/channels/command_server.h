#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "agentd/attempt_key.h"
#include "agentd/attempt_store.h"
#include "agentd/channels/channel_hub.h"
#include "agentd/channels/exec_server.h"
#include "agentd/drivers/process_driver.h"
#include "berth/v1/agent.pb.h"
#include "shim/shim_protocol.h"
#include "shim/task_spec.h"

namespace berth::agentd {

// Serves what runs beside attempts: commands, and work on their files. Each runs under a shim of
// its own and ends with its channel; a command ends with its task, too.
//
// Threading: any one thread calls; it works on the hub's. Errors: told in the channel's last
// message.
class CommandServer {
 public:
  struct Parts {
    const AttemptStore& store;
    ChannelHub& hub;  // is stopped before it goes
    std::string node_name;
    std::string shim_program;
    std::string files_program;
    // Puts why a command could not be started into words.
    std::function<CannotStart(const shim::StatusRecord& start, const std::string& spec)> explain;
  };
  // What keeps a running attempt's cgroup from being another's while a command may be in it, until
  // the last copy is gone; null: the attempt does not run.
  using Guest = std::shared_ptr<void>;

  explicit CommandServer(Parts parts);
  CommandServer(const CommandServer&) = delete;
  CommandServer& operator=(const CommandServer&) = delete;
  ~CommandServer();

  void OpenExec(v1::OpenData request, Guest guest);
  // Also of an attempt that has ended, while its scratch directory is there. `live`: it has not.
  void OpenFiles(v1::OpenData request, bool live);

  // The attempt has ended: so do the commands beside it.
  void Ended(const AttemptKey& key);

 private:
  std::variant<shim::TaskSpec, CannotStart> PrepareFiles(
      const AttemptKey& key, bool live, const std::vector<std::string>& arguments) const;

  const Parts parts_;
  std::set<ExecServer*> execs_;  // the hub's thread's
};

}  // namespace berth::agentd
