// Specs and status records as releases have written them: tests/data/shim. A file that is there is
// never changed; one of a new version is written by
//   BERTH_WRITE_GOLDEN=1 build/release/tests/shim_spec_test --gtest_filter='GoldenTest.*'
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/small_file.h"
#include "shim/spec_view.h"
#include "shim/task_spec.h"

namespace berth::shim {
namespace {

constexpr char kFolder[] = "tests/data/shim/";

TaskSpec Process() {
  TaskSpec spec;
  spec.arguments = {"python3", "train.py"};
  spec.environment = {"PATH=/bin", "HOME=/home/ada"};
  spec.working_directory = "/srv/data";
  spec.input_path = "/a/stdin";
  spec.output_path = "/a/stdout";
  spec.error_path = "/a/stderr";
  spec.user = TaskUser{1000, 1001, {4, 27}};
  spec.cgroup_procs = {"/c/memory/cgroup.procs", "/c/freezer/cgroup.procs"};
  spec.kill_method = KillMethod::kFreezerV1;
  spec.kill_directory = "/c/freezer";
  spec.memory_accounting = MemoryAccounting::kV1;
  spec.memory_directory = "/c/memory";
  spec.lease_path = "/s/lease";
  spec.network_namespace = "/run/netns/n";
  spec.lease_until_ms = 91011;
  spec.oom_kills_before = 7;
  spec.umask = 077;
  spec.nice = 5;
  spec.grace_ms = 1234;
  spec.time_limit_ms = 5678;
  spec.open_files_soft = 1024;
  return spec;
}

TaskSpec Container() {
  TaskSpec spec;
  spec.arguments = {"sh"};
  spec.working_directory = "/";
  spec.container = ContainerSpec{"/usr/bin/crun",     "/b/1",         "/images/x", true,
                                 {"r/data", "w/tmp"}, {"/data", "/x"}};
  spec.console = ConsoleKind::kTerminal;
  spec.rows = 24;
  spec.columns = 80;
  return spec;
}

TaskSpec Beside() {
  TaskSpec spec;
  spec.arguments = {"/opt/berth-files", "read", "x"};
  spec.working_directory = "/";
  spec.inside = InsideContainer{700, 701, true};
  return spec;
}

std::string Ended() {
  StatusRecord record;
  record.kind = StatusKind::kEnd;
  record.shim_pid = 700;
  record.task_pid = 701;
  record.unix_ms = 1'767'268'800'000;
  record.boot_ms = 86'400'000;
  record.cause = EndCause::kTimeLimit;
  record.signal = 15;
  record.killed = 2;
  record.cpu_user_us = 1'500'000;
  record.memory_peak_bytes = 64 << 20;
  record.io_written_bytes = 4096;
  Seal(record);
  return {reinterpret_cast<const char*>(&record), sizeof(record)};
}

std::string Golden(const std::string& name, const std::string& now) {
  const std::string path = kFolder + name;
  if (std::getenv("BERTH_WRITE_GOLDEN") != nullptr && !std::filesystem::exists(path)) {
    std::filesystem::create_directories(kFolder);
    EXPECT_TRUE(base::WriteFileAtomically(path, now).ok());
  }
  const auto file = base::ReadSmallFile(path);
  EXPECT_TRUE(file.ok()) << file.status();
  return file.value_or("");
}

TEST(GoldenTest, SpecsAreWrittenAsEverAndRead) {
  for (const auto& [name, spec] : std::vector<std::pair<std::string, TaskSpec>>{
           {"process", Process()}, {"container", Container()}, {"beside", Beside()}}) {
    const std::string now = EncodeSpec(spec);
    const std::string bytes =
        Golden("spec-v" + std::to_string(kSpecVersion) + "-" + name + ".bin", now);
    EXPECT_EQ(bytes, now) << name << ": a spec of another form has another version";
    std::vector<uint64_t> words(bytes.size() / 8 + 1);
    bytes.copy(reinterpret_cast<char*>(words.data()), bytes.size());
    const char* data = reinterpret_cast<const char*>(words.data());
    std::vector<char*> pointers(PointersNeeded(data, bytes.size()) + 1);
    SpecView view;
    EXPECT_STREQ(ParseSpec(data, bytes.size(), pointers.data(), view), nullptr) << name;
  }
}

TEST(GoldenTest, RecordsAreWrittenAsEverAndRead) {
  const std::string bytes =
      Golden("status-v" + std::to_string(kStatusVersion) + "-end.bin", Ended());
  EXPECT_EQ(bytes, Ended()) << "a record of another form has another version";
  StatusRecord record;
  ASSERT_EQ(bytes.size(), sizeof(record));
  bytes.copy(reinterpret_cast<char*>(&record), sizeof(record));
  EXPECT_TRUE(IsWhole(record, StatusKind::kEnd));
  EXPECT_EQ(record.memory_peak_bytes, 64 << 20);
}

}  // namespace
}  // namespace berth::shim
