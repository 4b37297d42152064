// On the machine's own v1 hierarchies, with real processes and real limits.
#include "agentd/cgroups/cgroups_v1.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "agentd/cgroups/detect.h"
#include "agentd/drivers/process_driver.h"
#include "agentd/probe/cpu_probe.h"
#include "base/small_file.h"
#include "tests/support/await.h"
#include "tests/unit/agentd/own_cgroup_root.h"
#include "tests/unit/shim/shim_runner.h"

namespace berth::agentd {
namespace {

using berth::testing::Await;
using berth::testing::OwnCgroupRoot;
using berth::testing::ShimRunner;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// This machine's, as one NUMA node.
CpuPool Cpus() {
  CpuPool::Node node;
  for (const int cpu : OwnCpus()) node.cpus.insert(cpu);
  return CpuPool({node});
}

class CgroupsV1Test : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!OwnCgroupRoot::Usable()) GTEST_SKIP() << OwnCgroupRoot::kWhyNot;
    Open();
  }

  void Open() {
    cgroups_.reset();
    auto opened = OpenCgroupsV1(tree_, root_.mounts(), root_.name(), Cpus());
    ASSERT_TRUE(opened.ok()) << opened.status();
    cgroups_ = *std::move(opened);
  }

  TaskCgroup Take(const TaskLimits& limits) {
    auto taken = cgroups_->Take(limits);
    EXPECT_TRUE(taken.ok()) << taken.status();
    return taken.ok() ? *taken : TaskCgroup{};
  }

  std::string File(const std::string& mount, const TaskCgroup& cgroup, const std::string& name) {
    std::string text = *tree_.Read(mount + "/" + root_.name() + "/" + cgroup.name + "/" + name);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }

  shim::TaskSpec ShellIn(const TaskCgroup& cgroup, const std::string& command) {
    shim::TaskSpec spec = runner_.ShellSpec(command);
    AddCgroup(cgroup, spec);
    return spec;
  }

  std::string Directory(const std::string& mount, const TaskCgroup& cgroup) const {
    return mount + "/" + root_.name() + "/" + cgroup.name;
  }

  // A process of nobody's in that one hierarchy of the cgroup, where no shim sees it.
  pid_t StartIn(const std::string& mount, const TaskCgroup& cgroup) {
    pid_t pid = -1;
    char* const arguments[] = {const_cast<char*>("sleep"), const_cast<char*>("60"), nullptr};
    EXPECT_EQ(posix_spawnp(&pid, "sleep", nullptr, nullptr, arguments, environ), 0);
    const absl::Status joined =
        tree_.Write(Directory(mount, cgroup) + "/cgroup.procs", std::to_string(pid));
    EXPECT_TRUE(joined.ok()) << joined;
    return pid;
  }

  // The signal that ends a child of this process.
  static int SignalOf(pid_t child) {
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }

  static constexpr int64_t kMebibyte = 1 << 20;
  OwnCgroupRoot root_;
  CgroupTree tree_;
  ShimRunner runner_;
  std::unique_ptr<Cgroups> cgroups_;
};

TEST_F(CgroupsV1Test, WritesTheLimits) {
  const TaskCgroup cgroup = Take({2500, 64 * kMebibyte, 17});
  EXPECT_EQ(File(root_.mounts().cpu, cgroup, "cpu.shares"), "2560");
  EXPECT_EQ(File(root_.mounts().memory, cgroup, "memory.limit_in_bytes"), "67108864");
  EXPECT_EQ(File(root_.mounts().pids, cgroup, "pids.max"), "17");
}

TEST_F(CgroupsV1Test, HoldsATaskToItsCpuLimit) {
  const TaskCgroup cgroup = Take({.cpu_milli = 100, .memory_bytes = 0, .cpu_limit_milli = 250});
  EXPECT_EQ(File(root_.mounts().cpu, cgroup, "cpu.cfs_quota_us"), "25000");
  EXPECT_EQ(runner_.Run(ShellIn(cgroup, "exit 0")).exit_code, 0);
  cgroups_->GiveBack(cgroup, true, 0);
  EXPECT_EQ(File(root_.mounts().cpu, Take({.cpu_milli = 100}), "cpu.cfs_quota_us"), "-1");
}

