#include "agentd/cgroups/detect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace berth::agentd {
namespace {

using ::testing::HasSubstr;

// As /proc/self/mountinfo has them.
constexpr char kHybrid[] =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer\n"
    "39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
constexpr char kUnified[] =
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev - cgroup2 cgroup2 "
    "rw,nsdelegate,memory_recursiveprot\n";

TEST(CgroupMountsTest, ReadsAHybridMachine) {
  const CgroupMounts mounts = ParseCgroupMounts(kHybrid);
  EXPECT_EQ(mounts.v1.cpu, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(mounts.v1.cpuacct, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(mounts.v1.memory, "/sys/fs/cgroup/memory");
  EXPECT_EQ(mounts.v1.freezer, "/sys/fs/cgroup/freezer");
  EXPECT_EQ(mounts.v1.pids, "/sys/fs/cgroup/pids");
  EXPECT_EQ(mounts.v2, "/sys/fs/cgroup/unified");
}

TEST(CgroupMountsTest, ReadsAUnifiedMachine) {
  const CgroupMounts mounts = ParseCgroupMounts(kUnified);
  EXPECT_EQ(mounts.v2, "/sys/fs/cgroup");
  EXPECT_EQ(mounts.v1.memory, "");
}

TEST(CgroupMountsTest, ReadsEscapedPathsAndPassesOverWhatItDoesNotKnow) {
  const CgroupMounts mounts = ParseCgroupMounts(
      "35 31 0:32 / /my\\040cgroups/memory rw - cgroup cgroup rw,memory\n"
      "garbage\n"
      "36 31 0:33 / /x rw - ext4 /dev/vda rw\n");
  EXPECT_EQ(mounts.v1.memory, "/my cgroups/memory");
}

TEST(OpenCgroupsTest, NoneIsOnlyGivenWhenAskedFor) {
  CgroupTree tree;
  const auto none = OpenCgroups(tree, {}, config::Isolation::kNone, "berth", CpuPool());
  ASSERT_TRUE(none.ok());
  EXPECT_EQ((*none)->isolation(), "none");
  const auto automatic = OpenCgroups(tree, {}, config::Isolation::kAuto, "berth", CpuPool());
  EXPECT_EQ(automatic.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(automatic.status().message()),
              HasSubstr("cpu, cpuacct, memory, freezer"));
  EXPECT_THAT(std::string(automatic.status().message()), HasSubstr("isolation: none"));
}

TEST(OpenCgroupsTest, SaysWhatV2Lacks) {
  CgroupTree tree;
  const auto missing = OpenCgroups(tree, {}, config::Isolation::kCgroupV2, "berth", CpuPool());
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("no cgroup2 is mounted"));
  CgroupMounts mounts;
  mounts.v2 = "/nowhere";
  const auto without = OpenCgroups(tree, mounts, config::Isolation::kCgroupV2, "berth", CpuPool());
  EXPECT_THAT(std::string(without.status().message()),
              HasSubstr("/nowhere does not have the controllers"));
}

}  // namespace
}  // namespace berth::agentd
