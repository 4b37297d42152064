#include "agentd/cgroups/cgroups_v2.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include "agentd/cgroups/cgroup_numbers.h"
#include "agentd/probe/sysfs.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "shim/kill_all.h"

namespace berth::agentd {
namespace {

class CgroupsV2 final : public Cgroups {
 public:
  CgroupsV2(CgroupTree& tree, std::string mount, std::string root, CpuPool cpus)
      : tree_(tree),
        cpus_(std::move(cpus)),
        mount_(std::move(mount)),
        root_(std::move(root)),
        parent_(mount_ + "/" + root_ + "/") {}

  absl::Status Open() {
    // A controller exists in a directory only when each directory above it hands it down.
    std::string directory = mount_;
    std::istringstream parts(root_);
    std::string part;
    const std::string enable = Controllers();
    BERTH_RETURN_IF_ERROR(tree_.Write(directory + "/cgroup.subtree_control", enable));
    while (std::getline(parts, part, '/')) {
      if (part.empty()) continue;
      directory += "/" + part;
      BERTH_RETURN_IF_ERROR(tree_.MakeDirectory(directory));
      BERTH_RETURN_IF_ERROR(tree_.Write(directory + "/cgroup.subtree_control", enable));
    }
    BERTH_ASSIGN_OR_RETURN(lock_, tree_.Lock(parent_));
    for (const std::string& name : Names()) {
      next_ = std::max<uint64_t>(next_,
                                 std::strtoull(name.c_str() + kTaskPrefix.size(), nullptr, 10) + 1);
      // Those that share have no memory nodes written: that tells the others.
      if (ParseCpuList(tree_.Read(parent_ + name + "/cpuset.mems").value_or("")).empty()) continue;
      const std::vector<int> had =
          ParseCpuList(tree_.Read(parent_ + name + "/cpuset.cpus").value_or(""));
      dedicated_[name] = CpuSet(had.begin(), had.end());
      cpus_.Adopt(dedicated_[name]);
    }
    return absl::OkStatus();
  }

  std::string_view isolation() const override { return "cgroup-v2"; }
  CgroupPowers powers() const override {
    return {.cpu_limit = true, .dedicated_cpus = has_cpuset_, .io_weight = has_io_};
  }

  absl::StatusOr<TaskCgroup> Take(const TaskLimits& limits) override {
    const std::string name = std::string(kTaskPrefix) + std::to_string(next_++);
    absl::Status made = tree_.MakeDirectory(parent_ + name);
    if (made.ok()) made = WriteLimits(parent_ + name + "/", limits);
    if (made.ok()) made = WriteCpus(name, limits);
    if (!made.ok()) {
      GiveCpusBack(name);
      Remove(name);
      return made;
    }
    return Lease(name, 0);
  }

  absl::StatusOr<TaskCgroup> Adopt(std::string_view name) override {
    const std::string own(name);
    if (taken_.count(own) > 0) {
      return absl::AlreadyExistsError(base::A("cgroup " + parent_ + own + " has another use"));
    }
    if (own.rfind(kTaskPrefix, 0) != 0 || !tree_.Exists(parent_ + own)) {
      return absl::NotFoundError(base::A("there is no cgroup " + parent_ + own));
    }
    const auto kills = tree_.ReadNumber(parent_ + own + "/memory.events", "oom_kill ");
    return Lease(own, static_cast<uint64_t>(kills.value_or(0)));
  }

  void GiveBack(const TaskCgroup& cgroup, bool clean, uint32_t) override {
    if (taken_.count(cgroup.name) == 0) return;
    if (!clean) Kill(cgroup);
    taken_.erase(cgroup.name);
    GiveCpusBack(cgroup.name);
    Remove(cgroup.name);
  }

