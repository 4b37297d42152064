#include "agentd/attempt_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "agentd/output/output_reader.h"
#include "base/unique_fd.h"
#include "shim/shim_process.h"
#include "shim/shim_protocol.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace berth::agentd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

class AttemptStoreTest : public ::testing::Test {
 protected:
  AttemptStoreTest() { EXPECT_TRUE(store_.Open().ok()); }

  static ProcessDriver::Prepared Plain() {
    ProcessDriver::Prepared prepared;
    prepared.spec.arguments = {"true"};
    return prepared;
  }

  void Write(const AttemptKey& key, const ProcessDriver::Prepared& prepared = Plain(),
             const ProcessDriver::Identity& identity = {geteuid(), getegid(), false}) {
    v1::Payload payload;
    payload.set_script("#!/bin/sh\n");
    const auto written = store_.Write(key, prepared, payload, identity);
    ASSERT_TRUE(written.ok()) << written.status();
  }

  // What a shim notes, in the slot of its kind.
  void Note(const AttemptKey& key, shim::StatusRecord record) const {
    shim::Seal(record);
    const base::UniqueFd fd(open(StatusPath(key).c_str(), O_WRONLY));
    ASSERT_EQ(pwrite(fd.get(), &record, sizeof(record),
                     static_cast<off_t>(shim::SlotOffset(record.kind))),
              static_cast<ssize_t>(sizeof(record)));
  }
  static shim::StatusRecord Record(shim::StatusKind kind) {
    shim::StatusRecord record;
    record.kind = kind;
    return record;
  }
  std::string StatusPath(const AttemptKey& key) const {
    return store_.Directory(key) + "/" + shim::kStatusFileName;
  }

  // As a shim does, which makes both, whatever the task writes.
  void SetOutput(const AttemptKey& key, const std::string& out, const std::string& err = "") {
    std::ofstream(store_.Paths(key).output, std::ios::app) << out;
    std::ofstream(store_.Paths(key).error, std::ios::app) << err;
  }

  std::string ReadOutput(const AttemptKey& key, bool is_stderr = false) const {
    OutputReader reader([&] { return store_.OpenOutput(key, is_stderr); }, std::nullopt);
    const auto chunk = reader.Next(1 << 16, INT64_MAX);
    return chunk ? chunk->data : "";
  }

  static ino_t Inode(const std::string& path) {
    struct stat info = {};
    return stat(path.c_str(), &info) == 0 ? info.st_ino : 0;
  }

  static mode_t Mode(const std::string& path) {
    struct stat info = {};
    return stat(path.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
  }

  // Files below the state directory, directories left out.
  int CountFiles() const {
    int count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(dir_.path())) {
      if (entry.is_regular_file()) ++count;
    }
    return count;
  }

  static constexpr int64_t kHourMs = 3'600'000;
  const AttemptKey key_{12, 0, 3, 1};
  const AttemptKey next_{13, 0, 0, 1};
  berth::testing::TempDir dir_;
  berth::testing::FakeClock clock_;
  AttemptStore store_{dir_.path(), clock_};
};

TEST_F(AttemptStoreTest, WritesWhatAShimNeeds) {
  ProcessDriver::Prepared prepared = Plain();
  prepared.needs_script = true;
  prepared.needs_scratch = true;
  Write(key_, prepared);
  const auto spec = store_.ReadSpec(key_);
  ASSERT_TRUE(spec.ok());
  EXPECT_FALSE(spec->empty());
  EXPECT_EQ(Mode(store_.Directory(key_)), 0711u);
  EXPECT_EQ(Mode(store_.Paths(key_).script), 0500u);
  EXPECT_EQ(Mode(store_.Paths(key_).scratch), 0700u);
  EXPECT_THAT(store_.List(), ElementsAre(key_));
}

