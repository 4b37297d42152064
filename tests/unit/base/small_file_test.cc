#include "base/small_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace berth::base {
namespace {

using ::berth::testing::TempDir;
using ::testing::HasSubstr;

std::size_t EntriesIn(const std::string& folder) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    static_cast<void>(entry);
    ++count;
  }
  return count;
}

TEST(SmallFileTest, ReadsBackWhatWasWrittenAndLeavesNothingElse) {
  const TempDir dir;
  const std::string path = dir.path() + "/incarnation";
  const std::string contents("a\0b\n", 4);
  ASSERT_TRUE(WriteFileAtomically(path, contents).ok());
  EXPECT_EQ(ReadSmallFile(path).value(), contents);
  ASSERT_TRUE(WriteFileAtomically(path, "shorter").ok());
  EXPECT_EQ(ReadSmallFile(path).value(), "shorter");
  EXPECT_EQ(EntriesIn(dir.path()), 1u);
}

TEST(SmallFileTest, GivesTheFileItsMode) {
  const TempDir dir;
  const std::string path = dir.path() + "/secret";
  ASSERT_TRUE(WriteFileAtomically(path, "x", 0600).ok());
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
}

TEST(SmallFileTest, AFailedReplacementLeavesNothingBehindAndNamesThePath) {
  const TempDir dir;
  const std::string path = dir.path() + "/taken";
  std::filesystem::create_directory(path);  // a folder cannot be replaced by a file
  const absl::Status status = WriteFileAtomically(path, "x");
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(S(status.message()), HasSubstr("cannot replace " + path + ": "));
  EXPECT_EQ(EntriesIn(dir.path()), 1u);
}

TEST(SmallFileTest, ErrorsNameThePathAndTheReason) {
  const TempDir dir;
  const std::string missing = dir.path() + "/missing";
  EXPECT_EQ(ReadSmallFile(missing).status(),
            absl::NotFoundError("cannot open " + missing + ": No such file or directory"));
  const absl::Status write = WriteFileAtomically(missing + "/file", "x");
  EXPECT_EQ(write, absl::NotFoundError("cannot create a file beside " + missing +
                                       "/file: No such file or directory"));
  const absl::Status folder = ReadSmallFile(dir.path()).status();
  EXPECT_EQ(folder.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(S(folder.message()), HasSubstr("cannot read " + dir.path() + ": Is a directory"));
}

TEST(SmallFileTest, RefusesToReadMoreThanAskedFor) {
  const TempDir dir;
  const std::string path = dir.path() + "/file";
  ASSERT_TRUE(WriteFileAtomically(path, std::string(100, 'x')).ok());
  EXPECT_EQ(ReadSmallFile(path, 100).value().size(), 100u);
  EXPECT_EQ(ReadSmallFile(path, 99).status(),
            absl::OutOfRangeError("cannot read " + path + ": it is larger than 99 bytes"));
}

TEST(SmallFileTest, ReadsKernelFilesThatHaveNoSize) {
  EXPECT_THAT(ReadSmallFile("/proc/self/status").value(), HasSubstr("Pid:"));
}

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

TEST(UniqueFdTest, ClosesWhatItOwnsOnce) {
  int raw = -1;
  {
    UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(fd.valid());
    raw = fd.get();
    UniqueFd moved = std::move(fd);
    EXPECT_FALSE(
        fd.valid());  // NOLINT(bugprone-use-after-move): what a move leaves is part of the contract
    EXPECT_TRUE(IsOpen(raw));
  }
  EXPECT_FALSE(IsOpen(raw));
}

TEST(UniqueFdTest, ReleaseGivesUpOwnership) {
  const int raw = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  { EXPECT_EQ(UniqueFd(raw).release(), raw); }
  EXPECT_TRUE(IsOpen(raw));
  const UniqueFd closer(raw);
}

}  // namespace
}  // namespace berth::base
