#include "agentd/cgroups/detect.h"

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "agentd/cgroups/cgroups_v2.h"
#include "base/logging.h"
#include "base/strings.h"

namespace berth::agentd {
namespace {

constexpr std::string_view kWayOn =
    "mount the controllers, run the agent as root, or set `isolation: none` in agent.yaml to run"
    " tasks without limits";

std::vector<std::string> Words(const std::string& line, char separator) {
  std::vector<std::string> words;
  std::istringstream in(line);
  for (std::string word; std::getline(in, word, separator);) words.push_back(word);
  return words;
}

// Mount points have spaces and the like as \040.
std::string Unescape(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out.push_back(static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8)));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::string MissingV1(const CgroupV1Mounts& mounts) {
  std::string missing;
  const std::pair<const std::string*, const char*> needed[] = {{&mounts.cpu, "cpu"},
                                                               {&mounts.cpuacct, "cpuacct"},
                                                               {&mounts.memory, "memory"},
                                                               {&mounts.freezer, "freezer"}};
  for (const auto& [path, name] : needed) {
    if (path->empty()) missing += (missing.empty() ? "" : ", ") + std::string(name);
  }
  return missing;
}

absl::StatusOr<std::unique_ptr<Cgroups>> Chosen(absl::StatusOr<std::unique_ptr<Cgroups>> opened,
                                                const std::string& root) {
  if (opened.ok()) {
    BERTH_LOG_INFO("tasks are kept apart by {}, below the cgroup root \"{}\"",
                   (*opened)->isolation(), root);
    return opened;
  }
  if (absl::IsFailedPrecondition(opened.status())) return opened;
  return absl::FailedPreconditionError(
      base::A(base::S(opened.status().message()) + ": " + std::string(kWayOn)));
}

}  // namespace

CgroupMounts ParseCgroupMounts(std::string_view mountinfo) {
  CgroupMounts mounts;
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    // ID PARENT DEVICE ROOT POINT OPTIONS [TAGS...] - TYPE SOURCE SUPER_OPTIONS
    const std::vector<std::string> words = Words(line, ' ');
    size_t dash = 6;
    while (dash < words.size() && words[dash] != "-") ++dash;
    if (dash + 3 >= words.size()) continue;
    const std::string point = Unescape(words[4]);
    if (words[dash + 1] == "cgroup2") {
      if (mounts.v2.empty()) mounts.v2 = point;
      continue;
    }
    if (words[dash + 1] != "cgroup") continue;
    for (const std::string& option : Words(words[dash + 3], ',')) {
      std::string* path = option == "cpu"       ? &mounts.v1.cpu
                          : option == "cpuacct" ? &mounts.v1.cpuacct
                          : option == "memory"  ? &mounts.v1.memory
                          : option == "freezer" ? &mounts.v1.freezer
                          : option == "pids"    ? &mounts.v1.pids
                          : option == "cpuset"  ? &mounts.v1.cpuset
                          : option == "blkio"   ? &mounts.v1.blkio
                                                : nullptr;
      if (path != nullptr && path->empty()) *path = point;
    }
  }
  return mounts;
}

absl::StatusOr<std::unique_ptr<Cgroups>> OpenCgroups(CgroupTree& tree, const CgroupMounts& mounts,
                                                     config::Isolation isolation,
                                                     const std::string& root, CpuPool cpus) {
  using config::Isolation;
  if (isolation == Isolation::kNone) {
    BERTH_LOG_WARN(
        "isolation: none: tasks run without limits on CPU and memory; what they leave behind is"
        " killed only as far as it descends from them");
    return NoCgroups();
  }
  const bool v2 = !mounts.v2.empty() && HasControllersV2(tree, mounts.v2);
  const std::string missing = MissingV1(mounts.v1);
  if (isolation == Isolation::kCgroupV2 || (isolation == Isolation::kAuto && v2)) {
    if (!v2) {
      return absl::FailedPreconditionError(base::A(
          (mounts.v2.empty() ? std::string("no cgroup2 is mounted")
                             : mounts.v2 + " does not have the controllers cpu, memory and pids") +
          ": set `isolation: auto` in agent.yaml, or " + std::string(kWayOn)));
    }
    return Chosen(OpenCgroupsV2(tree, mounts.v2, root, std::move(cpus)), root);
  }
  if (!missing.empty()) {
    return absl::FailedPreconditionError(base::A(
        "these cgroup v1 controllers are not mounted: " + missing + ": " + std::string(kWayOn)));
  }
  return Chosen(OpenCgroupsV1(tree, mounts.v1, root, std::move(cpus)), root);
}

}  // namespace berth::agentd