TEST_F(CgroupsV1Test, DedicatesCpusAndTakesThemAwayFromTheOthers) {
  if (!cgroups_->powers().dedicated_cpus || OwnCpus().size() < 2) {
    GTEST_SKIP() << "needs a writable cpuset hierarchy and two CPUs";
  }
  const std::string all = ToList(Cpus().shared());
  const std::string shared_file =
      root_.mounts().cpuset + "/" + root_.name() + "/shared/cpuset.cpus";
  const TaskCgroup sharing = Take({.cpu_milli = 1000});
  const TaskCgroup own = Take({.cpu_milli = 1000, .dedicated_cpus = 1, .one_numa_node = true});
  const std::string cpu = File(root_.mounts().cpuset, own, "cpuset.cpus");
  EXPECT_EQ(cpu.find_first_of(",-"), std::string::npos) << cpu;
  EXPECT_NE(*tree_.Read(shared_file), all + "\n");

  runner_.Run(ShellIn(own, "grep Cpus_allowed_list /proc/self/status"));
  EXPECT_THAT(runner_.Output(), HasSubstr(":\t" + cpu + "\n"));
  ShimRunner another;
  shim::TaskSpec spec = another.ShellSpec("grep Cpus_allowed_list /proc/self/status");
  AddCgroup(sharing, spec);
  another.Run(spec);
  EXPECT_THAT(another.Output(), HasSubstr(*tree_.Read(shared_file)));

  // An agent after this one knows whose they are.
  Open();
  ASSERT_TRUE(cgroups_->Adopt(own.name).ok());
  EXPECT_NE(*tree_.Read(shared_file), all + "\n");
  cgroups_->GiveBack(own, true, 0);
  EXPECT_EQ(*tree_.Read(shared_file), all + "\n");
  EXPECT_FALSE(tree_.Exists(root_.mounts().cpuset + "/" + root_.name() + "/" + own.name));
}

TEST_F(CgroupsV1Test, RefusesMoreCpusThanThereAre) {
  if (!cgroups_->powers().dedicated_cpus) GTEST_SKIP() << "needs a writable cpuset hierarchy";
  const auto refused =
      cgroups_->Take({.cpu_milli = 1000, .dedicated_cpus = static_cast<int32_t>(OwnCpus().size())});
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status())) << refused.status();
  EXPECT_THAT(refused.status().ToString(), HasSubstr("one stays for the tasks that share"));
}

TEST_F(CgroupsV1Test, WeighsATasksDisksAgainstOthers) {
  if (!cgroups_->powers().io_weight) GTEST_SKIP() << "needs a blkio hierarchy that has weights";
  const TaskCgroup cgroup = Take({.cpu_milli = 1000, .io_weight = 321});
  EXPECT_THAT(File(root_.mounts().blkio, cgroup, "blkio.bfq.weight"), HasSubstr("321"));
  EXPECT_EQ(runner_.Run(ShellIn(cgroup, "exit 0")).exit_code, 0);
  cgroups_->GiveBack(cgroup, true, 0);
  EXPECT_THAT(File(root_.mounts().blkio, Take({.cpu_milli = 1000}), "blkio.bfq.weight"),
              HasSubstr("100"));
}

TEST_F(CgroupsV1Test, GivesACleanCgroupToTheNextTaskWithItsOwnLimits) {
  const TaskCgroup first = Take({1000, 64 * kMebibyte, 17});
  EXPECT_EQ(runner_.Run(ShellIn(first, "exit 0")).exit_code, 0);
  cgroups_->GiveBack(first, true, 0);
  const TaskCgroup second = Take({500, 128 * kMebibyte, 0});
  EXPECT_EQ(second.name, first.name);
  EXPECT_EQ(File(root_.mounts().cpu, second, "cpu.shares"), "512");
  EXPECT_EQ(File(root_.mounts().memory, second, "memory.limit_in_bytes"), "134217728");
  EXPECT_EQ(File(root_.mounts().pids, second, "pids.max"), "max");
  EXPECT_LT(cgroups_->Usage(second).memory_peak_bytes, kMebibyte);
  EXPECT_EQ(cgroups_->Usage(second).cpu_time_ms, 0);
}

