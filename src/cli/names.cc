#include "cli/names.h"

#include <string.h>

#include <algorithm>
#include <array>
#include <cstddef>

namespace berth::cli {
namespace {

// Position = number on the wire.
constexpr std::array<std::string_view, 14> kTaskStates = {
    "unknown", "held",      "queued",   "parked",    "nominated", "bound",     "starting",
    "running", "suspended", "stopping", "succeeded", "failed",    "cancelled", "quarantined"};
constexpr std::array<std::string_view, 6> kJobStates = {"unknown",   "queued", "running",
                                                        "succeeded", "failed", "cancelled"};
constexpr std::array<std::string_view, 3> kNodeStates = {"unknown", "ready", "not-ready"};
constexpr std::array<std::string_view, 11> kAttemptEnds = {
    "",        "exited",        "cancelled",       "timed-out",      "lost",     "preempted",
    "drained", "out-of-memory", "could-not-start", "out-of-storage", "unhealthy"};
constexpr std::array<std::string_view, 6> kPlaceabilities = {"unknown",    "fits-now", "fits-later",
                                                             "never-fits", "placed",   "ended"};
constexpr std::array<std::string_view, 4> kTaintEffects = {"", "NoSchedule", "PreferNoSchedule",
                                                           "NoExecute"};

// A newer server may send a number that this program has no word for.
template <std::size_t N>
std::string_view At(const std::array<std::string_view, N>& names, int number) {
  return number >= 0 && number < static_cast<int>(N) ? names[static_cast<std::size_t>(number)]
                                                     : "unknown";
}

// 0 is UNSPECIFIED, which nobody asks for.
template <typename Enum, std::size_t N>
std::optional<Enum> Find(const std::array<std::string_view, N>& names, std::string_view name) {
  const auto at = std::find(names.begin() + 1, names.end(), name);
  if (at == names.end()) return std::nullopt;
  return static_cast<Enum>(at - names.begin());
}

}  // namespace

std::string_view NameOf(v1::TaskState state) { return At(kTaskStates, state); }
std::string_view NameOf(v1::JobState state) { return At(kJobStates, state); }
std::string_view NameOf(v1::NodeState state) { return At(kNodeStates, state); }
std::string_view NameOf(v1::AttemptEnd end) { return At(kAttemptEnds, end); }
std::string_view NameOf(v1::Placeability placeability) { return At(kPlaceabilities, placeability); }
std::string_view NameOf(v1::TaintEffect effect) { return At(kTaintEffects, effect); }

std::span<const std::string_view> TaskStateNames() { return std::span(kTaskStates).subspan(1); }
std::span<const std::string_view> JobStateNames() { return std::span(kJobStates).subspan(1); }
std::optional<v1::TaskState> TaskStateOf(std::string_view name) {
  return Find<v1::TaskState>(kTaskStates, name);
}
std::optional<v1::JobState> JobStateOf(std::string_view name) {
  return Find<v1::JobState>(kJobStates, name);
}
std::optional<v1::TaintEffect> TaintEffectOf(std::string_view name) {
  return Find<v1::TaintEffect>(kTaintEffects, name);
}

std::string_view NameOf(v1::DiskClass disk_class) {
  switch (disk_class) {
    case v1::DISK_CLASS_HDD:
      return "HDD";
    case v1::DISK_CLASS_SSD:
      return "SSD";
    case v1::DISK_CLASS_NVME:
      return "NVMe";
    default:
      return "disk";
  }
}

std::string NameOf(v1::ReasonCode reason) {
  if (reason == v1::REASON_CODE_UNSPECIFIED) return "";
  constexpr std::string_view kPrefix = "REASON_CODE_";
  const std::string& name = v1::ReasonCode_Name(reason);
  return name.empty() ? std::to_string(reason) : name.substr(kPrefix.size());
}

std::string SignalName(int signal) {
  const char* const name = sigabbrev_np(signal);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

bool HasEnded(v1::TaskState state) {
  return state == v1::TASK_STATE_SUCCEEDED || state == v1::TASK_STATE_FAILED ||
         state == v1::TASK_STATE_CANCELLED;
}

bool HasEnded(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED ||
         state == v1::JOB_STATE_CANCELLED;
}

}  // namespace berth::cli
