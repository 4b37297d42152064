#include "store/record_keys.h"

#include <gtest/gtest.h>

#include <vector>

namespace berth::store {
namespace {

TEST(RecordKeysTest, KeysAreInTheOrderOfTheirNumbers) {
  EXPECT_LT(JobKey(JobId{255}), JobKey(JobId{256}));
  EXPECT_LT(JobKey(JobId{9'999'999'999}), JobKey(JobId{10'000'000'001}));
  EXPECT_LT(TaskRecordKey({JobId{1}, 0, 1'000'000}), TaskRecordKey({JobId{1}, 1, 0}));
  EXPECT_LT(TaskRecordKey({JobId{1}, 7, 7}), TaskRecordKey({JobId{2}, 0, 0}));
  EXPECT_LT(EpochKey(0xff), EpochKey(0x100));
  EXPECT_LT(JournalKey(1, 0xffffffff), JournalKey(2, 0));
}

TEST(RecordKeysTest, EveryFormIsReadBack) {
  EXPECT_EQ(ParseJobKey(JobKey(JobId{10'000'000'001})), JobId{10'000'000'001});
  const TaskKey task{JobId{12}, 1, 0xfffffffe};
  EXPECT_EQ(ParseTaskRecordKey(TaskRecordKey(task)), task);
  EXPECT_EQ(ParseSlotKey(SlotKey(70'000)), 70'000u);
  EXPECT_EQ(ParseEpochKey(EpochKey(1ull << 40)), 1ull << 40);
  EXPECT_EQ(ParseJournalKey(JournalKey(5, 6)), (JournalPosition{5, 6}));
  const auto parts = ParsePrincipalKey(PrincipalKey("uid:1000", "a request"));
  ASSERT_TRUE(parts.has_value());
  EXPECT_EQ(parts->principal, "uid:1000");
  EXPECT_EQ(parts->id, "a request");
}

TEST(RecordKeysTest, APrincipalAndAnIdCannotBeMistakenForAnotherPair) {
  EXPECT_NE(PrincipalKey("a", "bc"), PrincipalKey("ab", "c"));
  EXPECT_NE(PrincipalKey("", "abc"), PrincipalKey("abc", ""));
}

TEST(RecordKeysTest, AKeyOfAnotherFormIsNotRead) {
  EXPECT_FALSE(ParseJobKey("short").has_value());
  EXPECT_FALSE(ParseTaskRecordKey(JobKey(JobId{1})).has_value());
  EXPECT_FALSE(ParseSlotKey(JobKey(JobId{1})).has_value());
  EXPECT_FALSE(ParseJournalKey(EpochKey(1)).has_value());
  EXPECT_FALSE(ParsePrincipalKey("").has_value());
  // A principal said to be longer than the key.
  EXPECT_FALSE(ParsePrincipalKey(std::string("\0\0\0\x09", 4) + "ab").has_value());
}

TEST(RecordKeysTest, KeysAreSaidInWords) {
  EXPECT_EQ(DescribeKey(Table::kJobs, JobKey(JobId{12})), "job 12");
  EXPECT_EQ(DescribeKey(Table::kTasks, TaskRecordKey({JobId{12}, 1, 3})),
            "a task of job 12 (group 1, position 3)");
  EXPECT_EQ(DescribeKey(Table::kNodes, SlotKey(4)), "slot 4");
  EXPECT_EQ(DescribeKey(Table::kRequests, PrincipalKey("uid:7", "r1")), "request \"r1\" of uid:7");
  EXPECT_EQ(DescribeKey(Table::kBatches, PrincipalKey("uid:7", "b1")), "batch \"b1\" of uid:7");
  EXPECT_EQ(DescribeKey(Table::kChangeLog, EpochKey(77)), "epoch 77");
  EXPECT_EQ(DescribeKey(Table::kHistory, JournalKey(77, 2)), "entry 2 of epoch 77");
  EXPECT_EQ(DescribeKey(Table::kMeta, kMetaKey), "the cluster's own record");
}

TEST(RecordKeysTest, AMalformedKeyIsSaidInHexadecimal) {
  EXPECT_EQ(DescribeKey(Table::kJobs, std::string("\x00\xff\x1c", 3)), "key 00ff1c");
}

}  // namespace
}  // namespace berth::store
