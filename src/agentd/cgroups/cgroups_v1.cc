#include "agentd/cgroups/cgroups_v1.h"

#include <signal.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include "agentd/cgroups/cgroup_numbers.h"
#include "agentd/probe/sysfs.h"
#include "base/check.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "shim/kill_all.h"

namespace berth::agentd {
namespace {

constexpr int64_t kCleanBytes = 1 << 20;
constexpr size_t kMostFree = 128;
constexpr char kShared[] = "shared/";
constexpr int32_t kDefaultIoWeight = 100;

// The limits that a cgroup's files hold; none known of one that was adopted.
struct Slot {
  std::optional<TaskLimits> limits;
  uint64_t oom_kills = 0;
};

class CgroupsV1 final : public Cgroups {
 public:
  CgroupsV1(CgroupTree& tree, const CgroupV1Mounts& mounts, const std::string& root, CpuPool cpus)
      : tree_(tree),
        cpus_(std::move(cpus)),
        root_(root),
        cpuset_mount_(mounts.cpuset),
        cpu_(mounts.cpu + "/" + root + "/"),
        cpuacct_(mounts.cpuacct + "/" + root + "/"),
        memory_(mounts.memory + "/" + root + "/"),
        freezer_(mounts.freezer + "/" + root + "/"),
        pids_(mounts.pids.empty() ? "" : mounts.pids + "/" + root + "/"),
        blkio_(mounts.blkio.empty() ? "" : mounts.blkio + "/" + root + "/") {
    // Controllers that share a mount share the directory too.
    for (const std::string* parent : {&cpu_, &cpuacct_, &memory_, &freezer_}) {
      if (!Holds(joined_, *parent)) joined_.push_back(*parent);
    }
    parents_ = joined_;
    for (const std::string* parent : {&pids_, &blkio_}) {
      if (!parent->empty() && !Holds(parents_, *parent)) parents_.push_back(*parent);
    }
  }

  absl::Status Open() {
    for (const std::string& parent : parents_) BERTH_RETURN_IF_ERROR(tree_.MakeDirectory(parent));
    BERTH_ASSIGN_OR_RETURN(lock_, tree_.Lock(freezer_));
    for (const std::string& name : Names()) {
      next_ = std::max<uint64_t>(next_,
                                 std::strtoull(name.c_str() + kTaskPrefix.size(), nullptr, 10) + 1);
    }
    if (!cpuset_mount_.empty()) {
      if (const absl::Status opened = OpenCpuset(); !opened.ok()) {
        BERTH_LOG_WARN("no CPUs are dedicated to tasks here: {}", opened.ToString());
        cpuset_.clear();
      }
    }
    has_quota_ = tree_.Exists(cpu_ + "cpu.cfs_quota_us");
    if (!blkio_.empty()) FindIoWeight();
    return absl::OkStatus();
  }

  std::string_view isolation() const override { return "cgroup-v1"; }
  CgroupPowers powers() const override {
    return {.cpu_limit = has_quota_,
            .dedicated_cpus = !cpuset_.empty(),
            .io_weight = !io_weight_.empty()};
  }

  absl::StatusOr<TaskCgroup> Take(const TaskLimits& limits) override {
    if (limits.max_processes > 0 && pids_.empty()) {
      return absl::UnavailableError("the pids controller is not mounted on this node");
    }
    while (!free_.empty()) {
      auto [name, slot] = std::move(free_.back());
      free_.pop_back();
      // The next Tidy() would kill whoever gets it.
      BERTH_CHECK(unremoved_.count(name) == 0) << "cgroup " << name << " is being removed";
      const absl::Status reused = WriteLimits(name, limits, slot);
      if (reused.ok()) return WithCpus(Lease(name, limits, std::move(slot)), limits);
      // The kernel will not lower the limit below what is still charged, for one.
      BERTH_LOG_DEBUG("cgroup {}: not used again: {}", name, reused.ToString());
      Remove(name);
    }
    const std::string name = std::string(kTaskPrefix) + std::to_string(next_++);
    Slot slot;
    absl::Status made;
    for (const std::string& parent : parents_) {
      made = tree_.MakeDirectory(parent + name);
      if (!made.ok()) break;
    }
    if (made.ok()) made = WriteLimits(name, limits, slot);
    if (!made.ok()) {
      Remove(name);
      return made;
    }
    return WithCpus(Lease(name, limits, std::move(slot)), limits);
  }