TEST_F(CgroupsV1Test, DoesNotGiveOnWhatStillHoldsMemory) {
  const TaskCgroup first = Take({1000, 256 * kMebibyte, 0});
  // The page cache of what it writes stays charged to it.
  runner_.Run(ShellIn(first, "head -c 20000000 /dev/zero > " + runner_.path("big")));
  EXPECT_GT(cgroups_->Usage(first).memory_bytes, 10 * kMebibyte);
  cgroups_->GiveBack(first, true, 0);
  const TaskCgroup second = Take({1000, 256 * kMebibyte, 0});
  EXPECT_NE(second.name, first.name);
  EXPECT_FALSE(tree_.Exists(first.kill_directory));
  EXPECT_FALSE(tree_.Exists(first.memory_directory));
}

TEST_F(CgroupsV1Test, DoesNotGiveOnWhatStillHasAProcessInAnyHierarchy) {
  const CgroupV1Mounts& mounts = root_.mounts();
  for (const std::string& mount : {mounts.freezer, mounts.cpu, mounts.memory, mounts.pids}) {
    const TaskCgroup cgroup = Take({1000, 64 * kMebibyte, 17});
    const pid_t left = StartIn(mount, cgroup);
    cgroups_->GiveBack(cgroup, true, 0);
    EXPECT_NE(Take({}).name, cgroup.name) << mount;
    EXPECT_EQ(SignalOf(left), SIGKILL) << mount;
    EXPECT_TRUE(Await([&] {
      cgroups_->Tidy();
      return !tree_.Exists(Directory(mount, cgroup));
    })) << mount;
  }
}

TEST_F(CgroupsV1Test, DoesNotGiveOnWhatStillHasAProcessOnItsOwnCpus) {
  if (!cgroups_->powers().dedicated_cpus || OwnCpus().size() < 2) {
    GTEST_SKIP() << "needs a writable cpuset hierarchy and two CPUs";
  }
  const TaskCgroup own = Take({.cpu_milli = 1000, .dedicated_cpus = 1});
  const pid_t left = StartIn(root_.mounts().cpuset, own);
  cgroups_->GiveBack(own, true, 0);
  const TaskCgroup next = Take({.cpu_milli = 1000});
  EXPECT_NE(next.name, own.name);
  EXPECT_EQ(SignalOf(left), SIGKILL);
  // Who came after it is not killed in its place.
  const pid_t of_next = StartIn(root_.mounts().freezer, next);
  EXPECT_TRUE(Await([&] {
    cgroups_->Tidy();
    return !tree_.Exists(Directory(root_.mounts().cpuset, own));
  }));
  EXPECT_TRUE(berth::testing::IsRunning(of_next));
  cgroups_->GiveBack(next, false, 0);
  EXPECT_EQ(SignalOf(of_next), SIGKILL);
}

