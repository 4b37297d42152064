#include "store/disk_room.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/strings.h"
#include "tests/support/temp_dir.h"

namespace berth::store {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uint64_t kMi = uint64_t{1} << 20;

class DiskRoomTest : public ::testing::Test {
 protected:
  DiskRoom Open() {
    return DiskRoom(directory_.path(), {.refuse_below_bytes = 16 * kMi, .ballast_bytes = 2 * kMi},
                    [this](const std::string&) { return free_; });
  }
  bool HasBallast() const { return std::filesystem::exists(directory_.path() + "/ballast"); }

  const berth::testing::TempDir directory_;
  uint64_t free_ = 100 * kMi;
};

TEST_F(DiskRoomTest, BallastTakesRealBlocks) {
  const DiskRoom room = Open();
  struct stat file {};
  ASSERT_EQ(::stat((directory_.path() + "/ballast").c_str(), &file), 0);
  EXPECT_GE(static_cast<uint64_t>(file.st_blocks) * 512, 2 * kMi);
}

TEST_F(DiskRoomTest, NewWorkIsRefusedBelowTheMarkInWords) {
  const DiskRoom room = Open();
  free_ = 16 * kMi;
  EXPECT_TRUE(room.Check().ok());
  free_ = 9 * kMi;
  const absl::Status status = room.Check();
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(base::S(status.message()),
              AllOf(HasSubstr("\"" + directory_.path() + "\": only 9Mi are left"),
                    HasSubstr("below 16Mi no new work is taken"), HasSubstr("make room there")));
}

TEST_F(DiskRoomTest, AnOpeningThatMayNotFitIsRefusedInWords) {
  const DiskRoom room = Open();
  free_ = 3 * kMi;
  EXPECT_TRUE(room.CheckOpening(3 * kMi).ok());
  const absl::Status status = room.CheckOpening(4 * kMi);
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(base::S(status.message()),
              AllOf(HasSubstr("\"" + directory_.path() + "\": only 3Mi are left"),
                    HasSubstr("may take 4Mi; make room there, then start berthd again")));
}

TEST_F(DiskRoomTest, BallastIsGivenUpWhenLittleIsLeftAndLaidInWhenThereIsPlenty) {
  DiskRoom room = Open();
  free_ = 2 * kMi;
  room.Adjust();
  EXPECT_TRUE(HasBallast());
  free_ = 2 * kMi - 1;
  room.Adjust();
  EXPECT_FALSE(HasBallast());
  // Not at once again: laying it in must not bring the refusals back.
  free_ = 20 * kMi - 1;
  room.Adjust();
  EXPECT_FALSE(HasBallast());
  free_ = 20 * kMi;
  room.Adjust();
  EXPECT_TRUE(HasBallast());
}

TEST_F(DiskRoomTest, AFullDiskGetsNoBallast) {
  free_ = kMi;
  const DiskRoom room = Open();
  EXPECT_FALSE(HasBallast());
}

TEST_F(DiskRoomTest, ALaterStartFindsTheBallastOrMendsIt) {
  { const DiskRoom room = Open(); }
  std::ofstream(directory_.path() + "/ballast", std::ios::trunc) << "cut short";
  const DiskRoom room = Open();
  EXPECT_EQ(std::filesystem::file_size(directory_.path() + "/ballast"), 2 * kMi);
}

TEST_F(DiskRoomTest, WithoutBallastOnlyTheMarkCounts) {
  DiskRoom room(directory_.path(), {.refuse_below_bytes = kMi, .ballast_bytes = 0},
                [this](const std::string&) { return free_; });
  free_ = 0;
  room.Adjust();
  EXPECT_FALSE(HasBallast());
  EXPECT_TRUE(absl::IsResourceExhausted(room.Check()));
}

TEST_F(DiskRoomTest, WhatCannotBeLaidInDoesNotMatterNow) {
  std::filesystem::create_directory(directory_.path() + "/ballast");
  DiskRoom room = Open();
  EXPECT_TRUE(room.Check().ok());
}

TEST(FreeBytesTest, IsThatOfTheFileSystem) {
  EXPECT_GT(FreeBytesOf("/tmp"), 0u);
  EXPECT_EQ(FreeBytesOf("/proc"), 0u);
}

}  // namespace
}  // namespace berth::store