  absl::StatusOr<TaskCgroup> Adopt(std::string_view name) override {
    const std::string own(name);
    if (IsFree(own) || taken_.count(own) > 0) {
      return absl::AlreadyExistsError(base::A("cgroup " + freezer_ + own + " has another use"));
    }
    if (unremoved_.count(own) > 0) {
      return absl::NotFoundError(base::A("cgroup " + freezer_ + own + " is being removed"));
    }
    if (own.rfind(kTaskPrefix, 0) != 0 || !tree_.Exists(freezer_ + own) ||
        !tree_.Exists(memory_ + own)) {
      return absl::NotFoundError(base::A("there is no cgroup " + freezer_ + own));
    }
    Slot slot;
    const auto kills = tree_.ReadNumber(memory_ + own + "/memory.oom_control", "oom_kill ");
    slot.oom_kills = static_cast<uint64_t>(kills.value_or(0));
    return Lease(own, TaskLimits{}, std::move(slot));
  }

  void GiveBack(const TaskCgroup& cgroup, bool clean, uint32_t oom_kills) override {
    const auto taken = taken_.find(cgroup.name);
    if (taken == taken_.end()) return;
    Slot slot = std::move(taken->second);
    taken_.erase(taken);
    const bool left_its_cpus = GiveCpusBack(cgroup.name);
    slot.oom_kills += oom_kills;
    if (clean && left_its_cpus && Reset(cgroup.name)) {
      free_.emplace_back(cgroup.name, std::move(slot));
    } else {
      Remove(cgroup.name);
    }
  }

  CgroupUsage Usage(const TaskCgroup& cgroup) override {
    if (taken_.count(cgroup.name) == 0) return {};
    const std::string memory = memory_ + cgroup.name;
    return {
        .cpu_time_ms =
            tree_.ReadNumber(cpuacct_ + cgroup.name + "/cpuacct.usage").value_or(0) / 1'000'000,
        .memory_bytes = tree_.ReadNumber(memory + "/memory.usage_in_bytes").value_or(0),
        .memory_peak_bytes = tree_.ReadNumber(memory + "/memory.max_usage_in_bytes").value_or(0),
    };
  }

  std::vector<pid_t> Processes(const TaskCgroup& cgroup) override {
    if (taken_.count(cgroup.name) == 0) return {};
    return tree_.Processes(freezer_ + cgroup.name);
  }

  int Kill(const TaskCgroup& cgroup) override {
    // Without a name it would be the root, with every task below it.
    return taken_.count(cgroup.name) == 0 ? 0 : KillNamed(cgroup.name);
  }

  std::vector<std::string> RemoveLeftovers() override {
    std::vector<std::string> had_processes;
    for (const std::string& name : Names()) {
      if (IsFree(name) || taken_.count(name) > 0) continue;
      if (KillNamed(name) > 0) had_processes.push_back(name);
      GiveCpusBack(name);  // what it cannot remove, Remove() tries again
      Remove(name);
    }
    return had_processes;
  }

  void Tidy() override {
    const std::set<std::string> names = std::exchange(unremoved_, {});
    for (const std::string& name : names) Remove(name);
  }

 private:
  static bool Holds(const std::vector<std::string>& list, const std::string& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
  }

  bool IsFree(const std::string& name) const {
    return std::any_of(free_.begin(), free_.end(),
                       [&](const auto& each) { return each.first == name; });
  }

