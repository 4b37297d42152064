#include "agentd/journal/journal.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <string>
#include <vector>

#include "agentd/journal/crc32c.h"
#include "agentd/journal/journal_file.h"
#include "base/small_file.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/agentd/few_descriptors.h"

namespace berth::agentd {
namespace {

using berth::testing::FewDescriptors;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Strings = std::vector<std::string>;

class JournalTest : public ::testing::Test {
 protected:
  absl::StatusOr<JournalFile> Open(Strings& records) {
    records.clear();
    return JournalFile::Open(path_, [&](std::string_view record) {
      records.emplace_back(record);
      return absl::OkStatus();
    });
  }

  Strings Read() {
    Strings records;
    const auto file = Open(records);
    EXPECT_TRUE(file.ok()) << file.status();
    return records;
  }

  std::string Contents() const { return *base::ReadSmallFile(path_); }
  void SetContents(const std::string& contents) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << contents;
  }

  berth::testing::TempDir dir_;
  const std::string path_ = dir_.path() + "/journal";
};

TEST(Crc32cTest, GivesThePublishedValues) {
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c("6789", Crc32c("12345")), 0xe3069283u);
}

TEST_F(JournalTest, GivesBackWhatWasAppendedInOrder) {
  Strings records;
  auto file = Open(records);
  ASSERT_TRUE(file.ok());
  EXPECT_THAT(records, IsEmpty());
  ASSERT_TRUE(file->Append({"one", ""}).ok());
  ASSERT_TRUE(file->Append({std::string("t\0o", 3)}).ok());
  EXPECT_THAT(Read(), ElementsAre("one", "", std::string("t\0o", 3)));
}

TEST_F(JournalTest, GoesOnAfterItIsOpenedAgain) {
  Strings records;
  ASSERT_TRUE(Open(records)->Append({"a"}).ok());
  ASSERT_TRUE(Open(records)->Append({"b"}).ok());
  EXPECT_THAT(Read(), ElementsAre("a", "b"));
}

TEST_F(JournalTest, CutsOffATornLastGroupWhereverItIsTorn) {
  Strings records;
  auto file = Open(records);
  ASSERT_TRUE(file->Append({"whole"}).ok());
  const size_t whole = Contents().size();
  ASSERT_TRUE(file->Append({"torn one", "torn two"}).ok());
  const std::string both = Contents();
  for (size_t size = whole; size < both.size(); ++size) {
    SetContents(both.substr(0, size));
    EXPECT_THAT(Read(), ElementsAre("whole")) << size;
    EXPECT_EQ(Contents().size(), whole);
  }
}

