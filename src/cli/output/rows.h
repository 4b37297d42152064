// The columns of `berth get`: what of a job, task or node stands in a table.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "berth/v1/types.pb.h"

namespace berth::cli {

// AGE stands last, in wide tables too. `now_unix_ms` is this machine's wall clock.
std::vector<std::string> JobHeaders(bool wide);
std::vector<std::string> JobCells(const v1::Job& job, bool wide, int64_t now_unix_ms);
std::vector<std::string> TaskHeaders(bool wide);
std::vector<std::string> TaskCells(const v1::Task& task, bool wide, int64_t now_unix_ms);
std::vector<std::string> NodeHeaders(bool wide);
std::vector<std::string> NodeCells(const v1::Node& node, bool wide, int64_t now_unix_ms);

// "2 cpu, 4Gi, 1 gpu": what a request or a capacity amounts to. "-" for nothing.
std::string ResourcesText(const v1::Resources& resources);
// "gpu:2", "gpu:1 (share 0.5)"
std::string DeviceText(const v1::DeviceRequest& device);
// "ready", "not-ready,cordoned"
std::string NodeStateText(const v1::Node& node);
// "gpu=true:NoSchedule"
std::string TaintText(const v1::Taint& taint);
// "0", "3", "SIGKILL"; "" while it has not ended.
std::string ExitText(const v1::Attempt& attempt);

}  // namespace berth::cli
