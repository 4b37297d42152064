#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>

#include "agentd/channels/command_process.h"
#include "agentd/channels/data_call.h"
#include "agentd/drivers/process_driver.h"
#include "files/file_header.h"
#include "shim/task_spec.h"

namespace berth::agentd {

// Serves ReadPath and WritePath: berth-files does the work as the task's user, and this hands on
// the bytes.
//
// Threading: the hub's thread.
class FilesServer final : public ChannelServer {
 public:
  struct Work {
    bool writes = false;
    std::string node_name;  // for errors
    std::string shim_program;
    // berth-files, as whom and where; CannotStart is the answer.
    std::function<std::variant<shim::TaskSpec, CannotStart>()> prepare;
    // Puts why it could not be started into words.
    std::function<CannotStart(const shim::StatusRecord& start, const std::string& spec)> explain;
  };

  FilesServer(DataCall& call, Work work);

  void Begin() override;
  void OnRoom() override { Step(); }
  void OnFrame(v1::DataFromDaemon frame) override;
  void OnGone() override { process_.Kill(); }
  [[nodiscard]] bool done() const override { return process_.gone(); }

 private:
  void Refuse(const CannotStart& why);
  void OnStart(const shim::StatusRecord& start);
  void OnOutput(bool is_error, std::string data);
  void OnRoomForInput();
  void OnExit(const shim::StatusRecord* end);
  // Takes the header off what was read.
  void TakeHeader();
  void Conclude();
  void Step();

  DataCall& call_;
  const Work work_;
  CommandProcess process_;
  bool open_to_tell_ = false;
  bool has_header_ = false;
  bool header_to_tell_ = false;
  files::FileHeader header_;
  std::string unsent_;
  std::string error_text_;
  bool end_after_room_ = false;
  bool over_ = false;
  bool concluded_ = false;
  int exit_code_ = 0;
  v1::DataFromAgent last_;
  bool last_sent_ = false;
};

}  // namespace berth::agentd
