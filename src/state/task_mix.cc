#include "state/task_mix.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "berth/resources.h"

namespace berth::state {
namespace {

constexpr int64_t kDayMs = 24 * 60 * 60 * 1000;
constexpr int64_t kMostTasks = 10'000;
// Of fewer, nobody can say that those that are to come will be like them.
constexpr int64_t kLeastTasks = 100;

}  // namespace

int64_t DayOf(int64_t now_ms) { return now_ms / kDayMs; }

TaskMix CountTaskMix(const JobTable& jobs, int64_t day, int64_t window_ms) {
  TaskMix mix{.day = day};
  const int64_t end_ms = day * kDayMs;
  std::map<std::pair<int32_t, std::vector<TaskMix::Sort::Devices>>, int64_t> sorts;
  for (auto it = jobs.rbegin(); it != jobs.rend() && mix.tasks < kMostTasks; ++it) {
    const JobRow& job = *it->second;
    if (job.queued_at_ms >= end_ms) continue;
    if (job.queued_at_ms < end_ms - window_ms) break;
    for (const GroupSpec& group : job.spec->groups) {
      std::vector<TaskMix::Sort::Devices> devices;
      for (const DeviceNeedSpec& need : group.needs->devices) {
        devices.push_back({need.kind, need.count, need.share_milli});
      }
      std::sort(devices.begin(), devices.end());
      const int64_t tasks = std::min(group.count(), kMostTasks - mix.tasks);
      mix.tasks += tasks;
      sorts[{group.needs->requests.builtin[kCpu], std::move(devices)}] += tasks;
      if (mix.tasks == kMostTasks) break;
    }
  }
  for (auto& [asked, tasks] : sorts) mix.sorts.push_back({asked.first, asked.second, tasks});
  return mix;
}

std::vector<MixedTask> TaskMix::Of(std::string_view kind) const {
  if (tasks < kLeastTasks) return {};
  std::map<std::tuple<int32_t, int32_t, int32_t>, int64_t> with;
  int64_t without = 0;
  for (const Sort& sort : sorts) {
    const auto of_kind = std::find_if(sort.devices.begin(), sort.devices.end(),
                                      [&](const Sort::Devices& one) { return one.kind == kind; });
    if (of_kind == sort.devices.end()) {
      without += sort.tasks;
    } else {
      with[{sort.cpu_milli, of_kind->count, of_kind->share_milli}] += sort.tasks;
    }
  }
  if (with.empty()) return {};
  std::vector<MixedTask> mix;
  for (const auto& [asked, count] : with) {
    const auto& [cpu_milli, devices, share_milli] = asked;
    mix.push_back({cpu_milli, devices, share_milli, static_cast<int32_t>(count)});
  }
  std::stable_sort(mix.begin(), mix.end(),
                   [](const MixedTask& a, const MixedTask& b) { return a.weight > b.weight; });
  if (mix.size() > kMostMixedTasks - 1) mix.resize(kMostMixedTasks - 1);
  if (without > 0) mix.push_back({.weight = static_cast<int32_t>(without)});
  return mix;
}

}  // namespace berth::state