TEST_F(AttemptStoreTest, WritesAgainOverAnEarlierTry) {
  ProcessDriver::Prepared prepared = Plain();
  prepared.needs_script = true;
  Write(key_, prepared);
  const AttemptKey other{14, 0, 0, 1};
  for (const AttemptKey& key : {next_, other}) {
    Write(key);
    SetOutput(key, "");
  }
  const ino_t first = Inode(store_.Paths(next_).output);
  store_.Tidy(next_, true);
  store_.Tidy(other, true);
  Write(key_, prepared);
  EXPECT_TRUE(store_.ReadSpec(key_).ok());
  EXPECT_TRUE(fs::exists(store_.Paths(key_).script));
  // It took one of the two.
  Write(next_);
  EXPECT_EQ(Inode(store_.Paths(next_).output), first);
}

TEST_F(AttemptStoreTest, GivesADirectoryWithoutFilesToAnybody) {
  Write(key_);
  SetOutput(key_, "out", "err");
  const ino_t directory = Inode(store_.Directory(key_));
  store_.Tidy(key_, true);
  Write(next_, Plain(), {geteuid() + 1, getegid(), false});
  EXPECT_EQ(Inode(store_.Directory(next_)), directory);
  EXPECT_FALSE(fs::exists(store_.Paths(next_).output));
}

TEST_F(AttemptStoreTest, LeavesOutputWhereItIsWhenItCannotBeMoved) {
  Write(key_);
  SetOutput(key_, "out");
  std::ofstream(dir_.path() + "/output/" + std::to_string(clock_.WallMs() / (24 * kHourMs)))
      << "in the way";
  store_.Tidy(key_, true);
  EXPECT_EQ(ReadOutput(key_), "out");
  EXPECT_THAT(store_.List(), ElementsAre(key_));
}