  CgroupUsage Usage(const TaskCgroup& cgroup) override {
    if (taken_.count(cgroup.name) == 0) return {};
    const std::string directory = parent_ + cgroup.name;
    return {
        .cpu_time_ms = tree_.ReadNumber(directory + "/cpu.stat", "usage_usec ").value_or(0) / 1000,
        .memory_bytes = tree_.ReadNumber(directory + "/memory.current").value_or(0),
        .memory_peak_bytes = tree_.ReadNumber(directory + "/memory.peak").value_or(0),
        .io_read_bytes = Transferred(directory, "rbytes="),
        .io_written_bytes = Transferred(directory, "wbytes="),
    };
  }

  std::vector<pid_t> Processes(const TaskCgroup& cgroup) override {
    if (taken_.count(cgroup.name) == 0) return {};
    return tree_.Processes(parent_ + cgroup.name);
  }

  int Kill(const TaskCgroup& cgroup) override {
    // Without a name it would be the root, with every task below it.
    if (taken_.count(cgroup.name) == 0) return 0;
    return shim::KillCgroup(shim::KillMethod::kCgroupKillV2, (parent_ + cgroup.name).c_str());
  }

  std::vector<std::string> RemoveLeftovers() override {
    std::vector<std::string> had_processes;
    for (const std::string& name : Names()) {
      if (taken_.count(name) > 0) continue;
      const std::string directory = parent_ + name;
      if (shim::KillCgroup(shim::KillMethod::kCgroupKillV2, directory.c_str()) > 0) {
        had_processes.push_back(name);
      }
      GiveCpusBack(name);
      Remove(name);
    }
    return had_processes;
  }

  void Tidy() override {
    const std::set<std::string> names = std::exchange(unremoved_, {});
    for (const std::string& name : names) Remove(name);
  }

 private:
  std::vector<std::string> Names() const {
    std::vector<std::string> names = tree_.Directories(parent_);
    // Anything else in there, another agent's root for one, is not ours.
    std::erase_if(names, [](const std::string& name) { return name.rfind(kTaskPrefix, 0) != 0; });
    return names;
  }

  // What each directory hands down: cpuset and io where the machine has them.
  std::string Controllers() {
    std::istringstream words(tree_.Read(mount_ + "/cgroup.controllers").value_or(""));
    std::string enable = "+cpu +memory +pids";
    for (std::string name; words >> name;) {
      has_cpuset_ = has_cpuset_ || name == "cpuset";
      has_io_ = has_io_ || name == "io";
    }
    if (has_cpuset_) enable += " +cpuset";
    if (has_io_) enable += " +io";
    return enable;
  }

  std::optional<int64_t> Transferred(const std::string& directory, std::string_view label) {
    if (!has_io_) return std::nullopt;
    const auto text = tree_.Read(directory + "/io.stat");
    return text.ok() ? SumAfter(*text, label) : 0;
  }

  absl::Status WriteCpus(const std::string& name, const TaskLimits& limits) {
    if (!has_cpuset_) return absl::OkStatus();
    const std::string directory = parent_ + name;
    if (limits.dedicated_cpus == 0) {
      if (dedicated_.empty()) return absl::OkStatus();
      return tree_.Write(directory + "/cpuset.cpus", ToList(cpus_.shared()));
    }
    const auto taken = cpus_.Take(limits.dedicated_cpus, limits.one_numa_node);
    if (!taken) return TooFewCpus(cpus_, limits);
    dedicated_[name] = taken->cpus;
    // First the others leave these CPUs.
    BERTH_RETURN_IF_ERROR(Share());
    BERTH_RETURN_IF_ERROR(tree_.Write(directory + "/cpuset.mems", ToList(taken->memory_nodes)));
    return tree_.Write(directory + "/cpuset.cpus", ToList(taken->cpus));
  }

  absl::Status Share() {
    for (const std::string& name : taken_) {
      if (dedicated_.count(name) > 0) continue;
      BERTH_RETURN_IF_ERROR(tree_.Write(parent_ + name + "/cpuset.cpus", ToList(cpus_.shared())));
    }
    return absl::OkStatus();
  }

