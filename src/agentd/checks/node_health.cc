#include "agentd/checks/node_health.h"

#include <cstdlib>
#include <utility>

#include "base/logging.h"
#include "base/utf8.h"

namespace berth::agentd {
namespace {

constexpr size_t kMostValueBytes = 253;  // of a taint

void AddTaint(const char* key, const std::string& value, v1::TaintEffect effect,
              v1::NodeInventory& inventory) {
  v1::Taint& taint = *inventory.add_taints();
  taint.set_key(key);
  taint.set_value(std::string(base::CutUtf8(value, kMostValueBytes)));
  taint.set_effect(effect);
}

// A value is one line.
std::string OneLine(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  }
  return text;
}

}  // namespace

void AddHealthTaints(const std::string& fault, v1::NodeInventory& inventory) {
  if (!fault.empty()) {
    AddTaint(kUnhealthyTaint, OneLine(fault), v1::TAINT_EFFECT_NO_SCHEDULE, inventory);
  }
  std::string sick;
  for (const v1::Device& device : inventory.devices()) {
    if (device.unhealthy()) sick += (sick.empty() ? "" : ",") + device.id();
  }
  if (!sick.empty()) {
    AddTaint(kSickDeviceTaint, OneLine(sick), v1::TAINT_EFFECT_PREFER_NO_SCHEDULE, inventory);
  }
}

NodeHealth::NodeHealth(EventLoop& loop, const base::Clock& clock, CommandRunner& commands,
                       config::NodeCheckConfig check, std::function<void()> changed)
    : loop_(loop),
      clock_(clock),
      commands_(commands),
      check_(std::move(check)),
      changed_(std::move(changed)),
      is_known_(check_.command.empty()) {}

void NodeHealth::Start(std::function<void()> first) {
  first_ = std::move(first);
  if (!check_.command.empty()) Ask();
}

void NodeHealth::Ask() {
  Command command;
  command.arguments = check_.command;
  command.timeout_ms = check_.timeout_ms;
  const char* path = std::getenv("PATH");
  command.environment.push_back(std::string("PATH=") +
                                (path != nullptr ? path : "/usr/sbin:/usr/bin:/sbin:/bin"));
  commands_.Run(command, [this](CommandResult result) {
    loop_.At(clock_.MonotonicMs() + check_.period_ms, [this] { Ask(); });
    const std::string fault = result.good() ? "" : Describe(result);
    if (fault != fault_) {
      if (fault.empty()) {
        BERTH_LOG_INFO("the node's health check is good again");
      } else {
        BERTH_LOG_WARN("the node's health check, {}, {}: new tasks are kept away",
                       check_.command[0], fault);
      }
      fault_ = fault;
      changed_();
    }
    if (!std::exchange(is_known_, true)) first_();
  });
}

}  // namespace berth::agentd
