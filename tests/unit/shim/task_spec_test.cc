#include "shim/task_spec.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "shim/spec_view.h"

namespace berth::shim {
namespace {

TaskSpec FullSpec() {
  TaskSpec spec;
  spec.arguments = {"python3", "-c", "print('é')", ""};
  spec.environment = {"PATH=/bin", "EMPTY="};
  spec.working_directory = "/srv/data";
  spec.output_path = "/a/stdout";
  spec.error_path = "/a/stderr";
  spec.user = TaskUser{1000, 1001, {4, 27}};
  spec.container = ContainerSpec{"/usr/bin/crun",     "/b/1",         "/images/x", true,
                                 {"r/data", "w/tmp"}, {"/data", "/x"}};
  spec.cgroup_procs = {"/c/memory/cgroup.procs", "/c/freezer/cgroup.procs"};
  spec.kill_method = KillMethod::kFreezerV1;
  spec.kill_directory = "/c/freezer";
  spec.memory_accounting = MemoryAccounting::kV1;
  spec.memory_directory = "/c/memory";
  spec.lease_path = "/s/lease";
  spec.lease_until_ms = 91011;
  spec.oom_kills_before = 7;
  spec.umask = 077;
  spec.nice = 5;
  spec.grace_ms = 1234;
  spec.time_limit_ms = 5678;
  spec.open_files_soft = 1024;
  return spec;
}

// The bytes at an address aligned as mmap(2) gives one.
struct Parsed {
  explicit Parsed(const std::string& bytes) : words(bytes.size() / 8 + 1) {
    std::memcpy(words.data(), bytes.data(), bytes.size());
    const char* data = reinterpret_cast<const char*>(words.data());
    pointers.resize(PointersNeeded(data, bytes.size()) + 1);
    error = ParseSpec(data, bytes.size(), pointers.data(), view);
  }
  std::vector<uint64_t> words;
  std::vector<char*> pointers;
  SpecView view;
  const char* error;
};

// Sets the size and checksum right again after a change.
std::string Reseal(std::string bytes) {
  auto* header = reinterpret_cast<SpecHeader*>(bytes.data());
  header->size = static_cast<uint32_t>(bytes.size());
  header->checksum = 0;
  header->checksum = Checksum(bytes.data(), bytes.size());
  return bytes;
}

TEST(TaskSpecTest, ComesBackFromItsBytesAsItWas) {
  const TaskSpec spec = FullSpec();
  const Parsed parsed(EncodeSpec(spec));
  ASSERT_STREQ(parsed.error, nullptr);
  const SpecView& view = parsed.view;
  EXPECT_STREQ(view.working_directory, "/srv/data");
  EXPECT_STREQ(view.output_path, "/a/stdout");
  EXPECT_STREQ(view.error_path, "/a/stderr");
  EXPECT_STREQ(view.kill_directory, "/c/freezer");
  EXPECT_STREQ(view.memory_directory, "/c/memory");
  EXPECT_STREQ(view.lease_path, "/s/lease");
  EXPECT_STREQ(view.cgroup_procs[0], "/c/memory/cgroup.procs");
  EXPECT_STREQ(view.cgroup_procs[1], "/c/freezer/cgroup.procs");
  EXPECT_EQ(view.header->cgroup_count, 2u);
  EXPECT_STREQ(view.runtime, "/usr/bin/crun");
  EXPECT_STREQ(view.bundle, "/b/1");
  EXPECT_STREQ(view.image, "/images/x");
  EXPECT_EQ(view.header->image_as_user, 1u);
  ASSERT_EQ(view.header->mount_count, 2u);
  EXPECT_STREQ(view.mounts[0], "r/data");
  EXPECT_STREQ(view.mounts[1], "w/tmp");
  EXPECT_STREQ(view.mount_targets[0], "/data");
  EXPECT_STREQ(view.mount_targets[1], "/x");
  for (size_t i = 0; i < spec.arguments.size(); ++i) {
    EXPECT_EQ(spec.arguments[i], view.arguments[i]);
  }
  EXPECT_EQ(view.arguments[spec.arguments.size()], nullptr);
  EXPECT_STREQ(view.environment[1], "EMPTY=");
  EXPECT_EQ(view.environment[2], nullptr);
  EXPECT_EQ(view.header->switch_user, 1u);
  EXPECT_EQ(view.header->uid, 1000u);
  EXPECT_EQ(view.header->gid, 1001u);
  ASSERT_EQ(view.header->group_count, 2u);
  EXPECT_EQ(view.groups[1], 27u);
  EXPECT_EQ(view.header->kill_method, KillMethod::kFreezerV1);
  EXPECT_EQ(view.header->memory_accounting, MemoryAccounting::kV1);
  EXPECT_EQ(view.header->oom_kills_before, 7u);
  EXPECT_EQ(view.header->umask, 077u);
  EXPECT_EQ(view.header->nice, 5);
  EXPECT_EQ(view.header->grace_ms, 1234);
  EXPECT_EQ(view.header->time_limit_ms, 5678);
  EXPECT_EQ(view.header->lease_until_ms, 91011);
  EXPECT_EQ(view.header->open_files_soft, 1024u);
}

TEST(TaskSpecTest, RefusesWhatCannotBeWritten) {
  TaskSpec with_nul = FullSpec();
  with_nul.arguments[1] = std::string("a\0b", 3);
  EXPECT_EQ(EncodeSpec(with_nul), "");
  TaskSpec many_groups = FullSpec();
  many_groups.user->groups.resize(kMaxGroups + 1);
  EXPECT_EQ(EncodeSpec(many_groups), "");
  TaskSpec many_cgroups = FullSpec();
  many_cgroups.cgroup_procs.resize(kMaxCgroups + 1);
  EXPECT_EQ(EncodeSpec(many_cgroups), "");
  TaskSpec many_mounts = FullSpec();
  many_mounts.container->mounts.resize(kMaxMounts + 1);
  many_mounts.container->mount_targets.resize(kMaxMounts + 1);
  EXPECT_EQ(EncodeSpec(many_mounts), "");
  TaskSpec without_a_target = FullSpec();
  without_a_target.container->mount_targets.pop_back();
  EXPECT_EQ(EncodeSpec(without_a_target), "");
}

TEST(SpecViewTest, RefusesEveryTruncation) {
  const std::string bytes = EncodeSpec(FullSpec());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_STRNE(Parsed(bytes.substr(0, size)).error, nullptr) << size;
  }
}

TEST(SpecViewTest, RefusesEveryTruncationThatIsSealedAnew) {
  const std::string bytes = EncodeSpec(FullSpec());
  for (size_t size = sizeof(SpecHeader); size < bytes.size(); ++size) {
    EXPECT_STRNE(Parsed(Reseal(bytes.substr(0, size))).error, nullptr) << size;
  }
}

TEST(SpecViewTest, RefusesAnyChangedByte) {
  const std::string bytes = EncodeSpec(FullSpec());
  for (size_t i = 0; i < bytes.size(); ++i) {
    // Counts are read to size the pointer table before the checksum is known to hold: leave them.
    if (i >= offsetof(SpecHeader, argument_count) && i < offsetof(SpecHeader, cgroup_count))
      continue;
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    EXPECT_STRNE(Parsed(changed).error, nullptr) << i;
  }
}

TEST(SpecViewTest, RefusesAnotherVersionAndNoCommand) {
  std::string other = EncodeSpec(FullSpec());
  reinterpret_cast<SpecHeader*>(other.data())->version = kSpecVersion + 1;
  EXPECT_STREQ(Parsed(Reseal(other)).error, "of a version that this shim does not know");
  TaskSpec empty = FullSpec();
  empty.arguments.clear();
  EXPECT_STREQ(Parsed(EncodeSpec(empty)).error, "it has no command");
}

TEST(StatusRecordTest, IsNotWholeWhenAnyByteDiffers) {
  StatusRecord record;
  record.kind = StatusKind::kEnd;
  record.exit_code = 3;
  Seal(record);
  ASSERT_TRUE(IsWhole(record, StatusKind::kEnd));
  EXPECT_FALSE(IsWhole(record, StatusKind::kStart));
  for (size_t i = 0; i < sizeof(record); ++i) {
    StatusRecord changed = record;
    reinterpret_cast<unsigned char*>(&changed)[i] ^= 1;
    EXPECT_FALSE(IsWhole(changed, StatusKind::kEnd)) << i;
  }
}

}  // namespace
}  // namespace berth::shim