  void GiveCpusBack(const std::string& name) {
    const auto had = dedicated_.find(name);
    if (had == dedicated_.end()) return;
    cpus_.GiveBack(had->second);
    dedicated_.erase(had);
    if (const absl::Status shared = Share(); !shared.ok()) {
      BERTH_LOG_WARN("CPUs {} stay idle: {}", ToList(cpus_.shared()), shared.ToString());
    }
  }

  TaskCgroup Lease(const std::string& name, uint64_t oom_kills) {
    taken_.insert(name);
    TaskCgroup cgroup;
    cgroup.name = name;
    cgroup.procs = {parent_ + name + "/cgroup.procs"};
    cgroup.kill_method = shim::KillMethod::kCgroupKillV2;
    cgroup.kill_directory = parent_ + name;
    cgroup.memory_accounting = shim::MemoryAccounting::kV2;
    cgroup.memory_directory = parent_ + name;
    cgroup.oom_kills_before = oom_kills;
    return cgroup;
  }

  absl::Status WriteLimits(const std::string& directory, const TaskLimits& limits) {
    // 100 is the kernel's default and one core's worth here; it takes 1 to 10000.
    const int64_t weight = std::clamp<int64_t>(limits.cpu_milli / 10, 1, 10'000);
    BERTH_RETURN_IF_ERROR(tree_.Write(directory + "cpu.weight", std::to_string(weight)));
    if (limits.memory_bytes > 0) {
      BERTH_RETURN_IF_ERROR(
          tree_.Write(directory + "memory.max", std::to_string(limits.memory_bytes)));
      // Not there when the kernel does not count swap.
      if (tree_.Exists(directory + "memory.swap.max")) {
        BERTH_RETURN_IF_ERROR(tree_.Write(directory + "memory.swap.max", "0"));
      }
    }
    if (limits.cpu_limit_milli > 0) {
      BERTH_RETURN_IF_ERROR(tree_.Write(
          directory + "cpu.max",
          std::to_string(QuotaUs(limits.cpu_limit_milli)) + " " + std::to_string(kQuotaPeriodUs)));
    }
    if (has_io_ && limits.io_weight > 0) {
      BERTH_RETURN_IF_ERROR(
          tree_.Write(directory + "io.weight", "default " + std::to_string(limits.io_weight)));
    }
    if (limits.max_processes > 0) {
      return tree_.Write(directory + "pids.max", std::to_string(limits.max_processes));
    }
    return absl::OkStatus();
  }

  void Remove(const std::string& name) {
    const absl::Status removed = tree_.RemoveDirectory(parent_ + name);
    if (removed.ok()) return;
    shim::KillCgroup(shim::KillMethod::kCgroupKillV2, (parent_ + name).c_str());
    unremoved_.insert(name);
    BERTH_LOG_DEBUG("cgroup {}: tried again later: {}", name, removed.ToString());
  }

  CgroupTree& tree_;
  CpuPool cpus_;
  const std::string mount_;
  const std::string root_;
  const std::string parent_;  // ends with a slash
  base::UniqueFd lock_;
  uint64_t next_ = 1;
  bool has_cpuset_ = false;
  bool has_io_ = false;
  std::map<std::string, CpuSet> dedicated_;
  std::set<std::string> taken_;
  std::set<std::string> unremoved_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Cgroups>> OpenCgroupsV2(CgroupTree& tree, const std::string& mount,
                                                       const std::string& root, CpuPool cpus) {
  auto cgroups = std::make_unique<CgroupsV2>(tree, mount, root, std::move(cpus));
  BERTH_RETURN_IF_ERROR(cgroups->Open());
  return std::unique_ptr<Cgroups>(std::move(cgroups));
}

bool HasControllersV2(CgroupTree& tree, const std::string& mount) {
  const absl::StatusOr<std::string> text = tree.Read(mount + "/cgroup.controllers");
  if (!text.ok()) return false;
  std::istringstream words(*text);
  std::set<std::string> names;
  for (std::string name; words >> name;) names.insert(name);
  return names.count("cpu") + names.count("memory") + names.count("pids") == 3;
}

}  // namespace berth::agentd
