#include "features/history_pieces.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "features/history_estimator.h"
#include "tests/support/status_text.h"

namespace berth::features {
namespace {

constexpr absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

HistorySubject Subject(std::string_view user, std::string_view name,
                       std::string_view script = "make all && make check") {
  return HistoryEstimator::Describe(
      {.user = user, .name = name, .queue = "batch", .script = script, .command = {}});
}

HistoryOutcome Took(int64_t ms, HistoryEnd end = HistoryEnd::kSucceeded) {
  return {.end = end, .measured = {ms, ms * 1000, 1500, std::nullopt}};
}

// What an owner keeps: the last piece of each name.
using Kept = std::map<std::string, std::string>;

void Keep(HistoryEstimator& estimator, Kept& kept, size_t most = 3) {
  for (;;) {
    const auto pieces = estimator.TakeChanged(most);
    EXPECT_LE(pieces.size(), most);
    if (pieces.empty()) return;
    for (const HistoryPiece& piece : pieces) kept[piece.name] = piece.bytes;
  }
}

HistoryLoadReport Load(HistoryEstimator& estimator, const Kept& kept) {
  std::vector<HistoryPiece> pieces;
  for (const auto& [name, bytes] : kept) pieces.push_back({name, bytes});
  return estimator.Load(pieces);
}

void Teach(HistoryEstimator& estimator, int ends) {
  for (int i = 0; i < ends; ++i) {
    estimator.Observe(
        Subject(i % 3 == 0 ? "ada" : "bob", "job" + std::to_string(i % 5)),
        Took(1000 + 100 * i, i % 7 == 0 ? HistoryEnd::kFailed : HistoryEnd::kSucceeded),
        kStart + absl::Minutes(i));
  }
}

TEST(HistoryPiecesTest, WhatWasKeptPredictsTheSame) {
  HistoryEstimator estimator, restarted;
  Teach(estimator, 200);
  Kept kept;
  Keep(estimator, kept);
  EXPECT_EQ(kept.size(), estimator.groups() + 1);
  const HistoryLoadReport report = Load(restarted, kept);
  EXPECT_EQ(report.loaded, kept.size());
  EXPECT_TRUE(report.refused.empty());
  EXPECT_TRUE(report.obsolete.empty());
  const absl::Time now = kStart + absl::Hours(5);
  for (const char* name : {"job0", "job3", "unheard of"}) {
    for (const char* user : {"ada", "bob", "eve"}) {
      const auto predicted = estimator.Predict(Subject(user, name), now);
      ASSERT_TRUE(predicted[HistoryField::kMemory].has_value());
      EXPECT_EQ(predicted, restarted.Predict(Subject(user, name), now)) << user << " " << name;
    }
  }
}

TEST(HistoryPiecesTest, OnlyWhatChangedIsTold) {
  HistoryEstimator estimator;
  Kept kept;
  Teach(estimator, 50);
  Keep(estimator, kept);
  EXPECT_TRUE(estimator.TakeChanged(100).empty());
  estimator.Observe(Subject("ada", "job0"), Took(777), kStart + absl::Hours(3));
  // Program, script, name, shape, user and queue, user, queue, all, and the trust.
  EXPECT_EQ(estimator.TakeChanged(100).size(), 9u);
  EXPECT_TRUE(estimator.TakeChanged(100).empty());
}

TEST(HistoryPiecesTest, EachDamagedByteIsRefusedByNameAndTheRestIsUsed) {
  HistoryEstimator estimator;
  Teach(estimator, 3);
  Kept kept;
  Keep(estimator, kept);
  ASSERT_GT(kept.size(), 3u);
  for (const std::string victim : {"group/1", "trust"}) {
    ASSERT_TRUE(kept.contains(victim));
    for (size_t at = 0; at < kept[victim].size(); ++at) {
      Kept damaged = kept;
      damaged[victim][at] = static_cast<char>(damaged[victim][at] ^ 0x20);
      HistoryEstimator restarted;
      const HistoryLoadReport report = Load(restarted, damaged);
      ASSERT_EQ(report.refused.size(), 1u) << victim << " byte " << at;
      EXPECT_EQ(testing::Text(report.refused[0]).find("DATA_LOSS: piece " + victim + ": "), 0u)
          << testing::Text(report.refused[0]);
      EXPECT_EQ(report.obsolete, std::vector<std::string>{victim});
      EXPECT_EQ(report.loaded, kept.size() - 1);
    }
  }
}

TEST(HistoryPiecesTest, APieceUnderAnothersNameIsRefused) {
  HistoryEstimator estimator, restarted;
  Teach(estimator, 3);
  Kept kept;
  Keep(estimator, kept);
  std::swap(kept["group/0"], kept["group/1"]);
  kept["group/01"] = kept["group/2"];
  kept["notes"] = "hello";
  const HistoryLoadReport report = Load(restarted, kept);
  std::vector<std::string> refused;
  for (const absl::Status& status : report.refused) refused.push_back(testing::Text(status));
  EXPECT_EQ(refused, (std::vector<std::string>{
                         "DATA_LOSS: piece group/0: its checksum is another",
                         "INVALID_ARGUMENT: piece group/01: there is no piece of this name",
                         "DATA_LOSS: piece group/1: its checksum is another",
                         "INVALID_ARGUMENT: piece notes: there is no piece of this name",
                     }));
  EXPECT_EQ(report.loaded, kept.size() - 4);
}

TEST(HistoryPiecesTest, ASmallerTableKeepsWhatFits) {
  HistoryEstimator estimator;
  Teach(estimator, 100);
  Kept kept;
  Keep(estimator, kept);
  HistoryOptions options;
  options.most_groups = 4;
  HistoryEstimator smaller(options);
  const HistoryLoadReport report = Load(smaller, kept);
  EXPECT_EQ(smaller.groups(), 4u);
  EXPECT_TRUE(report.refused.empty());
  EXPECT_EQ(report.obsolete.size(), kept.size() - 5);
  Teach(smaller, 100);
  EXPECT_EQ(smaller.groups(), 4u);
}

TEST(HistoryPiecesTest, OfAGroupThatIsThereTwiceTheLaterHolds) {
  // A group loses its slot and comes back in another; its owner stopped before the old slot's next
  // piece was kept.
  HistoryEstimator first, second, restarted;
  for (int i = 0; i < 20; ++i) first.Observe(Subject("ada", "job", ""), Took(1000), kStart);
  second.Observe(Subject("bob", "other", ""), Took(9), kStart);
  for (int i = 0; i < 30; ++i) second.Observe(Subject("ada", "job", ""), Took(64'000), kStart);
  Kept kept, older;
  Keep(first, older);
  Keep(second, kept);
  const size_t of_second = kept.size();
  // The older pieces, under slots that the newer do not use: written anew, for a name is part of
  // it.
  for (const auto& [name, bytes] : older) {
    const auto slot = SlotOfPiece(name);
    if (!slot.ok()) continue;
    const auto group = ReadGroupPiece({name, bytes});
    ASSERT_TRUE(group.ok());
    const std::string moved = GroupPieceName(*slot + 100);
    kept[moved] = WriteGroupPiece(moved, *group);
  }
  const HistoryLoadReport report = Load(restarted, kept);
  EXPECT_EQ(report.loaded, of_second);
  EXPECT_EQ(report.obsolete.size(), older.size() - 1);
  const auto predicted = restarted.Predict(Subject("ada", "job", ""), kStart);
  EXPECT_EQ(EncodeValue(predicted[HistoryField::kDuration]->value), EncodeValue(64'000));
}

HistoryGroup Example() {
  HistoryGroup group;
  group.key = {0x0123456789abcdef, 42};
  group.level = HistoryLevel::kName;
  group.last_end_s = 1'700'000'060;
  group.used = 7;
  group.failed_bits = 2;
  group.ends = 2;
  group.values[0].Add({.at_s = 1'700'000'000, .code = EncodeValue(60'000)});
  group.values[0].Add({.at_s = 1'700'000'060, .code = EncodeValue(1'500), .at_least = true});
  return group;
}

// Bytes of version 1. What was written so must be readable as long as version 1 is.
constexpr char kVersion1[] =
    "0801118cff66d2d674edbe1a3d09efcdab8967452301112a00000000000000180220bce2cfaa062807350200000038"
    "0242120a0a80e2cfaa06bce2cfaa061204a823ef0d420042004200";

TEST(HistoryPiecesTest, ReadsWhatVersion1Wrote) {
  const std::string bytes = absl::HexStringToBytes(kVersion1);
  EXPECT_EQ(absl::BytesToHexString(WriteGroupPiece("group/3", Example())), kVersion1);
  const auto group = ReadGroupPiece({"group/3", bytes});
  ASSERT_TRUE(group.ok()) << group.status();
  EXPECT_EQ(group->key, Example().key);
  EXPECT_EQ(group->level, HistoryLevel::kName);
  EXPECT_EQ(group->used, 7u);
  EXPECT_EQ(group->failed_bits, 2u);
  EXPECT_EQ(group->ends, 2);
  ASSERT_EQ(group->values[0].size(), 2u);
  EXPECT_EQ(group->values[0].Newest(0), Example().values[0].Newest(0));
  EXPECT_EQ(group->values[0].Newest(1), Example().values[0].Newest(1));
  EXPECT_TRUE(group->values[1].empty());
}

TEST(HistoryPiecesTest, RefusesWhatNoEstimatorWrites) {
  HistoryGroup group = Example();
  group.level = static_cast<HistoryLevel>(kHistoryLevels);
  EXPECT_EQ(testing::Text(ReadGroupPiece({"group/3", WriteGroupPiece("group/3", group)})),
            "DATA_LOSS: piece group/3: there is no such level");
  group = Example();
  group.ends = 33;
  EXPECT_EQ(testing::Text(ReadGroupPiece({"group/3", WriteGroupPiece("group/3", group)})),
            "DATA_LOSS: piece group/3: it remembers more ends than there are bits");
  group = Example();
  group.values[2].Add({.at_s = 1, .code = kLargestCode + 1});
  EXPECT_EQ(testing::Text(ReadGroupPiece({"group/3", WriteGroupPiece("group/3", group)})),
            "DATA_LOSS: piece group/3: there is no such value");
  group = Example();
  group.level = HistoryLevel::kScript;
  EXPECT_EQ(testing::Text(ReadGroupPiece({"group/3", WriteGroupPiece("group/3", group)})),
            "DATA_LOSS: piece group/3: its signature has no such length");
}

}  // namespace
}  // namespace berth::features
