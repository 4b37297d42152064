#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "agentd/event_loop.h"
#include "base/unique_fd.h"
#include "berth/v1/agent.pb.h"
#include "shim/shim_protocol.h"

namespace berth::agentd {

// What is typed into a task's console, on its way to the shim that holds it. The shim takes no more
// than the task reads, and so does this.
//
// Threading: the loop's. Errors: what a task that has ended would have read is dropped.
class ConsoleInput {
 public:
  // `on_room`: answers one Take().
  ConsoleInput(EventLoop& loop, std::function<void()> on_room);
  ConsoleInput(const ConsoleInput&) = delete;
  ConsoleInput& operator=(const ConsoleInput&) = delete;
  ~ConsoleInput();

  // NotFound: the attempt's directory has no console, or its shim is gone.
  absl::Status Connect(const std::string& attempt_directory);

  // What is typed, the end of it, and window sizes. REQUIRES: connected, and the last was answered.
  void Take(v1::DataFromDaemon frame);

 private:
  // Says what it can of what is left. True: all of it.
  bool Push();
  // False: the shim takes no more for now.
  bool Say(shim::ConsoleMessage kind, std::string_view rest);

  EventLoop& loop_;
  const std::function<void()> on_room_;
  base::UniqueFd socket_;
  v1::DataFromDaemon frame_;
  size_t typed_ = 0;  // bytes of it that were said
  bool watched_ = false;
};

}  // namespace berth::agentd
