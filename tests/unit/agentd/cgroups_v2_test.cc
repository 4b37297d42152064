// Against a tree of plain files (tests/data/cgroup_v2): a new directory gets its files as the
// kernel gives them. What the kernel does with the limits is not shown here.
#include "agentd/cgroups/cgroups_v2.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "agentd/cgroups/cgroup_tree.h"
#include "agentd/cgroups/detect.h"
#include "base/small_file.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/agentd/two_numa_nodes.h"

namespace berth::agentd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

constexpr char kRecorded[] = "tests/data/cgroup_v2";

// Two NUMA nodes of four CPUs.
// Fills new directories with the tree's files, and removes one that has no processes.
class RecordedTree : public CgroupTree {
 public:
  absl::Status MakeDirectory(const std::string& path) override {
    if (fs::exists(path)) return absl::OkStatus();
    fs::create_directory(path);
    for (const auto& file : fs::directory_iterator(std::string(kRecorded) + "/child")) {
      fs::copy(file.path(), path + "/" + file.path().filename().string());
    }
    return absl::OkStatus();
  }

  absl::Status RemoveDirectory(const std::string& path) override {
    if (!Read(path + "/cgroup.procs").value_or("").empty()) {
      return absl::FailedPreconditionError("busy");
    }
    fs::remove_all(path);
    return absl::OkStatus();
  }
};

class CgroupsV2Test : public ::testing::Test {
 protected:
  CgroupsV2Test() {
    fs::copy(std::string(kRecorded) + "/mount", mount_, fs::copy_options::recursive);
    Open();
  }

  void Open() {
    cgroups_.reset();
    auto opened = OpenCgroupsV2(tree_, mount_, "site/berth", TwoNumaNodes());
    EXPECT_TRUE(opened.ok()) << opened.status();
    cgroups_ = *std::move(opened);
  }

  std::string File(const std::string& path) const {
    return *base::ReadSmallFile(mount_ + "/" + path);
  }

  void SetFile(const std::string& path, const std::string& text) const {
    std::ofstream(mount_ + "/" + path, std::ios::trunc) << text;
  }

  berth::testing::TempDir dir_;
  const std::string mount_ = dir_.path() + "/cgroup";
  RecordedTree tree_;
  std::unique_ptr<Cgroups> cgroups_;
};

TEST_F(CgroupsV2Test, HandsTheControllersDownToItsRoot) {
  for (const char* directory : {"", "site/", "site/berth/"}) {
    EXPECT_EQ(File(std::string(directory) + "cgroup.subtree_control"),
              "+cpu +memory +pids +cpuset +io");
  }
}

TEST_F(CgroupsV2Test, WritesTheLimitsOfATask) {
  const auto cgroup = cgroups_->Take({2500, 64 << 20, 17});
  ASSERT_TRUE(cgroup.ok()) << cgroup.status();
  const std::string directory = "site/berth/" + cgroup->name;
  EXPECT_THAT(cgroup->procs, ElementsAre(mount_ + "/" + directory + "/cgroup.procs"));
  EXPECT_EQ(cgroup->kill_method, shim::KillMethod::kCgroupKillV2);
  EXPECT_EQ(cgroup->memory_accounting, shim::MemoryAccounting::kV2);
  EXPECT_EQ(File(directory + "/cpu.weight"), "250");
  EXPECT_EQ(File(directory + "/memory.max"), "67108864");
  EXPECT_EQ(File(directory + "/memory.swap.max"), "0");
  EXPECT_EQ(File(directory + "/pids.max"), "17");
}

TEST_F(CgroupsV2Test, WritesWhatATaskAsksForBesides) {
  const auto cgroup = cgroups_->Take({.cpu_milli = 1000, .cpu_limit_milli = 1500, .io_weight = 7});
  ASSERT_TRUE(cgroup.ok()) << cgroup.status();
  const std::string directory = "site/berth/" + cgroup->name;
  EXPECT_EQ(File(directory + "/cpu.max"), "150000 100000");
  EXPECT_EQ(File(directory + "/io.weight"), "default 7");
  EXPECT_EQ(File(directory + "/cpuset.cpus"), "\n");
}

