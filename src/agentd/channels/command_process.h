#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "agentd/channels/fd_pump.h"
#include "agentd/drivers/driver.h"
#include "agentd/event_loop.h"
#include "base/unique_fd.h"
#include "shim/shim_protocol.h"
#include "shim/task_spec.h"

namespace berth::agentd {

// A command that runs beside a task under a shim of its own, from Start() until everything that it
// began has ended. The shim ends it all when Kill() is called, and when the agent dies.
//
// Threading: the loop's. Errors: Start()'s name what could not be made; later ones are records.
class CommandProcess {
 public:
  struct Callbacks {
    // It runs, or why it could not be started; then on_exit follows.
    std::function<void(const shim::StatusRecord& start)> on_start;
    // A piece of what it wrote, or the end of that. With a terminal all of it is output.
    std::function<void(bool is_error, std::string data)> on_output;
    std::function<void()> on_output_end;
    // What was typed last has been taken.
    std::function<void()> on_room;
    // Nothing of it is left. `end`: null when its shim did not say how it ended.
    std::function<void(const shim::StatusRecord* end)> on_exit;
  };

  CommandProcess(EventLoop& loop, Callbacks callbacks);
  CommandProcess(const CommandProcess&) = delete;
  CommandProcess& operator=(const CommandProcess&) = delete;
  ~CommandProcess();

  // With a terminal when the spec has one; else with pipes. Absent: it begins; else why it cannot,
  // which may have been found out before.
  std::optional<CannotStart> Start(const std::string& shim_program,
                                   const std::variant<shim::TaskSpec, CannotStart>& prepared);
  // What it was started with, as its shim reads it.
  [[nodiscard]] const std::string& spec() const { return spec_; }

  // Each is answered by on_room. REQUIRES: started, and the last one was answered.
  void Type(std::string data);
  void EndInput();
  void Resize(uint16_t rows, uint16_t columns);
  // Asks for one piece of one of its streams.
  void NextOutput(bool is_error);
  [[nodiscard]] bool output_ended() const;

  // Ends it soon: on_exit still says how. Of a start that was not told yet nothing is told.
  void Kill();
  // It was never started, or on_exit was called.
  [[nodiscard]] bool gone() const { return !pidfd_.valid(); }

 private:
  absl::Status Launch(const std::string& shim_program, const shim::TaskSpec& spec);
  absl::Status OpenPipes(const shim::TaskSpec& spec, base::UniqueFd (&theirs)[3]);
  absl::Status OpenTerminal(const shim::TaskSpec& spec, base::UniqueFd (&theirs)[3]);
  FdReader::Callbacks ReaderCallbacks(bool is_error);
  void OnControl();
  void OnExit();

  EventLoop& loop_;
  const Callbacks callbacks_;
  std::string spec_;
  pid_t pid_ = -1;
  base::UniqueFd pidfd_;
  base::UniqueFd control_;
  bool control_watched_ = false;
  bool killed_ = false;
  bool terminal_ = false;
  std::unique_ptr<FdWriter> input_;
  std::unique_ptr<FdReader> output_;
  std::unique_ptr<FdReader> error_;  // null with a terminal
  bool ended_ = false;
  shim::StatusRecord end_;
};

}  // namespace berth::agentd
