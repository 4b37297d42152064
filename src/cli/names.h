// The words by which people know the wire's enums: "running", "not-ready". ReasonCodes keep the
// stable names of the wire.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "berth/v1/types.pb.h"

namespace berth::cli {

std::string_view NameOf(v1::TaskState state);
std::string_view NameOf(v1::JobState state);
std::string_view NameOf(v1::NodeState state);
std::string_view NameOf(v1::AttemptEnd end);
std::string_view NameOf(v1::Placeability placeability);
std::string_view NameOf(v1::DiskClass disk_class);  // "NVMe"; "disk" when it is not known
std::string_view NameOf(v1::TaintEffect effect);    // "NoSchedule", as in Kubernetes

// All names that --state takes, for tasks and for jobs.
std::span<const std::string_view> TaskStateNames();
std::span<const std::string_view> JobStateNames();
std::optional<v1::TaskState> TaskStateOf(std::string_view name);
std::optional<v1::JobState> JobStateOf(std::string_view name);
std::optional<v1::TaintEffect> TaintEffectOf(std::string_view name);

// "INSUFFICIENT_MEMORY"; the number for a code that this program does not know; "" for none.
std::string NameOf(v1::ReasonCode reason);

// "SIGKILL"; "signal 77" for one without a name.
std::string SignalName(int signal);

bool HasEnded(v1::TaskState state);
bool HasEnded(v1::JobState state);

}  // namespace berth::cli