TEST_F(CgroupsV2Test, DedicatesCpusAndTakesThemAwayFromTheOthers) {
  const auto sharing = cgroups_->Take({.cpu_milli = 1000});
  const auto own = cgroups_->Take({.cpu_milli = 4000, .dedicated_cpus = 4, .one_numa_node = true});
  ASSERT_TRUE(own.ok()) << own.status();
  EXPECT_EQ(File("site/berth/" + own->name + "/cpuset.cpus"), "0-3");
  EXPECT_EQ(File("site/berth/" + own->name + "/cpuset.mems"), "0");
  EXPECT_EQ(File("site/berth/" + sharing->name + "/cpuset.cpus"), "4-7");
  const auto later = cgroups_->Take({.cpu_milli = 1000});
  EXPECT_EQ(File("site/berth/" + later->name + "/cpuset.cpus"), "4-7");
  EXPECT_TRUE(
      absl::IsResourceExhausted(cgroups_->Take({.cpu_milli = 4000, .dedicated_cpus = 4}).status()));

  const std::string name = own->name;
  Open();  // an agent after this one knows whose they are
  ASSERT_TRUE(cgroups_->Adopt(name).ok());
  EXPECT_FALSE(cgroups_->Take({.cpu_milli = 4000, .dedicated_cpus = 4}).ok());
  cgroups_->GiveBack(*own, true, 0);
  EXPECT_TRUE(cgroups_->Take({.cpu_milli = 4000, .dedicated_cpus = 4}).ok());
}

TEST_F(CgroupsV2Test, KeepsTheWeightInsideWhatTheKernelTakes) {
  const auto none = cgroups_->Take({0, 1 << 20, 0});
  EXPECT_EQ(File("site/berth/" + none->name + "/cpu.weight"), "1");
  const auto huge = cgroups_->Take({1'000'000, 1 << 20, 0});
  EXPECT_EQ(File("site/berth/" + huge->name + "/cpu.weight"), "10000");
}