TEST_F(AttemptStoreTest, RefusesASpecWithANul) {
  ProcessDriver::Prepared prepared;
  prepared.spec.arguments = {std::string("a\0b", 3)};
  EXPECT_EQ(store_.Write(key_, prepared, v1::Payload(), {}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(store_.List(), IsEmpty());
}

TEST_F(AttemptStoreTest, KeepsOutputUnderTheDayOfTheEnd) {
  Write(key_);
  SetOutput(key_, "out", "err");
  EXPECT_EQ(ReadOutput(key_), "out");
  store_.Tidy(key_, true);
  EXPECT_THAT(store_.List(), IsEmpty());
  EXPECT_EQ(ReadOutput(key_), "out");
  EXPECT_EQ(ReadOutput(key_, true), "err");
  EXPECT_EQ(ReadOutput(next_), "");
}

TEST_F(AttemptStoreTest, GivesTheFilesOfAnEndedAttemptToTheNext) {
  Write(key_);
  for (const auto kind :
       {shim::StatusKind::kShim, shim::StatusKind::kStart, shim::StatusKind::kEnd}) {
    Note(key_, Record(kind));
  }
  SetOutput(key_, "", "some");
  const ino_t output = Inode(store_.Paths(key_).output);
  const ino_t kept = Inode(store_.Paths(key_).error);
  store_.Tidy(key_, true);

  AttemptStore reopened(dir_.path(), clock_);
  ASSERT_TRUE(reopened.Open().ok());
  const auto status = reopened.Write(next_, Plain(), v1::Payload(), {geteuid(), getegid(), false});
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(Inode(reopened.Paths(next_).output), output);
  EXPECT_NE(Inode(reopened.Paths(next_).error), kept);
  EXPECT_EQ(ReadOutput(next_), "");
  // Nothing says that the next attempt was ever started, whatever the file had in it.
  for (const auto kind :
       {shim::StatusKind::kShim, shim::StatusKind::kStart, shim::StatusKind::kEnd}) {
    EXPECT_FALSE(shim::ReadStatus(status->get(), kind).has_value());
  }
  struct stat info = {};
  ASSERT_EQ(fstat(status->get(), &info), 0);
  EXPECT_GT(info.st_blocks, 0) << "an end can be noted on a full disk";
}

TEST_F(AttemptStoreTest, GivesTheStatusFileLocked) {
  const auto status = store_.Write(key_, Plain(), v1::Payload(), {geteuid(), getegid(), false});
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(shim::OpenLockedStatus(store_.Directory(key_)), -EWOULDBLOCK);
  EXPECT_FALSE(store_.Write(key_, Plain(), v1::Payload(), {geteuid(), getegid(), false}).ok())
      << "the files of a live attempt are not another's";
}

TEST_F(AttemptStoreTest, TakesNoFilesThatAShimStillHas) {
  auto status = store_.Write(key_, Plain(), v1::Payload(), {geteuid(), getegid(), false});
  ASSERT_TRUE(status.ok()) << status.status();
  SetOutput(key_, "");
  store_.Tidy(key_, true);
  EXPECT_EQ(CountFiles(), 0);
}

TEST_F(AttemptStoreTest, TakesNoFilesThatAProcessOfTheTaskMayHaveOpen) {
  Write(key_);
  SetOutput(key_, "");
  shim::StatusRecord end = Record(shim::StatusKind::kEnd);
  end.stuck = 1;
  Note(key_, Record(shim::StatusKind::kShim));
  Note(key_, end);
  store_.Tidy(key_, true);
  // One whose shim did not live to see its end.
  Write(next_);
  SetOutput(next_, "");
  Note(next_, Record(shim::StatusKind::kShim));
  Note(next_, Record(shim::StatusKind::kStart));
  store_.Tidy(next_, true);
  EXPECT_EQ(CountFiles(), 0);
}

TEST_F(AttemptStoreTest, TakesTheFilesOfAnAttemptThatCouldNotStart) {
  Write(key_);
  SetOutput(key_, "");
  shim::StatusRecord start = Record(shim::StatusKind::kStart);
  start.step = shim::StartStep::kExecute;
  Note(key_, Record(shim::StatusKind::kShim));
  Note(key_, start);
  const ino_t output = Inode(store_.Paths(key_).output);
  store_.Tidy(key_, true);
  Write(next_);
  EXPECT_EQ(Inode(store_.Paths(next_).output), output);
}

TEST_F(AttemptStoreTest, KeepsNoSpaceThatATaskReservedForItsOutput) {
  const auto reserve = [&](const AttemptKey& key) {
    const base::UniqueFd fd(open(store_.Paths(key).output.c_str(), O_WRONLY));
    return fallocate(fd.get(), FALLOC_FL_KEEP_SIZE, 0, 16 << 20) == 0;
  };
  Write(key_);
  SetOutput(key_, "");
  if (!reserve(key_)) GTEST_SKIP() << "this file system cannot reserve space";
  store_.Tidy(key_, true);
  EXPECT_EQ(CountFiles(), 0);

  Write(next_);
  SetOutput(next_, "written");
  ASSERT_TRUE(reserve(next_));
  store_.Tidy(next_, true);
  EXPECT_EQ(ReadOutput(next_), "written");
  struct stat info = {};
  ASSERT_EQ(fstat(store_.OpenOutput(next_, false).get(), &info), 0);
  EXPECT_LT(int64_t{info.st_blocks} * 512, 1 << 20);
}

TEST_F(AttemptStoreTest, GivesNoFilesOfOneUserToAnother) {
  if (geteuid() != 0) GTEST_SKIP() << "files of other users need root";
  const ProcessDriver::Identity ada{1000, 1000, true};
  const ProcessDriver::Identity bob{1001, 1001, true};
  Write(key_, Plain(), ada);
  SetOutput(key_, "");
  ASSERT_EQ(chown(store_.Paths(key_).output.c_str(), 1000, 1000), 0);
  ASSERT_EQ(chown(store_.Paths(key_).error.c_str(), 1000, 1000), 0);
  const ino_t output = Inode(store_.Paths(key_).output);
  store_.Tidy(key_, true);
  Write(next_, Plain(), bob);
  EXPECT_EQ(Inode(store_.Paths(next_).output), 0u);
  const AttemptKey again{14, 0, 0, 1};
  Write(again, Plain(), ada);
  EXPECT_EQ(Inode(store_.Paths(again).output), output);
}

TEST_F(AttemptStoreTest, RemovesTheFilesThatSomebodyStillReads) {
  Write(key_);
  SetOutput(key_, "");
  store_.Tidy(key_, false);
  EXPECT_EQ(CountFiles(), 0);
  EXPECT_THAT(store_.List(), IsEmpty());
}

TEST_F(AttemptStoreTest, RemovesTheScript) {
  ProcessDriver::Prepared prepared = Plain();
  prepared.needs_script = true;
  Write(key_, prepared);
  SetOutput(key_, "");
  store_.Tidy(key_, true);
  Write(next_);
  EXPECT_FALSE(fs::exists(store_.Paths(next_).script));
}

TEST_F(AttemptStoreTest, KeepsAScratchDirectoryWithSomethingInItForADay) {
  ProcessDriver::Prepared prepared = Plain();
  prepared.needs_scratch = true;
  Write(key_, prepared);
  Write(next_, prepared);
  const std::string scratch = store_.Paths(key_).scratch;
  std::ofstream(scratch + "/result") << "42";
  store_.Tidy(next_, true);
  EXPECT_FALSE(fs::exists(store_.Paths(next_).scratch));

  clock_.Advance(25 * kHourMs);
  store_.Sweep();
  EXPECT_TRUE(fs::exists(scratch)) << "it is in use";
  store_.Tidy(key_, true);
  clock_.Advance(23 * kHourMs);
  store_.Sweep();
  EXPECT_TRUE(fs::exists(scratch + "/result"));
  // Its user cannot put that off.
  std::ofstream(scratch + "/more") << "43";
  clock_.Advance(2 * kHourMs);
  store_.Sweep();
  EXPECT_FALSE(fs::exists(scratch));
  EXPECT_FALSE(store_.FindEndedScratch(key_).has_value());
}

TEST_F(AttemptStoreTest, KnowsWhoseAnEndedScratchDirectoryIsWhoeverOwnsIt) {
  ProcessDriver::Prepared prepared = Plain();
  prepared.needs_scratch = true;
  prepared.spec.user = shim::TaskUser{1234, 5678, {}};
  Write(key_, prepared);
  std::ofstream(store_.Paths(key_).scratch + "/result") << "42";
  EXPECT_FALSE(store_.FindEndedScratch(key_).has_value()) << "it has not ended";
  store_.Tidy(key_, true);
  const auto ended = store_.FindEndedScratch(key_);
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->owner, std::pair(1234u, 5678u));
  EXPECT_EQ(ended->ended_unix_ms, clock_.WallMs());

  // What no agent has seen end is nobody's.
  fs::create_directories(store_.Paths(next_).scratch);
  std::ofstream(store_.Paths(next_).scratch + "/x") << "x";
  store_.Sweep();
  ASSERT_TRUE(store_.FindEndedScratch(next_).has_value());
  EXPECT_EQ(store_.FindEndedScratch(next_)->owner, std::nullopt);
}

TEST_F(AttemptStoreTest, SweepsOutputAfterAWeekAndKnowsThatItMayHaveExpired) {
  Write(key_);
  SetOutput(key_, "hello");
  store_.Tidy(key_, true);
  clock_.Advance(7 * 24 * kHourMs);
  store_.Sweep();
  EXPECT_EQ(ReadOutput(key_), "hello");
  EXPECT_FALSE(store_.MayHaveExpired(key_));
  clock_.Advance(24 * kHourMs);
  store_.Sweep();
  EXPECT_EQ(ReadOutput(key_), "");
  EXPECT_TRUE(store_.MayHaveExpired(key_));
  EXPECT_TRUE(store_.MayHaveExpired({11, 0, 0, 1}));
  EXPECT_FALSE(store_.MayHaveExpired(next_));
}

TEST_F(AttemptStoreTest, CapsOutputAndLeavesOffsetsAsTheyAre) {
  Write(key_);
  const std::string path = store_.Paths(key_).output;
  const std::string mebibyte(1 << 20, 'x');
  std::ofstream out(path, std::ios::app);
  for (int i = 0; i < 130; ++i) out << mebibyte;
  out << "the end";
  out.close();
  store_.CapOutput(key_);
  struct stat info = {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_size, (130 << 20) + 7);
  EXPECT_LT(int64_t{info.st_blocks} * 512, 66 << 20);
  // A reader from the start passes over the hole and says so with the offset.
  const auto open_it = [&] { return store_.OpenOutput(key_, false); };
  OutputReader reader(open_it, std::nullopt);
  const auto chunk = reader.Next(1 << 16, INT64_MAX);
  ASSERT_TRUE(chunk.has_value());
  EXPECT_GE(chunk->offset, 65 << 20);
  EXPECT_EQ(chunk->data[0], 'x');
  OutputReader tail(open_it, 7);
  EXPECT_EQ(tail.Next(1 << 16, INT64_MAX)->data, "the end");
}

TEST_F(AttemptStoreTest, CapsWhatIsReservedPastTheEndOfOutput) {
  Write(key_);
  SetOutput(key_, "some");
  const base::UniqueFd fd(open(store_.Paths(key_).output.c_str(), O_WRONLY));
  if (fallocate(fd.get(), FALLOC_FL_KEEP_SIZE, 0, 200 << 20) != 0) {
    GTEST_SKIP() << "this file system cannot reserve space";
  }
  store_.CapOutput(key_);
  struct stat info = {};
  ASSERT_EQ(fstat(fd.get(), &info), 0);
  EXPECT_LT(int64_t{info.st_blocks} * 512, 1 << 20);
  EXPECT_EQ(ReadOutput(key_), "some");
}

TEST_F(AttemptStoreTest, CapsWhatEndedBeforeItWasLookedAt) {
  Write(key_);
  std::ofstream out(store_.Paths(key_).output, std::ios::app);
  const std::string mebibyte(1 << 20, 'x');
  for (int i = 0; i < 130; ++i) out << mebibyte;
  out << "the end";
  out.close();
  store_.Tidy(key_, true);
  const auto blocks = [&] {
    struct stat info = {};
    const base::UniqueFd fd = store_.OpenOutput(key_, false);
    return fstat(fd.get(), &info) == 0 ? int64_t{info.st_blocks} * 512 : -1;
  };
  store_.CapEnded();
  EXPECT_GE(blocks(), 130 << 20) << "who follows it reads on";
  clock_.Advance(AttemptStore::kCapAfterMs);
  store_.CapEnded();
  EXPECT_LT(blocks(), 66 << 20);
  OutputReader tail([&] { return store_.OpenOutput(key_, false); }, 7);
  EXPECT_EQ(tail.Next(1 << 16, INT64_MAX)->data, "the end");
}

TEST_F(AttemptStoreTest, LeavesSmallerOutputAlone) {
  Write(key_);
  SetOutput(key_, std::string(1 << 20, 'x'));
  store_.CapOutput(key_);
  OutputReader reader([&] { return store_.OpenOutput(key_, false); }, std::nullopt);
  EXPECT_EQ(reader.Next(16, INT64_MAX)->offset, 0);
}

TEST(OutputReaderTest, GoesOnAsTheFileGrows) {
  berth::testing::TempDir dir;
  const std::string path = dir.path() + "/out";
  OutputReader reader([&] { return base::UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC)); },
                      std::nullopt);
  EXPECT_FALSE(reader.Next(100, INT64_MAX).has_value());
  std::ofstream out(path, std::ios::app);
  out << "first" << std::flush;
  EXPECT_EQ(reader.Next(100, INT64_MAX)->data, "first");
  EXPECT_FALSE(reader.Next(100, INT64_MAX).has_value());
  out << " second" << std::flush;
  const auto chunk = reader.Next(4, INT64_MAX);
  EXPECT_EQ(chunk->offset, 5);
  EXPECT_EQ(chunk->data, " sec");
  EXPECT_EQ(reader.Next(100, 10)->data, "o");
  EXPECT_FALSE(reader.Next(100, 10).has_value());
}

}  // namespace
}  // namespace berth::agentd
