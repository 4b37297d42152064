#include "base/remove_tree.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace berth::base {
namespace {

using ::testing::HasSubstr;

class RemoveTreeTest : public ::testing::Test {
 protected:
  berth::testing::TempDir dir_;
  const std::string tree_ = dir_.path() + "/tree";
};

TEST_F(RemoveTreeTest, RemovesAllAndFollowsNoLink) {
  std::filesystem::create_directories(tree_ + "/a/b");
  std::filesystem::create_directories(dir_.path() + "/kept");
  std::ofstream(dir_.path() + "/kept/file") << "text";
  std::ofstream(tree_ + "/a/file") << "text";
  std::filesystem::create_symlink(dir_.path() + "/kept", tree_ + "/a/away");
  std::filesystem::create_symlink("nowhere", tree_ + "/dangling");
  ASSERT_EQ(mkfifo((tree_ + "/pipe").c_str(), 0600), 0);
  ASSERT_EQ(chmod((tree_ + "/a").c_str(), 0), 0);
  EXPECT_TRUE(RemoveTree(tree_).ok());
  EXPECT_FALSE(std::filesystem::exists(tree_));
  EXPECT_TRUE(std::filesystem::exists(dir_.path() + "/kept/file"));
  EXPECT_TRUE(RemoveTree(tree_).ok()) << "it is gone already";
  ASSERT_EQ(symlink("kept", tree_.c_str()), 0);
  EXPECT_TRUE(RemoveTree(tree_).ok()) << "a link itself";
  EXPECT_TRUE(std::filesystem::exists(dir_.path() + "/kept/file"));
}

// Deeper than paths are long, and than there are descriptors.
TEST_F(RemoveTreeTest, TakesFewDescriptorsHoweverDeepItIs) {
  ASSERT_EQ(mkdir(tree_.c_str(), 0700), 0);
  UniqueFd at(open(tree_.c_str(), O_RDONLY | O_DIRECTORY));
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(mkdirat(at.get(), "d", 0700), 0);
    UniqueFd next(openat(at.get(), "d", O_RDONLY | O_DIRECTORY));
    at = std::move(next);
  }
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few = {120, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  const absl::Status removed = RemoveTree(tree_);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(removed.ok()) << removed;
  EXPECT_FALSE(std::filesystem::exists(tree_));
}

TEST_F(RemoveTreeTest, SaysWhatStays) {
  std::ofstream(dir_.path() + "/file") << "text";
  const absl::Status removed = RemoveTree(dir_.path() + "/file/below");
  EXPECT_THAT(base::S(removed.message()), HasSubstr("file/below"));
}

}  // namespace
}  // namespace berth::base