  std::vector<std::string> Names() const {
    std::set<std::string> names;
    for (const std::string& parent : parents_) {
      for (std::string& name : tree_.Directories(parent)) {
        // Anything else in there, another agent's root for one, is not ours.
        if (name.rfind(kTaskPrefix, 0) == 0) names.insert(std::move(name));
      }
    }
    if (!cpuset_.empty()) {
      for (std::string& name : tree_.Directories(cpuset_)) {
        if (name.rfind(kTaskPrefix, 0) == 0) names.insert(std::move(name));
      }
    }
    return {names.begin(), names.end()};
  }

  // Not in a mount's own directory: in those below it.
  void FindIoWeight() {
    for (const char* file : {"blkio.bfq.weight", "blkio.weight"}) {
      if (io_weight_.empty() && tree_.Exists(blkio_ + file)) io_weight_ = file;
    }
  }

  // The directories down to the root of cpuset have no CPUs before somebody writes them.
  absl::Status OpenCpuset() {
    std::string directory = cpuset_mount_;
    const std::string cpus = ToList(cpus_.shared());
    const std::string memory = ToList(cpus_.memory_nodes());
    std::istringstream parts(root_ + "/" + kShared);
    for (std::string part; std::getline(parts, part, '/');) {
      if (part.empty()) continue;
      directory += "/" + part;
      BERTH_RETURN_IF_ERROR(tree_.MakeDirectory(directory));
      BERTH_RETURN_IF_ERROR(tree_.Write(directory + "/cpuset.mems", memory));
      // What is there may be wider than this agent's share, and must not be wider than its parent.
      BERTH_RETURN_IF_ERROR(tree_.Write(directory + "/cpuset.cpus", cpus));
    }
    cpuset_ = cpuset_mount_ + "/" + root_ + "/";
    for (const std::string& name : tree_.Directories(cpuset_)) {
      if (name.rfind(kTaskPrefix, 0) != 0) continue;
      const std::vector<int> had =
          ParseCpuList(tree_.Read(cpuset_ + name + "/cpuset.cpus").value_or(""));
      dedicated_[name] = CpuSet(had.begin(), had.end());
      cpus_.Adopt(dedicated_[name]);
    }
    return Share();
  }

  absl::Status Share() {
    return tree_.Write(cpuset_ + kShared + "cpuset.cpus", ToList(cpus_.shared()));
  }

  // The cgroup with its part in cpuset. REQUIRES: it is taken.
  absl::StatusOr<TaskCgroup> WithCpus(TaskCgroup cgroup, const TaskLimits& limits) {
    if (cpuset_.empty()) return cgroup;
    if (limits.dedicated_cpus == 0) {
      cgroup.procs.push_back(cpuset_ + kShared + "cgroup.procs");
      return cgroup;
    }
    absl::Status made = Dedicate(cgroup.name, limits);
    if (!made.ok()) {
      GiveBack(cgroup, true, 0);
      return made;
    }
    cgroup.procs.push_back(cpuset_ + cgroup.name + "/cgroup.procs");
    return cgroup;
  }

  absl::Status Dedicate(const std::string& name, const TaskLimits& limits) {
    const auto taken = cpus_.Take(limits.dedicated_cpus, limits.one_numa_node);
    if (!taken) return TooFewCpus(cpus_, limits);
    dedicated_[name] = taken->cpus;
    const std::string directory = cpuset_ + name;
    // First the others leave these CPUs.
    BERTH_RETURN_IF_ERROR(Share());
    BERTH_RETURN_IF_ERROR(tree_.MakeDirectory(directory));
    BERTH_RETURN_IF_ERROR(tree_.Write(directory + "/cpuset.mems", ToList(taken->memory_nodes)));
    return tree_.Write(directory + "/cpuset.cpus", ToList(taken->cpus));
  }

  // False: its directory in cpuset is still there, for there is a process in it. Then the cgroup is
  // one to Remove().
  bool GiveCpusBack(const std::string& name) {
    const auto had = dedicated_.find(name);
    if (had == dedicated_.end()) return true;
    const bool removed = tree_.RemoveDirectory(cpuset_ + name).ok();
    cpus_.GiveBack(had->second);
    dedicated_.erase(had);
    if (const absl::Status shared = Share(); !shared.ok()) {
      BERTH_LOG_WARN("CPUs {} stay idle: {}", ToList(cpus_.shared()), shared.ToString());
    }
    return removed;
  }

