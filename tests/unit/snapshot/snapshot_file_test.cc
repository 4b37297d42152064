// Snapshots written and read back, whole, cut off, changed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "base/rng.h"
#include "base/strings.h"
#include "snapshot/snapshot_format.h"
#include "snapshot/snapshot_reader.h"
#include "snapshot/snapshot_writer.h"
#include "tests/support/temp_dir.h"

namespace berth::snapshot {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Record = std::tuple<char, std::string, std::string>;

SnapshotInfo Info() {
  return {.schema_version = 1,
          .cluster_id = "c1",
          .cluster_name = "north",
          .generation = 3,
          .term = 9,
          .epoch = 3'000'000'000'077,
          .created_unix_ms = 1'767'225'600'000,
          .berthd_version = "0.1.0"};
}

std::string Write(const std::vector<Record>& records) {
  std::string file;
  SnapshotWriter writer(
      [&](std::string_view bytes) {
        file += bytes;
        return absl::OkStatus();
      },
      {{'m', "meta"}, {'j', "jobs"}, {'x', "blobs"}});
  EXPECT_TRUE(writer.Begin(Info()).ok());
  for (const auto& [table, key, value] : records) {
    EXPECT_TRUE(writer.Add(table, key, value).ok());
  }
  const auto summary = writer.End();
  EXPECT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->bytes, file.size());
  return file;
}

std::vector<Record> SmallState() {
  return {{'m', "cluster", "the numbers"},
          {'j', "1", "a job"},
          {'j', "2", std::string("with \0 in it", 12)},
          {'x', "", ""}};
}

absl::StatusOr<SnapshotSummary> Read(std::string_view file, size_t piece = SIZE_MAX,
                                     std::vector<Record>* records = nullptr) {
  SnapshotReader reader(
      {.header = nullptr, .record = [&](char table, std::string_view key, std::string_view value) {
         if (records != nullptr) {
           records->emplace_back(table, std::string(key), std::string(value));
         }
         return absl::OkStatus();
       }});
  while (!file.empty()) {
    // What comes after an error changes nothing.
    reader.Feed(file.substr(0, piece)).IgnoreError();
    file.remove_prefix(std::min(piece, file.size()));
  }
  return reader.Finish();
}

std::string Complaint(std::string_view file) {
  const auto read = Read(file);
  EXPECT_FALSE(read.ok());
  return base::S(read.status().message());
}

TEST(SnapshotFileTest, ComesBackAsItWasInPiecesOfAnySize) {
  const std::string file = Write(SmallState());
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{64}, file.size()}) {
    std::vector<Record> records;
    const auto summary = Read(file, piece, &records);
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_EQ(records, SmallState());
    EXPECT_EQ(summary->info, Info());
    EXPECT_EQ(summary->bytes, file.size());
    EXPECT_THAT(summary->tables,
                ElementsAre(TableSummary{'m', "meta", 1, 18}, TableSummary{'j', "jobs", 2, 19},
                            TableSummary{'x', "blobs", 1, 0}));
  }
}

TEST(SnapshotFileTest, AStateWithoutRecordsIsOne) {
  const auto summary = Read(Write({}));
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->RecordsOf('j'), 0u);
}

TEST(SnapshotFileTest, BeingCutOffAnywhereIsFound) {
  const std::string file = Write(SmallState());
  for (size_t size = 0; size < file.size(); ++size) {
    const auto read = Read(std::string_view(file).substr(0, size));
    ASSERT_TRUE(absl::IsDataLoss(read.status())) << size << ": " << read.status();
    EXPECT_THAT(base::S(read.status().message()),
                HasSubstr(size == 0 ? "empty" : "cut off at byte " + std::to_string(size)));
  }
}

TEST(SnapshotFileTest, EveryChangedBitIsFound) {
  const std::string file = Write(SmallState());
  for (size_t at = 0; at < file.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = file;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      ASSERT_FALSE(Read(changed).ok()) << "byte " << at << ", bit " << bit;
    }
  }
}

TEST(SnapshotFileTest, BytesChangedAtRandomInALargeOneAreFoundAndPlaced) {
  std::vector<Record> records;
  for (int i = 0; i < 3000; ++i) {
    records.emplace_back('j', std::to_string(i), std::string(static_cast<size_t>(i % 700), 'v'));
  }
  records.emplace_back('x', "large", std::string(3 * kFrameBytes, 'b'));
  const std::string file = Write(records);
  const char* const given = std::getenv("BERTH_TEST_SEED");
  const uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : uint64_t{std::random_device()()};
  std::printf("seed %llu (BERTH_TEST_SEED)\n", static_cast<unsigned long long>(seed));
  SCOPED_TRACE("BERTH_TEST_SEED=" + std::to_string(seed));
  base::Rng rng(seed);
  for (int round = 0; round < 200; ++round) {
    std::string changed = file;
    const size_t at = kPreambleBytes + rng.Uniform(file.size() - kPreambleBytes);
    const size_t count = std::min<size_t>(1 + rng.Uniform(40), file.size() - at);
    for (size_t i = at; i < at + count; ++i) {
      changed[i] = static_cast<char>(changed[i] ^ (1 + rng.Uniform(255)));
    }
    const auto read = Read(changed);
    ASSERT_TRUE(absl::IsDataLoss(read.status())) << "byte " << at << ": " << read.status();
    EXPECT_THAT(base::S(read.status().message()), HasSubstr("damaged at byte"));
  }
}

