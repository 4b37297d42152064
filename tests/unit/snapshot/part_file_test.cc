#include "snapshot/part_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/small_file.h"
#include "base/strings.h"
#include "tests/support/temp_dir.h"

namespace berth::snapshot {
namespace {

using ::testing::HasSubstr;

class PartFileTest : public ::testing::Test {
 protected:
  bool Exists(const std::string& path) const { return std::filesystem::exists(path); }

  const berth::testing::TempDir folder_;
  const std::string path_ = folder_.path() + "/state";
};

TEST_F(PartFileTest, AppearsWholeAndForItsUserAlone) {
  auto file = PartFile::Create(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE((*file)->Write("abc").ok());
  ASSERT_TRUE((*file)->Write("def").ok());
  EXPECT_FALSE(Exists(path_));
  ASSERT_TRUE((*file)->Complete(false).ok());
  EXPECT_EQ(*base::ReadSmallFile(path_), "abcdef");
  struct stat made {};
  ASSERT_EQ(::stat(path_.c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 0777, 0600u);
  EXPECT_FALSE(Exists(path_ + ".part"));
}

TEST_F(PartFileTest, WhatIsNotCompleteLeavesNothing) {
  { ASSERT_TRUE((*PartFile::Create(path_))->Write("abc").ok()); }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(PartFileTest, ReplacesOnlyWhenTold) {
  std::ofstream(path_) << "old";
  auto file = PartFile::Create(path_);
  ASSERT_TRUE((*file)->Write("new").ok());
  EXPECT_TRUE(absl::IsAlreadyExists((*file)->Complete(false)));
  EXPECT_EQ(*base::ReadSmallFile(path_), "old");
  ASSERT_TRUE((*file)->Complete(true).ok());
  EXPECT_EQ(*base::ReadSmallFile(path_), "new");
}

TEST_F(PartFileTest, TakesOverWhatAKillLeft) {
  std::ofstream(path_ + ".part") << "half of something much longer";
  auto file = PartFile::Create(path_);
  ASSERT_TRUE((*file)->Write("whole").ok());
  ASSERT_TRUE((*file)->Complete(false).ok());
  EXPECT_EQ(*base::ReadSmallFile(path_), "whole");
}

TEST_F(PartFileTest, TwoDoNotWriteOneFile) {
  const auto first = PartFile::Create(path_);
  const auto second = PartFile::Create(path_);
  ASSERT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
  EXPECT_THAT(base::S(second.status().message()), HasSubstr("another process"));
}

TEST_F(PartFileTest, ErrorsNameTheFile) {
  const auto file = PartFile::Create(folder_.path() + "/no/such");
  EXPECT_TRUE(absl::IsNotFound(file.status()));
  EXPECT_THAT(base::S(file.status().message()), HasSubstr("/no/such.part"));
}

}  // namespace
}  // namespace berth::snapshot