  TaskCgroup Lease(const std::string& name, const TaskLimits& limits, Slot slot) {
    TaskCgroup cgroup;
    cgroup.name = name;
    for (const std::string& parent : joined_)
      cgroup.procs.push_back(parent + name + "/cgroup.procs");
    if (limits.max_processes > 0 && !Holds(joined_, pids_)) {
      cgroup.procs.push_back(pids_ + name + "/cgroup.procs");
    }
    if (limits.io_weight > 0 && !io_weight_.empty()) {
      cgroup.procs.push_back(blkio_ + name + "/cgroup.procs");
    }
    cgroup.kill_method = shim::KillMethod::kFreezerV1;
    cgroup.kill_directory = freezer_ + name;
    cgroup.memory_accounting = shim::MemoryAccounting::kV1;
    cgroup.memory_directory = memory_ + name;
    cgroup.oom_kills_before = slot.oom_kills;
    taken_.emplace(name, std::move(slot));
    return cgroup;
  }

  // Writes what differs from what the files hold.
  absl::Status WriteLimits(const std::string& name, const TaskLimits& limits, Slot& slot) {
    const bool fresh = !slot.limits.has_value();
    const TaskLimits had = slot.limits.value_or(TaskLimits{});
    slot.limits.reset();  // until all of it is written
    if (fresh || had.cpu_milli != limits.cpu_milli) {
      // 1024 is one core's worth; the kernel takes 2 to 262144.
      const int64_t shares = std::clamp<int64_t>(limits.cpu_milli * 1024 / 1000, 2, 262'144);
      BERTH_RETURN_IF_ERROR(tree_.Write(cpu_ + name + "/cpu.shares", std::to_string(shares)));
    }
    if (fresh ? limits.memory_bytes > 0 : had.memory_bytes != limits.memory_bytes) {
      BERTH_RETURN_IF_ERROR(WriteMemoryLimit(name, limits.memory_bytes));
    }
    if (has_quota_ && had.cpu_limit_milli != limits.cpu_limit_milli) {
      BERTH_RETURN_IF_ERROR(
          tree_.Write(cpu_ + name + "/cpu.cfs_quota_us", Quota(limits.cpu_limit_milli)));
    }
    if (!io_weight_.empty() && had.io_weight != limits.io_weight) {
      const int32_t weight = limits.io_weight > 0 ? limits.io_weight : kDefaultIoWeight;
      // The older scheduler's file takes no less than 10.
      const int32_t least = io_weight_ == "blkio.weight" ? 10 : 1;
      BERTH_RETURN_IF_ERROR(
          tree_.Write(blkio_ + name + "/" + io_weight_, std::to_string(std::max(weight, least))));
    }
    if (fresh ? limits.max_processes > 0 : had.max_processes != limits.max_processes) {
      const std::string most =
          limits.max_processes > 0 ? std::to_string(limits.max_processes) : "max";
      BERTH_RETURN_IF_ERROR(tree_.Write(pids_ + name + "/pids.max", most));
    }
    slot.limits = limits;
    return absl::OkStatus();
  }

  static std::string Quota(int64_t milli) {
    if (milli <= 0) return "-1";
    return std::to_string(QuotaUs(milli));
  }

  // Memory and swap together: without the second a task would go on in swap. The kernel refuses a
  // memory limit above the one on both, so the order depends on the direction; taking the limit on
  // both away first serves either.
  absl::Status WriteMemoryLimit(const std::string& name, int64_t bytes) {
    const std::string both = memory_ + name + "/memory.memsw.limit_in_bytes";
    const std::string text = bytes > 0 ? std::to_string(bytes) : "-1";
    const bool counts_swap = tree_.Exists(both);
    if (counts_swap) BERTH_RETURN_IF_ERROR(tree_.Write(both, "-1"));
    BERTH_RETURN_IF_ERROR(tree_.Write(memory_ + name + "/memory.limit_in_bytes", text));
    return counts_swap ? tree_.Write(both, text) : absl::OkStatus();
  }

  // Makes an empty cgroup as good as new; false when it is not worth it.
  bool Reset(const std::string& name) {
    if (free_.size() >= kMostFree) return false;
    const std::string memory = memory_ + name;
    const auto used = tree_.ReadNumber(memory + "/memory.usage_in_bytes");
    if (!used.has_value() || *used > kCleanBytes) return false;
    for (const std::string& parent : parents_) {
      if (tree_.HasDirectories(parent + name) || HasProcesses(parent + name)) return false;
    }
    return tree_.Write(memory + "/memory.max_usage_in_bytes", "0").ok() &&
           tree_.Write(cpuacct_ + name + "/cpuacct.usage", "0").ok();
  }

  // Also when that cannot be told.
  bool HasProcesses(const std::string& directory) {
    const absl::StatusOr<std::string> processes = tree_.Read(directory + "/cgroup.procs");
    return !processes.ok() || !processes->empty();
  }

  // Its directory in each hierarchy, whether it is there or not.
  std::vector<std::string> DirectoriesOf(const std::string& name) const {
    std::vector<std::string> directories;
    for (const std::string& parent : parents_) directories.push_back(parent + name);
    if (!cpuset_.empty()) directories.push_back(cpuset_ + name);
    return directories;
  }

  // In every hierarchy: a task of root may have left some of them. And in the cgroups that it may
  // have made below its own.
  int KillNamed(const std::string& name) {
    int killed = shim::KillCgroup(shim::KillMethod::kFreezerV1, (freezer_ + name).c_str());
    std::set<std::string> children;
    for (const std::string& directory : DirectoriesOf(name)) {
      killed = std::max(killed, shim::SignalCgroup(directory.c_str(), SIGKILL));
      for (std::string& child : tree_.Directories(directory)) children.insert(std::move(child));
    }
    for (const std::string& child : children) killed += KillNamed(name + "/" + child);
    return killed;
  }

  void Remove(const std::string& name) {
    absl::Status removed;
    for (const std::string& directory : DirectoriesOf(name)) {
      absl::Status status = tree_.RemoveDirectory(directory);
      if (!status.ok()) removed = std::move(status);
    }
    if (removed.ok()) return;
    // Processes that are dying, or cannot be killed: again at the next Tidy().
    KillNamed(name);
    unremoved_.insert(name);
    BERTH_LOG_DEBUG("cgroup {}: tried again later: {}", name, removed.ToString());
  }

  CgroupTree& tree_;
  CpuPool cpus_;
  const std::string root_;
  const std::string cpuset_mount_;
  // Each ends with a slash.
  const std::string cpu_;
  const std::string cpuacct_;
  const std::string memory_;
  const std::string freezer_;
  const std::string pids_;
  const std::string blkio_;
  std::string cpuset_;  // empty: no CPUs are dedicated
  bool has_quota_ = false;
  std::string io_weight_;  // the file's name; empty: there is none
  std::map<std::string, CpuSet> dedicated_;
  std::vector<std::string> joined_;   // those that each task joins
  std::vector<std::string> parents_;  // and pids
  base::UniqueFd lock_;
  uint64_t next_ = 1;
  std::vector<std::pair<std::string, Slot>> free_;
  std::map<std::string, Slot> taken_;
  std::set<std::string> unremoved_;  // none of them is free or taken
};

}  // namespace

absl::StatusOr<std::unique_ptr<Cgroups>> OpenCgroupsV1(CgroupTree& tree,
                                                       const CgroupV1Mounts& mounts,
                                                       const std::string& root, CpuPool cpus) {
  auto cgroups = std::make_unique<CgroupsV1>(tree, mounts, root, std::move(cpus));
  BERTH_RETURN_IF_ERROR(cgroups->Open());
  return std::unique_ptr<Cgroups>(std::move(cgroups));
}

}  // namespace berth::agentd
