#include "pipeline/reason_text.h"

#include <algorithm>

#include "base/quantities.h"

namespace berth::pipeline {
namespace {

// Most groups that a text spells out.
constexpr size_t kMaxGroupsInText = 6;

std::string CpuText(int64_t milli) {
  return milli < 1000 && milli > 0 ? std::to_string(milli) + "m" : base::FormatCpuMilli(milli);
}

std::string MebibytesText(int64_t mib) {
  return base::FormatBytes(mib * kMemoryQuantumBytes, base::Rounding::kDown);
}

const DeviceNeed* NeedOf(const TaskRequirements& needs, uint32_t kind) {
  const auto it = std::find_if(needs.devices.begin(), needs.devices.end(),
                               [&](const DeviceNeed& need) { return need.kind.value == kind; });
  return it == needs.devices.end() ? nullptr : &*it;
}

bool IsShare(const TaskRequirements& needs, uint32_t kind) {
  const DeviceNeed* need = NeedOf(needs, kind);
  return need != nullptr && need->share_milli < 1000;
}

std::string ModelsText(const TaskRequirements& needs, uint32_t kind,
                       const state::NodeTable& table) {
  const DeviceNeed* need = NeedOf(needs, kind);
  std::string text;
  if (need == nullptr) return text;
  for (ModelId model : need->models) {
    text += (text.empty() ? "" : " or ") + table.names().models.Name(model.value);
  }
  return text;
}

std::string BoxOfKind(const TaskRequirements& needs, uint32_t kind, const state::NodeTable& table) {
  const DeviceNeed* need = NeedOf(needs, kind);
  const std::string name = table.names().kinds.Name(kind);
  return need == nullptr ? name + " box" : BoxText(need->box) + " box of " + name;
}

std::string TaintText(const state::TaintSpec& taint) {
  return taint.value.empty() ? taint.key : taint.key + "=" + taint.value;
}

std::string Largest(Compare compare, const std::string& amount) {
  return (compare == Compare::kFree ? " (largest free " : " (largest ") + amount + ")";
}

// Everything of a group's text but the number.
std::string WhyText(const RejectionGroup& group, const TaskRequirements& needs,
                    const state::NodeTable& table, Compare compare) {
  const int64_t largest = compare == Compare::kFree ? group.largest_free : group.largest_capacity;
  const std::string subject = SubjectText(group, table);
  switch (group.reason) {
    case Reason::kInsufficientCpu:
    case Reason::kInsufficientMemory:
    case Reason::kInsufficientStorage:
    case Reason::kInsufficientBandwidth:
    case Reason::kInsufficientExtendedResource:
      return "insufficient " + subject + Largest(compare, AmountText(group.subject, largest));
    case Reason::kInsufficientClusterResource: {
      const state::SharedResource& shared = table.shared_resources()[group.subject];
      const std::string where =
          shared.topology_key.empty() ? "the cluster" : "their " + shared.topology_key;
      return "with insufficient " + subject + " in " + where +
             Largest(compare, std::to_string(largest));
    }
    case Reason::kInsufficientDevices:
      if (IsShare(needs, group.subject)) {
        return "insufficient " + subject + " share" + Largest(compare, CpuText(largest));
      }
      return "insufficient " + subject + Largest(compare, std::to_string(largest));
    case Reason::kDeviceModelMismatch:
      return "without " + subject + " model " + ModelsText(needs, group.subject, table);
    case Reason::kDeviceMemoryTooSmall:
      return "insufficient " + subject + " memory" + Largest(compare, MebibytesText(largest));
    case Reason::kNoSuchDevice:
      return "without " + subject;
    case Reason::kNoDeviceBox: {
      const std::string box = BoxOfKind(needs, group.subject, table);
      return "without a " + (compare == Compare::kFree ? "free " + box : box) +
             Largest(compare, std::to_string(largest));
    }
    case Reason::kUntoleratedTaint:
      return "tainted " + TaintText(table.TaintOf(TaintId{group.subject}));
    case Reason::kNodeSelectorMismatch:
      return "without label " + subject;
    case Reason::kNodeAffinityMismatch:
      return "not matching node affinity";
    case Reason::kNodeCordoned:
      return "cordoned";
    case Reason::kNodeNotReady:
      return "not ready";
    case Reason::kTopologyLabelMissing:
      return "without a label " + subject;
    case Reason::kSpreadSkew:
      return "with too many such tasks in their " + subject;
    case Reason::kAffinityUnmet:
      return "without a task to be with in their " + subject;
    case Reason::kAntiAffinity:
      return "with a task to be away from in their " + subject;
    default:
      return "removed by " + std::string(group.filter->name());
  }
}

}  // namespace

std::string BoxText(const BoxExtents& box) {
  std::string text = std::to_string(box[0]);
  for (size_t i = 1; i < kTorusAxes && box[i] > 1; ++i) text += "x" + std::to_string(box[i]);
  return text;
}

std::string AmountText(ResourceIndex resource, int64_t quanta) {
  switch (resource) {
    case kCpu:
      return CpuText(quanta);
    case kMemory:
    case kStorage:
      return MebibytesText(quanta);
    case kBandwidth:
      return base::FormatBitsPerSecond(quanta * kBandwidthQuantumBitsPerSecond);
    default:
      return std::to_string(quanta);
  }
}

int64_t WireAmount(ResourceIndex resource, int64_t quanta) {
  switch (resource) {
    case kMemory:
      return quanta * kMemoryQuantumBytes;
    case kStorage:
      return quanta * kStorageQuantumBytes;
    case kBandwidth:
      return quanta * kBandwidthQuantumBitsPerSecond;
    default:
      return quanta;
  }
}

int64_t WireAmount(const RejectionGroup& group, int64_t amount) {
  switch (group.reason) {
    case Reason::kInsufficientMemory:
    case Reason::kInsufficientStorage:
    case Reason::kInsufficientBandwidth:
      return WireAmount(group.subject, amount);
    case Reason::kDeviceMemoryTooSmall:
      return amount * kMemoryQuantumBytes;
    default:
      return amount;
  }
}

std::string SubjectText(const RejectionGroup& group, const state::NodeTable& table) {
  switch (group.reason) {
    case Reason::kInsufficientCpu:
    case Reason::kInsufficientMemory:
    case Reason::kInsufficientStorage:
    case Reason::kInsufficientBandwidth:
    case Reason::kInsufficientExtendedResource:
      return state::ResourceName(table.names(), group.subject);
    case Reason::kInsufficientClusterResource:
      return table.shared_resources()[group.subject].name;
    case Reason::kInsufficientDevices:
    case Reason::kDeviceModelMismatch:
    case Reason::kDeviceMemoryTooSmall:
    case Reason::kNoSuchDevice:
    case Reason::kNoDeviceBox:
      return table.names().kinds.Name(group.subject);
    case Reason::kUntoleratedTaint:
      return state::ToString(table.TaintOf(TaintId{group.subject}));
    case Reason::kNodeSelectorMismatch:
      return table.LabelText(LabelId{group.subject});
    case Reason::kTopologyLabelMissing:
    case Reason::kSpreadSkew:
    case Reason::kAffinityUnmet:
    case Reason::kAntiAffinity:
      return table.names().keys.Name(group.subject);
    default:
      return "";
  }
}

std::string GroupText(const RejectionGroup& group, const TaskRequirements& needs,
                      const state::NodeTable& table, Compare compare) {
  return std::to_string(group.nodes) + " " + WhyText(group, needs, table, compare);
}

std::string GroupsText(const std::vector<RejectionGroup>& groups, const TaskRequirements& needs,
                       const state::NodeTable& table, Compare compare) {
  std::string text;
  size_t shown = 0;
  for (const RejectionGroup& group : groups) {
    if (shown == kMaxGroupsInText) break;
    text += (text.empty() ? "" : ", ") + GroupText(group, needs, table, compare);
    ++shown;
  }
  int64_t rest = 0;
  for (size_t i = shown; i < groups.size(); ++i) rest += groups[i].nodes;
  if (rest > 0) text += ", " + std::to_string(rest) + " for other reasons";
  return text;
}

}  // namespace berth::pipeline