TEST_F(JournalTest, CutsOffALastGroupThatWasWrittenInPart) {
  Strings records;
  auto file = Open(records);
  ASSERT_TRUE(file->Append({"whole"}).ok());
  const size_t whole = Contents().size();
  ASSERT_TRUE(file->Append({std::string(10'000, 'x')}).ok());
  // A page that did not reach the disk before the power went.
  std::string contents = Contents();
  std::fill(contents.begin() + 5000, contents.begin() + 9000, '\0');
  SetContents(contents);
  auto opened = Open(records);
  ASSERT_TRUE(opened.ok());
  EXPECT_THAT(records, ElementsAre("whole"));
  EXPECT_EQ(opened->torn_bytes(), contents.size() - whole);
  ASSERT_TRUE(opened->Append({"after"}).ok());
  EXPECT_THAT(Read(), ElementsAre("whole", "after"));
}

TEST_F(JournalTest, RefusesDamageInTheMiddleWithTheOffsetAndTheWayOn) {
  Strings records;
  auto file = Open(records);
  ASSERT_TRUE(file->Append({"first"}).ok());
  const size_t second = Contents().size();
  ASSERT_TRUE(file->Append({"second"}).ok());
  const size_t third = Contents().size();
  ASSERT_TRUE(file->Append({"third"}).ok());
  const std::string sound = Contents();
  for (size_t at = second; at < third; ++at) {
    std::string contents = sound;
    contents[at] = static_cast<char>(contents[at] ^ 0x20);
    SetContents(contents);
    const auto opened = Open(records);
    ASSERT_EQ(opened.status().code(), absl::StatusCode::kDataLoss) << at;
    EXPECT_THAT(std::string(opened.status().message()),
                HasSubstr(path_ + " is damaged at byte " + std::to_string(second)));
    EXPECT_THAT(std::string(opened.status().message()), HasSubstr("mv " + path_));
    EXPECT_EQ(Contents(), contents);
  }
}

TEST_F(JournalTest, RefusesAMissingGroup) {
  Strings records;
  auto file = Open(records);
  ASSERT_TRUE(file->Append({"first"}).ok());
  const size_t second = Contents().size();
  ASSERT_TRUE(file->Append({"second"}).ok());
  const size_t third = Contents().size();
  ASSERT_TRUE(file->Append({"third"}).ok());
  std::string contents = Contents();
  contents.erase(second, third - second);
  SetContents(contents);
  EXPECT_EQ(Open(records).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(JournalTest, RefusesWhatItsReaderRefusesWithTheOffset) {
  Strings records;
  auto file = Open(records);
  ASSERT_TRUE(file->Append({"good"}).ok());
  const size_t bad = Contents().size();
  ASSERT_TRUE(file->Append({"bad"}).ok());
  const auto opened = JournalFile::Open(path_, [](std::string_view record) {
    return record == "bad" ? absl::DataLossError("of a kind nobody knows") : absl::OkStatus();
  });
  EXPECT_THAT(std::string(opened.status().message()),
              HasSubstr("at byte " + std::to_string(bad) + ": of a kind nobody knows"));
}

TEST_F(JournalTest, ReplacesTheWholeFileAndGoesOn) {
  Strings records;
  auto file = Open(records);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(file->Append({"old"}).ok());
  const uint64_t before = file->bytes();
  ASSERT_TRUE(file->Replace({"snapshot"}).ok());
  EXPECT_LT(file->bytes(), before);
  ASSERT_TRUE(file->Append({"new"}).ok());
  EXPECT_THAT(Read(), ElementsAre("snapshot", "new"));
}

TEST_F(JournalTest, AReplacementThatWasCutShortLeavesTheOldJournal) {
  Strings records;
  ASSERT_TRUE(Open(records)->Append({"old"}).ok());
  std::ofstream(path_ + ".new") << "half of a snap";
  EXPECT_THAT(Read(), ElementsAre("old"));
}

TEST_F(JournalTest, AReplacementThatFailsLeavesAJournalThatGoesOn) {
  Strings records;
  auto file = Open(records);
  ASSERT_TRUE(file->Append({"old"}).ok());
  for (const rlim_t free : {0, 1}) {
    const FewDescriptors few(free);
    const absl::Status replaced = file->Replace({"snapshot"});
    EXPECT_EQ(replaced.code(), absl::StatusCode::kUnavailable) << replaced;
  }
  EXPECT_NE(access((path_ + ".new").c_str(), F_OK), 0);
  ASSERT_TRUE(file->Append({"new"}).ok());
  EXPECT_THAT(Read(), ElementsAre("old", "new"));
}

TEST_F(JournalTest, KeepsRoomAheadOfItsEnd) {
  Strings records;
  auto file = Open(records);
  ASSERT_TRUE(file->Append({"x"}).ok());
  struct stat info = {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_LT(info.st_size, 4096);
  EXPECT_GE(info.st_blocks * 512, 512 << 10);
  EXPECT_FALSE(file->space_low());
}

TEST_F(JournalTest, SaysWhenNoRoomIsLeftAheadAndWhenThereIsAgain) {
  int error = ENOSPC;
  auto file = JournalFile::Open(
      path_, [](std::string_view) { return absl::OkStatus(); },
      [&](int, uint64_t, uint64_t) { return error; });
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->space_low());
  ASSERT_TRUE(file->Append({"x"}).ok());
  EXPECT_TRUE(file->space_low());
  error = 0;
  file->Reserve();
  EXPECT_FALSE(file->space_low());
}

TEST_F(JournalTest, AFileSystemThatCannotReserveIsNotFull) {
  const auto file = JournalFile::Open(
      path_, [](std::string_view) { return absl::OkStatus(); },
      [](int, uint64_t, uint64_t) { return EOPNOTSUPP; });
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_FALSE(file->space_low());
}

TEST_F(JournalTest, NamesTheFileWhenItCannotBeOpened) {
  const auto opened = JournalFile::Open("/no/such/place/journal",
                                        [](std::string_view) { return absl::OkStatus(); });
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("/no/such/place/journal"));
}

// The thread in front of the file.
class JournalThreadTest : public JournalTest {
 protected:
  // Waits until `ticket` is durable.
  void WaitFor(uint64_t ticket) {
    base::MutexLock lock(mutex_);
    while (durable_ < ticket) changed_.Wait(mutex_);
  }

  std::unique_ptr<Journal> Start() {
    Strings records;
    return std::make_unique<Journal>(
        *Open(records),
        Journal::Callbacks{[this](uint64_t ticket, bool) {
                             base::MutexLock lock(mutex_);
                             durable_ = ticket;
                             changed_.NotifyAll();
                           },
                           [](const absl::Status& error) { ADD_FAILURE() << error; }});
  }

  base::Mutex mutex_;
  base::CondVar changed_;
  uint64_t durable_ BERTH_GUARDED_BY(mutex_) = 0;
};

TEST_F(JournalThreadTest, TellsWhenARecordIsDurable) {
  auto journal = Start();
  journal->Append({"a"}, 1);
  WaitFor(1);
  EXPECT_THAT(Read(), ElementsAre("a"));
}

TEST_F(JournalThreadTest, TellsOfRoomThoughNothingIsWritten) {
  std::atomic<int> error = ENOSPC;
  bool low = false;
  auto file = JournalFile::Open(
      path_, [](std::string_view) { return absl::OkStatus(); },
      [&](int, uint64_t, uint64_t) { return error.load(); });
  ASSERT_TRUE(file.ok()) << file.status();
  Journal journal(*std::move(file), {[&](uint64_t ticket, bool space_low) {
                                       base::MutexLock lock(mutex_);
                                       durable_ = ticket;
                                       low = space_low;
                                       changed_.NotifyAll();
                                     },
                                     [](const absl::Status& failed) { ADD_FAILURE() << failed; }});
  journal.Append({"a"}, 7);
  WaitFor(7);
  base::MutexLock lock(mutex_);
  EXPECT_TRUE(low);
  error = 0;
  while (low) changed_.Wait(mutex_);
  EXPECT_EQ(durable_, 7u);
}

TEST_F(JournalThreadTest, WritesManyCallersRecordsInFewerGroups) {
  auto journal = Start();
  for (uint64_t i = 1; i <= 2000; ++i) journal->Append({"r" + std::to_string(i)}, i);
  WaitFor(2000);
  journal.reset();
  const Strings records = Read();
  ASSERT_EQ(records.size(), 2000u);
  EXPECT_EQ(records.back(), "r2000");
  // 2000 groups of one would be 2000 headers of 24 bytes.
  EXPECT_LT(Contents().size(), 2000u * (24 + 4 + 2));
}

TEST_F(JournalThreadTest, WritesWhatMayWaitWithWhatMayNot) {
  auto journal = Start();
  journal->AppendLater({"later"});
  journal->Append({"now"}, 1);
  WaitFor(1);
  EXPECT_THAT(Read(), ElementsAre("later", "now"));
}

TEST_F(JournalThreadTest, WritesWhatMayWaitAtTheEnd) {
  auto journal = Start();
  journal->AppendLater({"later"});
  journal.reset();
  EXPECT_THAT(Read(), ElementsAre("later"));
}

TEST_F(JournalThreadTest, ASnapshotStandsForAllBeforeIt) {
  auto journal = Start();
  journal->Append({"a"}, 1);
  journal->AppendLater({"b"});
  journal->Replace({"a+b"}, 2);
  journal->Append({"c"}, 3);
  WaitFor(3);
  EXPECT_THAT(Read(), ElementsAre("a+b", "c"));
  EXPECT_EQ(journal->bytes(), 4u);
}

TEST_F(JournalThreadTest, GoesOnWithoutASnapshotThatCannotBeWritten) {
  auto journal = Start();
  journal->Append({"a"}, 1);
  WaitFor(1);
  journal->AppendLater({"b"});
  const std::string in_the_way = path_ + ".new";
  ASSERT_EQ(mkdir(in_the_way.c_str(), 0700), 0);
  journal->Replace({"a+b"}, 2);
  WaitFor(2);
  ASSERT_EQ(rmdir(in_the_way.c_str()), 0);
  journal->Append({"c"}, 3);
  WaitFor(3);
  EXPECT_THAT(Read(), ElementsAre("a", "b", "c"));
}

}  // namespace
}  // namespace berth::agentd
