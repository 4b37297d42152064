#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "agentd/event_loop.h"
#include "base/clock.h"
#include "base/unique_fd.h"

namespace berth::agentd {

// One look at a port of the node's loopback address: does it take a connection, and, for HTTP, does
// it answer with a good status.
//
// Threading: the loop's thread. Never blocks.
class PortProbe {
 public:
  // Empty `fault`: good. Else what was wrong, in words.
  using Done = std::function<void(std::string fault)>;

  struct Target {
    int port = 0;
    bool http = false;
    std::string path = "/";  // with http
    int64_t timeout_ms = 0;  // for all of it; never 0
    // Network namespace that it is in; empty: this process's.
    std::string network_namespace;
  };

  // Calls `done` once, not from within, unless it is destroyed before. Both others outlive it.
  PortProbe(EventLoop& loop, const base::Clock& clock, Target target, Done done);
  PortProbe(const PortProbe&) = delete;
  PortProbe& operator=(const PortProbe&) = delete;
  ~PortProbe();

 private:
  void OnConnected();
  void OnAnswer();
  void End(std::string fault);
  void CloseSocket();
  void Later(std::string fault);

  EventLoop& loop_;
  const Target target_;
  Done done_;
  base::UniqueFd socket_;
  bool watched_ = false;
  std::string answer_;
  // Dies with it: what was posted or timed before looks here whether it is still there.
  std::shared_ptr<PortProbe*> alive_;
};

}  // namespace berth::agentd