TEST_F(CgroupsV2Test, AdoptsNothingTwiceAndKillsNobodyWithoutACgroup) {
  const auto cgroup = cgroups_->Take({1000, 64 << 20, 0});
  ASSERT_TRUE(cgroup.ok());
  EXPECT_EQ(cgroups_->Adopt(cgroup->name).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(cgroups_->Adopt("").status().code(), absl::StatusCode::kNotFound);
  SetFile("site/berth/cgroup.kill", "");
  EXPECT_EQ(cgroups_->Kill(TaskCgroup{}), 0);
  EXPECT_EQ(File("site/berth/cgroup.kill"), "");
}

TEST_F(CgroupsV2Test, ReadsWhatATaskUses) {
  const auto cgroup = cgroups_->Take({1000, 64 << 20, 0});
  const std::string directory = "site/berth/" + cgroup->name;
  SetFile(directory + "/cpu.stat", "usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\n");
  SetFile(directory + "/memory.current", "9437184\n");
  SetFile(directory + "/memory.peak", "12582912\n");
  SetFile(directory + "/io.stat",
          "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n"
          "8:16 rbytes=1 wbytes=2 rios=1 wios=1 dbytes=0 dios=0\n");
  const CgroupUsage usage = cgroups_->Usage(*cgroup);
  EXPECT_EQ(usage.io_read_bytes, 4097);
  EXPECT_EQ(usage.io_written_bytes, 8194);
  EXPECT_EQ(usage.cpu_time_ms, 1234);
  EXPECT_EQ(usage.memory_bytes, 9437184);
  EXPECT_EQ(usage.memory_peak_bytes, 12582912);
}

TEST_F(CgroupsV2Test, GoesWithoutThePeakOnAnOlderKernel) {
  const auto cgroup = cgroups_->Take({1000, 64 << 20, 0});
  fs::remove(mount_ + "/site/berth/" + cgroup->name + "/memory.peak");
  EXPECT_EQ(cgroups_->Usage(*cgroup).memory_peak_bytes, 0);
}

TEST_F(CgroupsV2Test, RemovesTheCgroupOfAnEndedTask) {
  const auto cgroup = cgroups_->Take({1000, 64 << 20, 0});
  cgroups_->GiveBack(*cgroup, true, 0);
  EXPECT_FALSE(fs::exists(cgroup->kill_directory));
  EXPECT_NE(cgroups_->Take({})->name, cgroup->name);
}

TEST_F(CgroupsV2Test, KillsThroughTheKernelsFile) {
  const auto cgroup = cgroups_->Take({1000, 64 << 20, 0});
  const std::string directory = "site/berth/" + cgroup->name;
  EXPECT_EQ(cgroups_->Kill(*cgroup), 0);
  EXPECT_EQ(File(directory + "/cgroup.kill"), "");
  SetFile(directory + "/cgroup.procs", std::to_string(getpid()) + "\n");
  EXPECT_EQ(cgroups_->Kill(*cgroup), 1);
  EXPECT_EQ(File(directory + "/cgroup.kill"), "1");
  SetFile(directory + "/cgroup.procs", "");
}

TEST_F(CgroupsV2Test, FreezesAndKillsOneByOneOnAKernelWithoutThatFile) {
  const auto cgroup = cgroups_->Take({1000, 64 << 20, 0});
  const std::string directory = "site/berth/" + cgroup->name;
  fs::remove(mount_ + "/" + directory + "/cgroup.kill");
  SetFile(directory + "/cgroup.events", "populated 1\nfrozen 1\n");
  SetFile(directory + "/cgroup.freeze", "?");
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  SetFile(directory + "/cgroup.procs", std::to_string(child) + "\n");
  EXPECT_EQ(cgroups_->Kill(*cgroup), 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_EQ(File(directory + "/cgroup.freeze"), "0");
  SetFile(directory + "/cgroup.procs", "");
}

TEST_F(CgroupsV2Test, TriesAgainToRemoveWhatIsBusy) {
  const auto cgroup = cgroups_->Take({1000, 64 << 20, 0});
  const std::string procs = "site/berth/" + cgroup->name + "/cgroup.procs";
  SetFile(procs, std::to_string(getpid()) + "\n");
  cgroups_->GiveBack(*cgroup, true, 0);
  EXPECT_TRUE(fs::exists(cgroup->kill_directory));
  SetFile(procs, "");
  cgroups_->Tidy();
  EXPECT_FALSE(fs::exists(cgroup->kill_directory));
}

TEST_F(CgroupsV2Test, AdoptsWithTheOutOfMemoryKillsSoFar) {
  const auto cgroup = cgroups_->Take({1000, 64 << 20, 0});
  SetFile("site/berth/" + cgroup->name + "/memory.events",
          "low 0\nhigh 0\nmax 7\noom 2\noom_kill 2\noom_group_kill 0\n");
  const std::string name = cgroup->name;
  Open();
  const auto adopted = cgroups_->Adopt(name);
  ASSERT_TRUE(adopted.ok());
  EXPECT_EQ(adopted->oom_kills_before, 2u);
  EXPECT_THAT(cgroups_->RemoveLeftovers(), IsEmpty());
  EXPECT_TRUE(fs::exists(adopted->kill_directory));
  EXPECT_FALSE(cgroups_->Adopt("task-999").ok());
}

TEST_F(CgroupsV2Test, RemovesLeftoversButNotAnotherAgentsRoot) {
  const auto leftover = cgroups_->Take({1000, 64 << 20, 0});
  ASSERT_TRUE(tree_.MakeDirectory(mount_ + "/site/berth/other-agent").ok());
  Open();
  EXPECT_THAT(cgroups_->RemoveLeftovers(), IsEmpty());
  EXPECT_FALSE(fs::exists(leftover->kill_directory));
  EXPECT_TRUE(fs::exists(mount_ + "/site/berth/other-agent"));
}

TEST_F(CgroupsV2Test, IsChosenWhenItsControllersAreThere) {
  cgroups_.reset();
  CgroupMounts mounts;
  mounts.v2 = mount_;
  const auto opened =
      OpenCgroups(tree_, mounts, config::Isolation::kAuto, "site/berth", TwoNumaNodes());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ((*opened)->isolation(), "cgroup-v2");
  SetFile("cgroup.controllers", "hugetlb cpu\n");
  EXPECT_FALSE(HasControllersV2(tree_, mount_));
}

}  // namespace
}  // namespace berth::agentd