TEST_F(CgroupsV1Test, DoesNotAdoptWhatIsBeingRemoved) {
  const TaskCgroup cgroup = Take({});
  const pid_t left = StartIn(root_.mounts().freezer, cgroup);
  const pid_t too = StartIn(root_.mounts().memory, cgroup);
  cgroups_->GiveBack(cgroup, true, 0);
  ASSERT_TRUE(tree_.Exists(cgroup.kill_directory) && tree_.Exists(cgroup.memory_directory));
  EXPECT_EQ(cgroups_->Adopt(cgroup.name).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(SignalOf(left), SIGKILL);
  EXPECT_EQ(SignalOf(too), SIGKILL);
}

TEST_F(CgroupsV1Test, KillsATaskAtItsMemoryLimitAndTellsSo) {
  const TaskCgroup cgroup = Take({1000, 32 * kMebibyte, 0});
  const shim::StatusRecord end = runner_.Run(
      ShellIn(cgroup, "exec python3 -c 'x = bytearray(200 * 1024 * 1024); print(len(x))'"));
  EXPECT_EQ(end.signal, SIGKILL);
  EXPECT_GE(end.oom_kills, 1u);
  EXPECT_EQ(end.cause, shim::EndCause::kItself);
  EXPECT_GT(end.memory_peak_bytes, 30 * kMebibyte);
  EXPECT_LE(end.memory_peak_bytes, 32 * kMebibyte);
  EXPECT_EQ(runner_.Output(), "");
  cgroups_->GiveBack(cgroup, true, end.oom_kills);
  // The kernel's counter goes on in the same cgroup; the next task does not inherit the kill.
  const TaskCgroup next = Take({1000, 32 * kMebibyte, 0});
  ShimRunner another;
  shim::TaskSpec spec = another.ShellSpec("exit 1");
  AddCgroup(next, spec);
  EXPECT_EQ(another.Run(spec).oom_kills, 0u);
}

TEST_F(CgroupsV1Test, RefusesMoreProcessesThanAllowed) {
  const TaskCgroup cgroup = Take({1000, 64 * kMebibyte, 4});
  const shim::StatusRecord end =
      runner_.Run(ShellIn(cgroup, "for i in 1 2 3 4 5 6 7 8; do sleep 60 & done; exit 0"));
  EXPECT_NE(end.exit_code, 0);
  EXPECT_THAT(runner_.ErrorOutput(), HasSubstr("fork"));
  EXPECT_EQ(end.stuck, 0u);
}

TEST_F(CgroupsV1Test, LeavesTheShimOutOfTheTasksCgroup) {
  const TaskCgroup cgroup = Take({1000, 64 * kMebibyte, 0});
  runner_.Start(ShellIn(cgroup, "read line < $FIFO"));
  const shim::StatusRecord start = runner_.WaitForNotice();
  for (const std::string& procs : cgroup.procs) {
    EXPECT_EQ(*tree_.Read(procs), std::to_string(start.task_pid) + "\n") << procs;
  }
}

TEST_F(CgroupsV1Test, MeasuresARunningTask) {
  const TaskCgroup cgroup = Take({1000, 64 * kMebibyte, 0});
  runner_.Start(ShellIn(cgroup,
                        "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done; echo > $FIFO;"
                        "sleep 600"));
  runner_.ReadFifo();
  const CgroupUsage usage = cgroups_->Usage(cgroup);
  EXPECT_GT(usage.cpu_time_ms, 0);
  EXPECT_GT(usage.memory_bytes, 0);
  EXPECT_GE(usage.memory_peak_bytes, usage.memory_bytes);
}

TEST_F(CgroupsV1Test, KillsEverythingAlsoWhatForksAllTheTime) {
  const TaskCgroup cgroup = Take({1000, 256 * kMebibyte, 0});
  runner_.Start(ShellIn(cgroup,
                        "trap '' TERM; echo > $FIFO;"
                        "while :; do (sleep 60 &) ; sleep 0.001; done"));
  runner_.ReadFifo();
  runner_.Stop(0);
  EXPECT_EQ(runner_.WaitForShim(), shim::kShimDone);
  const shim::StatusRecord end = *runner_.Record(shim::StatusKind::kEnd);
  EXPECT_EQ(end.signal, SIGKILL);
  EXPECT_EQ(end.stuck, 0u);
  EXPECT_EQ(*tree_.Read(cgroup.procs[0]), "");
}

TEST_F(CgroupsV1Test, TermReachesEveryProcessOfTheTask) {
  const TaskCgroup cgroup = Take({1000, 64 * kMebibyte, 0});
  // In another session: not in the main process's group.
  runner_.Start(ShellIn(cgroup,
                        "setsid sh -c \"trap 'echo child; exit' TERM; echo > $FIFO;"
                        "while :; do sleep 0.01; done\" & trap 'wait; exit 8' TERM;"
                        "while :; do sleep 0.01; done"));
  runner_.ReadFifo();
  runner_.Stop(60'000);
  EXPECT_EQ(runner_.WaitForShim(), shim::kShimDone);
  EXPECT_EQ(runner_.Record(shim::StatusKind::kEnd)->exit_code, 8);
  EXPECT_THAT(runner_.Output(), HasSubstr("child"));
}

TEST_F(CgroupsV1Test, RemovesWhatAnotherAgentLeftAndNamesWhatRan) {
  const TaskCgroup empty = Take({1000, 64 * kMebibyte, 0});
  const TaskCgroup busy = Take({1000, 64 * kMebibyte, 0});
  const TaskCgroup adopted = Take({1000, 64 * kMebibyte, 0});
  runner_.Start(ShellIn(busy, "exec sleep 600"));
  runner_.WaitForNotice();
  Open();
  ASSERT_TRUE(cgroups_->Adopt(adopted.name).ok());
  EXPECT_THAT(cgroups_->RemoveLeftovers(), ElementsAre(busy.name));
  EXPECT_EQ(runner_.WaitForShim(), shim::kShimDone);
  cgroups_->Tidy();
  EXPECT_FALSE(tree_.Exists(empty.kill_directory));
  EXPECT_FALSE(tree_.Exists(busy.kill_directory));
  EXPECT_FALSE(tree_.Exists(busy.memory_directory));
  EXPECT_TRUE(tree_.Exists(adopted.kill_directory));
  // Nor does a new one get a name that is in use.
  EXPECT_NE(Take({}).name, adopted.name);
}

TEST_F(CgroupsV1Test, EmptiesByForceWhatIsGivenBackUnclean) {
  const TaskCgroup cgroup = Take({1000, 64 * kMebibyte, 0});
  runner_.Start(ShellIn(cgroup, "exec sleep 600"));
  const shim::StatusRecord start = runner_.WaitForNotice();
  cgroups_->GiveBack(cgroup, false, 0);
  EXPECT_EQ(runner_.WaitForShim(), shim::kShimDone);
  EXPECT_FALSE(berth::testing::IsRunning(start.task_pid));
  cgroups_->Tidy();
  EXPECT_FALSE(tree_.Exists(cgroup.kill_directory));
}

TEST_F(CgroupsV1Test, AdoptsNothingTwice) {
  const TaskCgroup running = Take({1000, 64 * kMebibyte, 0});
  const TaskCgroup ended = Take({1000, 64 * kMebibyte, 0});
  cgroups_->GiveBack(ended, true, 0);
  for (const TaskCgroup& cgroup : {running, ended}) {
    EXPECT_EQ(cgroups_->Adopt(cgroup.name).status().code(), absl::StatusCode::kAlreadyExists);
  }
  EXPECT_EQ(cgroups_->Adopt("").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Take({}).name, ended.name);
}

TEST_F(CgroupsV1Test, KillsNobodyForATaskWithoutACgroup) {
  const TaskCgroup cgroup = Take({1000, 64 * kMebibyte, 0});
  runner_.Start(ShellIn(cgroup, "exec sleep 600"));
  const shim::StatusRecord start = runner_.WaitForNotice();
  EXPECT_EQ(cgroups_->Kill(TaskCgroup{}), 0);
  cgroups_->GiveBack(TaskCgroup{}, false, 0);
  EXPECT_EQ(cgroups_->Usage(TaskCgroup{}).memory_bytes, 0);
  EXPECT_TRUE(berth::testing::IsRunning(start.task_pid));
}

TEST_F(CgroupsV1Test, IsForOneAgentAlone) {
  const auto second = OpenCgroupsV1(tree_, root_.mounts(), root_.name(), Cpus());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("cgroupRoot"));
}

TEST_F(CgroupsV1Test, NamesTheFileWhenACgroupCannotBeMade) {
  CgroupV1Mounts mounts = root_.mounts();
  mounts.memory = "/proc/self";
  const auto opened = OpenCgroupsV1(tree_, mounts, root_.name() + "-other", Cpus());
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("/proc/self/" + root_.name()));
  for (const std::string& mount : {mounts.cpu, mounts.cpuacct, mounts.freezer, mounts.pids}) {
    ASSERT_TRUE(tree_.RemoveDirectory(mount + "/" + root_.name() + "-other").ok());
  }
}

}  // namespace
}  // namespace berth::agentd
