#include "store/memory_store.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>

namespace berth::store {
namespace {

WriteBatch Put(std::string key, std::string value) {
  WriteBatch batch;
  batch.Put(Table::kJobs, std::move(key), std::move(value));
  return batch;
}

class MemoryStoreTest : public ::testing::Test {
 protected:
  void Crash() {
    store_.reset();
    store_ = std::make_unique<MemoryStore>(disk_);
  }

  const std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>("c1");
  std::unique_ptr<MemoryStore> store_ = std::make_unique<MemoryStore>(disk_);
};

TEST_F(MemoryStoreTest, AFailedWriteLeavesNoTraceAndEndsTheStore) {
  ASSERT_TRUE(store_->Commit(Put("a", "1"), 1, 1).ok());
  disk_->FailNextWrite(absl::UnavailableError("the disk is gone"));
  EXPECT_TRUE(absl::IsUnavailable(store_->Commit(Put("b", "2"), 2, 1)));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Commit(Put("b", "2"), 2, 1)));
  Crash();
  EXPECT_EQ(store_->head(), (Head{1, 1}));
  EXPECT_FALSE(store_->Get(Table::kJobs, "b").ok());
  EXPECT_TRUE(store_->Commit(Put("b", "2"), 2, 1).ok());
}

TEST_F(MemoryStoreTest, WhatAFailedSyncLeftMayBeThere) {
  disk_->FailNextSync(absl::UnavailableError("no answer"));
  EXPECT_FALSE(store_->Commit(Put("a", "1"), 1, 1).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Commit(Put("b", "2"), 2, 1)));
  Crash();
  EXPECT_EQ(store_->head(), (Head{1, 1}));
  EXPECT_EQ(*store_->Get(Table::kJobs, "a"), "1");
}

TEST_F(MemoryStoreTest, WhatAFailedSyncLeftMayBeLost) {
  ASSERT_TRUE(store_->Commit(Put("a", "1"), 1, 1).ok());
  disk_->FailNextSync(absl::UnavailableError("no answer"));
  EXPECT_FALSE(store_->Commit(Put("a", "2"), 2, 1).ok());
  store_.reset();
  disk_->LoseUnsynced();
  Crash();
  EXPECT_EQ(store_->head(), (Head{1, 1}));
  EXPECT_EQ(*store_->Get(Table::kJobs, "a"), "1");
}

TEST_F(MemoryStoreTest, ALaterStoreOnTheDiskTakesOver) {
  MemoryStore successor(disk_);
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Commit(Put("a", "1"), 1, 1)));
  EXPECT_TRUE(successor.Commit(Put("a", "1"), 1, 1).ok());
}

TEST_F(MemoryStoreTest, AHeldCommitIsNotThereUntilItIsReleased) {
  disk_->HoldCommits();
  auto commit = std::async(std::launch::async, [&] { return store_->Commit(Put("a", "1"), 1, 1); });
  disk_->AwaitHeldCommits(1);
  EXPECT_EQ(store_->head().epoch, 0u);
  EXPECT_FALSE(store_->Get(Table::kJobs, "a").ok());
  disk_->ReleaseCommits();
  EXPECT_TRUE(commit.get().ok());
  EXPECT_EQ(store_->head().epoch, 1u);
}

TEST_F(MemoryStoreTest, ADiskCanBeNearlyFull) {
  EXPECT_TRUE(store_->CheckRoom().ok());
  disk_->SetRoom(absl::ResourceExhaustedError("nearly full"));
  EXPECT_TRUE(absl::IsResourceExhausted(store_->CheckRoom()));
  EXPECT_TRUE(store_->Commit(Put("a", "1"), 1, 1).ok());
}

TEST_F(MemoryStoreTest, CorruptionIsSeenByTheNextReadAndNotByASnapshot) {
  ASSERT_TRUE(store_->Commit(Put("a", "1"), 1, 1).ok());
  const auto snapshot = store_->Snapshot();
  disk_->Corrupt(Table::kJobs, "a", "?");
  EXPECT_EQ(*store_->Get(Table::kJobs, "a"), "?");
  EXPECT_EQ(*(*snapshot)->Get(Table::kJobs, "a"), "1");
}

}  // namespace
}  // namespace berth::store
