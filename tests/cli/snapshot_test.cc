// berth admin snapshot: what it writes, what it refuses to, what it prints.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/small_file.h"
#include "snapshot/snapshot_writer.h"
#include "tests/cli/cli_harness.h"
#include "tests/support/fake_job_service.h"
#include "tests/support/temp_dir.h"

namespace berth::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string SampleFile() {
  std::string file;
  snapshot::SnapshotWriter writer(
      [&](std::string_view bytes) {
        file += bytes;
        return absl::OkStatus();
      },
      {{'m', "meta"}, {'j', "jobs"}, {'t', "tasks"}, {'n', "nodes"}, {'x', "blobs"}});
  EXPECT_TRUE(writer
                  .Begin({.schema_version = 1,
                          .cluster_id = "0cc4c9a0-0000-4000-8000-000000000000",
                          .cluster_name = "north",
                          .generation = 1,
                          .term = 4,
                          .epoch = 1'000'000'000'077,
                          .created_unix_ms = 1'767'225'600'000,
                          .berthd_version = "0.1.0"})
                  .ok());
  EXPECT_TRUE(writer.Add('m', "cluster", "numbers").ok());
  for (const char* job : {"1", "2", "3"}) EXPECT_TRUE(writer.Add('j', job, "a job").ok());
  EXPECT_TRUE(writer.Add('t', "1.0", "a task").ok());
  EXPECT_TRUE(writer.Add('n', "0", "a node").ok());
  EXPECT_TRUE(writer.Add('x', "hash", std::string(5000, 's')).ok());
  EXPECT_TRUE(writer.End().ok());
  return file;
}

class SnapshotTest : public ::testing::Test {
 protected:
  using CliResult = testing::CliResult;

  SnapshotTest() { fake_.SetSnapshot(sample_); }

  CliResult Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"admin", "snapshot"});
    const CliResult result = harness_.Run(arguments);
    transcript_.Add(arguments, result);
    return result;
  }
  const std::string sample_ = SampleFile();
  const testing::TempDir folder_;
  const std::string file_ = folder_.path() + "/saved";
  testing::FakeJobService fake_;
  testing::CliHarness harness_{fake_.address()};
  testing::Transcript transcript_{{{fake_.address(), "unix:SOCKET"}, {folder_.path(), "/folder"}}};
};

class GoldenSnapshotTest : public SnapshotTest {};

TEST_F(GoldenSnapshotTest, SavesInspectsAndRefuses) {
  std::ofstream(folder_.path() + "/cut", std::ios::binary) << sample_.substr(0, 300);
  Run({"save", file_});
  Run({"save", file_});
  Run({"save", file_, "--force", "-o", "json"});
  Run({"save", folder_.path() + "/other", "-q"});
  Run({"inspect", file_});
  Run({"inspect", file_, "-o", "json"});
  Run({"inspect", folder_.path() + "/cut"});
  Run({"inspect", folder_.path() + "/cut", "-o", "json"});
  Run({"inspect", folder_.path() + "/none"});
  Run({"inspect", file_, "-o", "name"});
  Run({"save"});
  Run({"inspect"});
  Run({"restore"});
  Run({});
  Run({"svae", file_});
  Run({"save", "--forec", file_});
  Run({"save", file_, "-"});
  Run({"save", "-", "-o", "json"});
  Run({"restore", file_, "--data-dir", "/d", "--config", "/c"});
  Run({"restore", file_, "--data-dir", ""});
  Run({"restore", file_});
  Run({"--help"});
  Run({"save", "--help"});
  Run({"restore", "--help"});
  const std::string actual = transcript_.text();
  EXPECT_EQ(actual, testing::Golden("snapshot", actual));
}

TEST_F(SnapshotTest, WhatIsSavedIsWhatCameAndForItsUserAlone) {
  EXPECT_EQ(Run({"save", file_}).code, 0);
  EXPECT_EQ(*base::ReadSmallFile(file_), sample_);
  struct stat made {};
  ASSERT_EQ(::stat(file_.c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 0777, 0600u);
}

TEST_F(SnapshotTest, StandardOutputHasTheFileAndNothingElse) {
  const CliResult result = Run({"save", "-"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, sample_);
  EXPECT_THAT(result.err, HasSubstr("3 jobs"));
  harness_.terminal = true;
  EXPECT_EQ(Run({"save", "-"}).code, 2);
}

TEST_F(SnapshotTest, WhatDoesNotComeWholeIsNotKept) {
  std::string damaged = sample_;
  damaged[damaged.size() / 2] ^= 1;
  const std::vector<std::string> broken = {sample_.substr(0, sample_.size() - 1), damaged, ""};
  for (const std::string& file : broken) {
    fake_.SetSnapshot(file);
    const CliResult result = Run({"save", file_});
    EXPECT_NE(result.code, 0);
    EXPECT_THAT(result.err, HasSubstr("the snapshot that berthd sent"));
  }
  fake_.SetSnapshot(sample_);
  fake_.FailNext("SaveSnapshot",
                 grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "operators may"));
  EXPECT_EQ(Run({"save", file_}).code, 4);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(SnapshotTest, AnOldFileStaysUntilTheNewOneIsWhole) {
  std::ofstream(file_) << "old";
  EXPECT_EQ(Run({"save", file_}).code, 1);
  EXPECT_EQ(fake_.calls("SaveSnapshot"), 0);
  fake_.SetSnapshot(sample_.substr(0, 700));
  EXPECT_NE(Run({"save", file_, "--force"}).code, 0);
  EXPECT_EQ(*base::ReadSmallFile(file_), "old");
  fake_.SetSnapshot(sample_);
  EXPECT_EQ(Run({"save", file_, "--force"}).code, 0);
  EXPECT_EQ(*base::ReadSmallFile(file_), sample_);
}

TEST_F(SnapshotTest, RestoringIsLeftToBerthd) {
  Run({"restore", file_, "--data-dir", "/d", "--generation", "4", "-o", "json"});
  EXPECT_THAT(harness_.became, ElementsAre("berthd", "restore-snapshot", file_, "--data-dir", "/d",
                                           "--generation", "4", "--output", "json"));
  Run({"restore", file_, "--config", "/c"});
  EXPECT_THAT(harness_.became, ElementsAre("berthd", "restore-snapshot", file_, "--config", "/c"));
}

}  // namespace
}  // namespace berth::cli
