#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "agentd/attempt_key.h"
#include "agentd/channels/command_process.h"
#include "agentd/channels/data_call.h"
#include "agentd/drivers/process_driver.h"
#include "shim/task_spec.h"

namespace berth::agentd {

// Serves ExecCommand: a command beside a task, with its input, output and exit code.
//
// Threading: the hub's thread.
class ExecServer final : public ChannelServer {
 public:
  struct Work {
    AttemptKey key;
    std::string shim_program;
    // What is to be run; an error is the answer. How a driver's tasks are entered is its own
    // affair.
    std::function<std::variant<shim::TaskSpec, CannotStart>()> prepare;
    // Puts why it could not be started into words.
    std::function<CannotStart(const shim::StatusRecord& start, const std::string& spec)> explain;
    // Held until nothing of it is left.
    std::shared_ptr<void> guest;
  };

  // `on_gone`: it is about to go.
  ExecServer(DataCall& call, Work work, std::function<void(ExecServer&)> on_gone);
  ~ExecServer() override;

  [[nodiscard]] const AttemptKey& key() const { return work_.key; }
  // The task has ended.
  void Kill() { process_.Kill(); }

  void Begin() override;
  void OnRoom() override { Step(); }
  void OnFrame(v1::DataFromDaemon frame) override;
  void OnGone() override { process_.Kill(); }
  [[nodiscard]] bool done() const override { return process_.gone(); }

 private:
  void Refuse(const CannotStart& why);
  void OnStart(const shim::StatusRecord& start);
  void OnExit(const shim::StatusRecord* end);
  void Step();

  DataCall& call_;
  const Work work_;
  const std::function<void(ExecServer&)> on_gone_;
  CommandProcess process_;
  bool open_to_tell_ = false;
  std::array<std::string, 2> unsent_;  // a piece of output and one of error at most
  bool error_first_ = false;           // in turns
  bool end_after_room_ = false;        // of its input
  bool over_ = false;                  // it has ended, or could not be started
  v1::DataFromAgent last_;             // how
  bool last_sent_ = false;
};

}  // namespace berth::agentd
