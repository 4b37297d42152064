#include "api/node_findings.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "absl/time/time.h"
#include "base/quantities.h"
#include "base/strings.h"
#include "wire/values.h"

namespace berth::api {
namespace {

constexpr int64_t kOddSkewMs = 1'000;
constexpr int64_t kBadSkewMs = 60'000;
// A start that failed so long ago says little.
constexpr int64_t kLatelyMs = int64_t{15} * 60 * 1000;

std::string Seconds(int64_t ms) {
  return base::FormatExactDuration(absl::Milliseconds(ms - ms % (ms < 10'000 ? 100 : 1000)));
}

class Findings {
 public:
  explicit Findings(v1::Diagnosis& diagnosis) : diagnosis_(diagnosis) {}

  void Add(v1::FindingLevel level, std::string_view subject, std::string text) {
    v1::Finding& finding = *diagnosis_.add_findings();
    finding.set_level(level);
    finding.set_subject(std::string(subject));
    finding.set_text(std::move(text));
  }
  void Good(std::string_view subject, std::string text) {
    Add(v1::FINDING_LEVEL_GOOD, subject, std::move(text));
  }
  void Odd(std::string_view subject, std::string text) {
    Add(v1::FINDING_LEVEL_ODD, subject, std::move(text));
  }
  void Bad(std::string_view subject, std::string text) {
    Add(v1::FINDING_LEVEL_BAD, subject, std::move(text));
  }

 private:
  v1::Diagnosis& diagnosis_;
};

void FindConnection(const scheduler::NodeHealthReply& health, Findings& findings) {
  const std::string heard =
      health.silent_ms ? "its agent was last heard from " + Seconds(*health.silent_ms) + " ago"
                       : "its agent has not been heard from since berthd was started";
  if (health.node.ready) {
    findings.Good("connection", heard);
  } else {
    findings.Bad("connection",
                 "the node is not ready: " + heard +
                     (health.stream == 0 ? ", and is not connected" : "") +
                     "; look at the agent there ('systemctl status berth-agent') and at the "
                     "network between");
  }
}

void FindClock(const state::NodeView& node, Findings& findings) {
  if (!node.clock_skew_ms) return;
  const int64_t skew = std::abs(*node.clock_skew_ms);
  const std::string text = "the node's clock is " + std::to_string(skew) + " ms " +
                           (*node.clock_skew_ms > 0 ? "ahead of" : "behind") + " berthd's";
  if (skew <= kOddSkewMs) {
    findings.Good("clock", text);
  } else {
    findings.Add(skew > kBadSkewMs ? v1::FINDING_LEVEL_BAD : v1::FINDING_LEVEL_ODD, "clock",
                 text + ": times of its tasks are wrong by as much; set both by NTP");
  }
}

void FindDevices(const state::NodeView& node, Findings& findings) {
  v1::NodeInventory inventory;
  if (node.spec->encoded_inventory == nullptr ||
      !inventory.ParseFromString(*node.spec->encoded_inventory) || inventory.devices_size() == 0) {
    return;
  }
  int sick = 0;
  for (const v1::Device& device : inventory.devices()) {
    if (!device.unhealthy()) continue;
    ++sick;
    findings.Bad("devices", "device " + device.id() + " is not used: " +
                                (device.unhealthy_reason().empty() ? "it is unhealthy"
                                                                   : device.unhealthy_reason()));
  }
  if (sick == 0) {
    findings.Good("devices", "all " + std::to_string(inventory.devices_size()) + " are healthy");
  }
}

void FindStarts(const scheduler::NodeHealthReply& health, Findings& findings) {
  if (health.failed_starts.empty()) {
    findings.Good("starts", "no task has failed to start there since berthd was started");
    return;
  }
  for (const scheduler::NodeHealthReply::FailedStart& start : health.failed_starts) {
    const int64_t ago = std::max<int64_t>(0, health.now_unix_ms - start.unix_ms);
    const std::string who =
        start.task.empty() ? "a task of another namespace" : "task " + start.task;
    // What a job asks for and is not there says nothing against the node.
    const v1::FindingLevel level = !start.of_node     ? v1::FINDING_LEVEL_GOOD
                                   : ago <= kLatelyMs ? v1::FINDING_LEVEL_BAD
                                                      : v1::FINDING_LEVEL_ODD;
    findings.Add(level, "starts",
                 who + " could not be started " + Seconds(ago) + " ago" +
                     (start.message.empty() ? "" : ": " + start.message));
  }
}

}  // namespace

v1::Diagnosis DiagnosisOf(const scheduler::NodeHealthReply& health, std::string_view version) {
  v1::Diagnosis diagnosis;
  Findings findings(diagnosis);
  const state::NodeView& node = health.node;
  FindConnection(health, findings);
  FindClock(node, findings);
  if (node.cordoned) {
    const std::string by =
        node.cordon_reason.empty() ? "" : " (by berthd: " + node.cordon_reason + ")";
    findings.Odd("cordon", "it is cordoned" + by + " and gets no new tasks; 'berth uncordon " +
                               node.spec->name + "' changes that");
  }
  FindDevices(node, findings);
  FindStarts(health, findings);
  if (node.quarantined > 0) {
    findings.Odd("quarantine", std::to_string(node.quarantined) +
                                   " attempts run there that berthd does not know; see 'berth "
                                   "admin reconcile --node " +
                                   node.spec->name + "'");
  }
  if (node.spec->isolation == "none") {
    findings.Odd("isolation",
                 "tasks are held to nothing that they asked for: it has no cgroups, or its "
                 "agent.yaml says isolation: none");
  }
  if (node.spec->agent_version == version) {
    findings.Good("version", "its agent is of berthd's version, " + std::string(version));
  } else {
    findings.Odd("version",
                 "its agent is of version " + node.spec->agent_version + ", berthd of " +
                     std::string(version) +
                     "; neighbouring versions work together, and the older is to follow");
  }
  return diagnosis;
}

void SortFindings(v1::Diagnosis& diagnosis) {
  auto& findings = *diagnosis.mutable_findings();
  std::stable_sort(
      findings.begin(), findings.end(),
      [](const v1::Finding& a, const v1::Finding& b) { return a.level() > b.level(); });
}

}  // namespace berth::api
