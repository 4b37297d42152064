#pragma once

#include <functional>
#include <string>

#include "agentd/commands/command_runner.h"
#include "agentd/event_loop.h"
#include "base/clock.h"
#include "berth/v1/agent.pb.h"
#include "config/agent_config.h"

namespace berth::agentd {

// Taints that say to berthd what the node knows of its own health.
inline constexpr char kUnhealthyTaint[] = "berth.dev/unhealthy";     // NoSchedule
inline constexpr char kSickDeviceTaint[] = "berth.dev/sick-device";  // PreferNoSchedule

// Adds them: the first when there is a fault, which becomes its value; the second when a device
// must not be used, with its id. Pure.
void AddHealthTaints(const std::string& fault, v1::NodeInventory& inventory);

// Runs the node's own check again and again.
//
// Threading: the loop's thread.
class NodeHealth {
 public:
  // `changed` is called when the fault has changed.
  NodeHealth(EventLoop& loop, const base::Clock& clock, CommandRunner& commands,
             config::NodeCheckConfig check, std::function<void()> changed);

  // The first check is made at once, and `first` called when it has ended. Without a check nothing
  // happens, and all is known.
  void Start(std::function<void()> first);
  [[nodiscard]] bool is_known() const { return is_known_; }
  // What the last check said in words; empty: all is well, or nothing is known yet.
  [[nodiscard]] const std::string& fault() const { return fault_; }

 private:
  void Ask();

  EventLoop& loop_;
  const base::Clock& clock_;
  CommandRunner& commands_;
  const config::NodeCheckConfig check_;
  const std::function<void()> changed_;
  std::function<void()> first_;
  bool is_known_ = false;
  std::string fault_;
};

}  // namespace berth::agentd