TEST(SnapshotFileTest, WhatFollowsTheEndIsFound) {
  const std::string file = Write(SmallState());
  EXPECT_THAT(Complaint(file + "x"), HasSubstr("damaged at byte " + std::to_string(file.size())));
  EXPECT_FALSE(Read(file + file).ok());
}

TEST(SnapshotFileTest, AFrameThatIsLeftOutOrTwiceThereIsFound) {
  // Two frames of one table, and so of one form.
  const std::string value(kFrameBytes - 100, 'v');
  const std::string file = Write({{'j', "1", value}, {'j', "2", value}});
  const size_t frame = kFrameHeadBytes + 1 + kRecordHeadBytes + 1 + value.size();
  const size_t first = file.find("1" + value) - kRecordHeadBytes - 1 - kFrameHeadBytes;
  EXPECT_FALSE(Read(file.substr(0, first) + file.substr(first + frame)).ok());
  EXPECT_FALSE(Read(file.substr(0, first + frame) + file.substr(first)).ok());
  const std::string swapped = file.substr(0, first) + file.substr(first + frame, frame) +
                              file.substr(first, frame) + file.substr(first + 2 * frame);
  ASSERT_EQ(swapped.size(), file.size());
  EXPECT_FALSE(Read(swapped).ok());
}

TEST(SnapshotFileTest, OtherFilesAndNewerFormatsAreToldApart) {
  EXPECT_THAT(Complaint("#!/bin/sh\necho no snapshot\n"), HasSubstr("no snapshot of berthd"));
  std::string newer = Write(SmallState());
  newer[kMagic.size()] = 2;
  const auto read = Read(newer);
  EXPECT_TRUE(absl::IsFailedPrecondition(read.status())) << read.status();
  EXPECT_THAT(base::S(read.status().message()),
              AllOf(HasSubstr("format version 2"), HasSubstr("reads version 1")));
}

TEST(SnapshotFileTest, MuchStatePassesInSmallPieces) {
  constexpr int kRecords = 60'000;
  const std::string value(1000, 'v');
  size_t largest = 0;
  uint64_t seen = 0;
  SnapshotReader reader(
      {.header = nullptr, .record = [&](char, std::string_view, std::string_view) {
         ++seen;
         return absl::OkStatus();
       }});
  SnapshotWriter writer(
      [&](std::string_view bytes) {
        largest = std::max(largest, bytes.size());
        return reader.Feed(bytes);
      },
      {{'j', "jobs"}});
  ASSERT_TRUE(writer.Begin(Info()).ok());
  for (int i = 0; i < kRecords; ++i) {
    ASSERT_TRUE(writer.Add('j', std::to_string(i), value).ok());
    // What was put in has come out, but for the open frame.
    ASSERT_LE(static_cast<uint64_t>(i) - seen, kFrameBytes / value.size());
  }
  ASSERT_TRUE(writer.End().ok());
  const auto summary = reader.Finish();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(seen, uint64_t{kRecords});
  EXPECT_LE(largest, kFrameBytes);
}

TEST(SnapshotFileTest, AnErrorOfTheSinkOrOfTheVisitorEndsIt) {
  SnapshotWriter writer([](std::string_view) { return absl::ResourceExhaustedError("full"); },
                        {{'j', "jobs"}});
  EXPECT_TRUE(absl::IsResourceExhausted(writer.Begin(Info())));
  SnapshotReader reader(
      {.header =
           [](const SnapshotInfo&) { return absl::FailedPreconditionError("not this cluster"); },
       .record = nullptr});
  EXPECT_TRUE(absl::IsFailedPrecondition(reader.Feed(Write(SmallState()))));
  EXPECT_TRUE(absl::IsFailedPrecondition(reader.Finish().status()));
}

TEST(SnapshotFileTest, ErrorsNameTheFile) {
  const berth::testing::TempDir folder;
  const std::string path = folder.path() + "/s";
  EXPECT_TRUE(absl::IsNotFound(ReadSnapshotFile(path).status()));
  EXPECT_THAT(base::S(ReadSnapshotFile(folder.path()).status().message()),
              HasSubstr("is a directory"));
  const std::string file = Write(SmallState());
  std::ofstream(path, std::ios::binary) << file.substr(0, file.size() - 1);
  EXPECT_THAT(base::S(ReadSnapshotFile(path).status().message()),
              AllOf(HasSubstr("\"" + path + "\""), HasSubstr("cut off")));
  std::ofstream(path, std::ios::binary) << file;
  EXPECT_TRUE(ReadSnapshotFile(path).ok());
}

}  // namespace
}  // namespace berth::snapshot
