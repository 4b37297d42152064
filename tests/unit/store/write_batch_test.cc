#include "store/write_batch.h"

#include <gtest/gtest.h>

namespace berth::store {
namespace {

TEST(WriteBatchTest, TheEndOfAPrefixFollowsAllThatStartsWithIt) {
  EXPECT_EQ(EndOfPrefix("ab"), "ac");
  EXPECT_EQ(EndOfPrefix(std::string("a\xff\xff", 3)), "b");
  EXPECT_EQ(EndOfPrefix(std::string("\x00", 1)), "\x01");
  EXPECT_LT("ab\xff\xff\xff", EndOfPrefix("ab"));
}

TEST(WriteBatchDeathTest, NothingFollowsAPrefixOfHighestBytes) {
  EXPECT_DEATH(EndOfPrefix("\xff\xff"), "no key follows");
  EXPECT_DEATH(EndOfPrefix(""), "no key follows");
}

TEST(WriteBatchTest, CountsTheBytesOfKeysAndValues) {
  WriteBatch batch;
  EXPECT_TRUE(batch.empty());
  batch.Put(Table::kJobs, "key", "value");
  batch.PutShared(Table::kBlobs, "k", std::make_shared<const std::string>("content"));
  batch.Delete(Table::kJobs, "gone");
  EXPECT_EQ(batch.size(), 3u);
  EXPECT_EQ(batch.bytes(), 3u + 5 + 1 + 7 + 4);
}

TEST(WriteBatchTest, AnEmptyRangeIsNotWritten) {
  WriteBatch batch;
  batch.DeleteRange(Table::kJobs, "b", "b");
  batch.DeleteRange(Table::kJobs, "b", "a");
  EXPECT_TRUE(batch.empty());
}

}  // namespace
}  // namespace berth::store
