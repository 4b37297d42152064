// What every store does, whatever it is made of.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "store/memory_store.h"
#include "store/record_keys.h"
#include "store/rocksdb_store.h"
#include "store/state_store.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace berth::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

using Pairs = std::vector<std::pair<std::string, std::string>>;

// A place for state, in which stores are opened one after the other.
class Place {
 public:
  virtual ~Place() = default;
  virtual std::unique_ptr<StateStore> Open() = 0;
};

class MemoryPlace final : public Place {
 public:
  std::unique_ptr<StateStore> Open() override { return std::make_unique<MemoryStore>(disk_); }

 private:
  const std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>();
};

class RocksDbPlace final : public Place {
 public:
  std::unique_ptr<StateStore> Open() override {
    auto store = RocksDbStore::Open({.data_dir = directory_.path()}, clock_);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

 private:
  const berth::testing::TempDir directory_;
  const berth::testing::FakeClock clock_;
};

struct Kind {
  std::string name;
  std::function<std::unique_ptr<Place>()> make;
};

class StoreConformanceTest : public ::testing::TestWithParam<Kind> {
 protected:
  void Reopen() {
    store_.reset();
    store_ = place_->Open();
    ASSERT_NE(store_, nullptr);
  }
  // Commits the next epoch.
  absl::Status Commit(const WriteBatch& batch) {
    const Head head = store_->head();
    return store_->Commit(batch, head.epoch + 1, head.term);
  }
  static Pairs All(const StoreReader& reader, Table table, std::string_view prefix = {},
                   std::string_view from = {}) {
    Pairs found;
    const absl::Status status =
        reader.Scan(table, prefix, from, [&](std::string_view key, std::string_view value) {
          found.emplace_back(key, value);
          return true;
        });
    EXPECT_TRUE(status.ok()) << status;
    return found;
  }

  const std::unique_ptr<Place> place_ = GetParam().make();
  std::unique_ptr<StateStore> store_ = place_->Open();
};

WriteBatch Put(Table table, std::string key, std::string value) {
  WriteBatch batch;
  batch.Put(table, std::move(key), std::move(value));
  return batch;
}

TEST_P(StoreConformanceTest, ANewStoreIsEmptyAndHasACluster) {
  EXPECT_EQ(store_->head(), (Head{0, 0}));
  EXPECT_FALSE(store_->cluster_id().empty());
  EXPECT_FALSE(store_->place().empty());
  for (const Table table : kTables) EXPECT_THAT(All(*store_, table), IsEmpty());
}

TEST_P(StoreConformanceTest, WhatWasCommittedIsThereAfterReopening) {
  const std::string cluster = store_->cluster_id();
  ASSERT_TRUE(store_->Commit(Put(Table::kJobs, "k", "v"), 1, 7).ok());
  Reopen();
  EXPECT_EQ(store_->head(), (Head{1, 7}));
  EXPECT_EQ(*store_->Get(Table::kJobs, "k"), "v");
  EXPECT_EQ(store_->cluster_id(), cluster);
}

TEST_P(StoreConformanceTest, WritesOfABatchApplyInOrder) {
  ASSERT_TRUE(Commit(Put(Table::kJobs, "gone", "1")).ok());
  WriteBatch batch;
  batch.Put(Table::kJobs, "twice", "first");
  batch.Put(Table::kJobs, "twice", "second");
  batch.Put(Table::kJobs, "came and went", "x");
  batch.Delete(Table::kJobs, "came and went");
  batch.Delete(Table::kJobs, "gone");
  batch.Put(Table::kTasks, "a1", "old");
  batch.Put(Table::kTasks, "a2", "old");
  batch.DeletePrefix(Table::kTasks, "a");
  batch.Put(Table::kTasks, "a2", "new");
  batch.Delete(Table::kTasks, "never there");
  ASSERT_TRUE(Commit(batch).ok());
  EXPECT_THAT(All(*store_, Table::kJobs), ElementsAre(Pair("twice", "second")));
  EXPECT_THAT(All(*store_, Table::kTasks), ElementsAre(Pair("a2", "new")));
}

TEST_P(StoreConformanceTest, TablesDoNotSeeOneAnother) {
  WriteBatch batch;
  for (const Table table : kTables) batch.Put(table, "k", std::string(ToString(table)));
  ASSERT_TRUE(Commit(batch).ok());
  for (const Table table : kTables) {
    EXPECT_THAT(All(*store_, table), ElementsAre(Pair("k", std::string(ToString(table)))));
  }
  WriteBatch sweep;
  sweep.DeleteRange(Table::kNodes, "", "\xff");
  ASSERT_TRUE(Commit(sweep).ok());
  for (const Table table : kTables) {
    EXPECT_EQ(store_->Get(table, "k").ok(), table != Table::kNodes) << ToString(table);
  }
}

TEST_P(StoreConformanceTest, ScansAreInTheOrderOfBytesAndKeepToTheirBounds) {
  WriteBatch batch;
  for (const char* key : {"b", "a", "ab", "a\xff", "b1", "\xff\xff", "abc"}) {
    batch.Put(Table::kJobs, key, "");
  }
  ASSERT_TRUE(Commit(batch).ok());
  const auto keys = [&](std::string_view prefix, std::string_view from) {
    std::vector<std::string> found;
    for (const auto& [key, value] : All(*store_, Table::kJobs, prefix, from)) found.push_back(key);
    return found;
  };
  EXPECT_THAT(keys("", ""), ElementsAre("a", "ab", "abc", "a\xff", "b", "b1", "\xff\xff"));
  EXPECT_THAT(keys("a", ""), ElementsAre("a", "ab", "abc", "a\xff"));
  EXPECT_THAT(keys("a", "abb"), ElementsAre("abc", "a\xff"));
  EXPECT_THAT(keys("", "b1"), ElementsAre("b1", "\xff\xff"));
  EXPECT_THAT(keys("\xff", ""), ElementsAre("\xff\xff"));
  EXPECT_THAT(keys("a", "b"), IsEmpty());
  EXPECT_THAT(keys("c", ""), IsEmpty());
}

TEST_P(StoreConformanceTest, ACallbackMayEndTheScanAndReadAgain) {
  WriteBatch batch;
  for (const char* key : {"1", "2", "3"}) batch.Put(Table::kJobs, key, "v");
  ASSERT_TRUE(Commit(batch).ok());
  std::vector<std::string> seen;
  ASSERT_TRUE(store_
                  ->Scan(Table::kJobs,
                         [&](std::string_view key, std::string_view) {
                           EXPECT_EQ(*store_->Get(Table::kJobs, key), "v");
                           seen.emplace_back(key);
                           return seen.size() < 2;
                         })
                  .ok());
  EXPECT_THAT(seen, ElementsAre("1", "2"));
}

TEST_P(StoreConformanceTest, WhatIsNotThereIsNamed) {
  const auto value = store_->Get(Table::kJobs, JobKey(JobId{12}));
  EXPECT_TRUE(absl::IsNotFound(value.status()));
  EXPECT_THAT(base::S(value.status().message()), HasSubstr("table jobs has no job 12"));
}

TEST_P(StoreConformanceTest, EpochsFollowOneAnother) {
  ASSERT_TRUE(store_->Commit({}, 1, 1).ok());
  for (const uint64_t epoch : {0u, 1u, 3u}) {
    const absl::Status status = store_->Commit(Put(Table::kJobs, "k", "v"), epoch, 1);
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << epoch << ": " << status;
  }
  EXPECT_EQ(store_->head(), (Head{1, 1}));
  EXPECT_FALSE(store_->Get(Table::kJobs, "k").ok());
  // A refused commit is no failed one.
  EXPECT_TRUE(store_->Commit({}, 2, 1).ok());
}

TEST_P(StoreConformanceTest, AnOlderTermIsRefusedAlsoAfterReopening) {
  ASSERT_TRUE(store_->Commit({}, 1, 5).ok());
  Reopen();
  const absl::Status status = store_->Commit(Put(Table::kJobs, "k", "v"), 2, 4);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(base::S(status.message()), HasSubstr("term 5"));
  EXPECT_TRUE(store_->Commit({}, 2, 5).ok());
  EXPECT_TRUE(store_->Commit({}, 3, 6).ok());
  EXPECT_EQ(store_->head(), (Head{3, 6}));
}

TEST_P(StoreConformanceTest, ASnapshotStaysAsItWas) {
  ASSERT_TRUE(Commit(Put(Table::kJobs, "a", "1")).ok());
  const auto snapshot = store_->Snapshot();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  WriteBatch batch;
  batch.Put(Table::kJobs, "a", "2");
  batch.Put(Table::kJobs, "b", "2");
  ASSERT_TRUE(Commit(batch).ok());
  EXPECT_EQ((*snapshot)->head().epoch, 1u);
  EXPECT_THAT(All(**snapshot, Table::kJobs), ElementsAre(Pair("a", "1")));
  EXPECT_EQ(*(*snapshot)->Get(Table::kJobs, "a"), "1");
  EXPECT_TRUE(absl::IsNotFound((*snapshot)->Get(Table::kJobs, "b").status()));
  EXPECT_THAT(All(*store_, Table::kJobs), ElementsAre(Pair("a", "2"), Pair("b", "2")));
}

TEST_P(StoreConformanceTest, AScanSeesTheStateAtItsBeginning) {
  ASSERT_TRUE(Commit(Put(Table::kJobs, "a", "1")).ok());
  Pairs seen;
  ASSERT_TRUE(store_
                  ->Scan(Table::kJobs,
                         [&](std::string_view key, std::string_view value) {
                           seen.emplace_back(key, value);
                           WriteBatch batch;
                           batch.Put(Table::kJobs, "b", "2");
                           EXPECT_TRUE(Commit(batch).ok());
                           return true;
                         })
                  .ok());
  EXPECT_THAT(seen, ElementsAre(Pair("a", "1")));
}

TEST_P(StoreConformanceTest, TheTailGoesFromAnyKeptEpochToTheHead) {
  for (uint64_t epoch = 1; epoch <= 5; ++epoch) {
    WriteBatch batch = Put(Table::kChangeLog, EpochKey(epoch), "e" + std::to_string(epoch));
    if (epoch == 5) batch.Delete(Table::kChangeLog, EpochKey(1));
    ASSERT_TRUE(Commit(batch).ok());
  }
  const auto tail = [&](uint64_t from, std::vector<std::string>& entries) {
    return store_->Tail(from, [&](uint64_t epoch, std::string_view entry) {
      EXPECT_EQ("e" + std::to_string(epoch), entry);
      entries.emplace_back(entry);
      return true;
    });
  };
  std::vector<std::string> entries;
  ASSERT_TRUE(tail(1, entries).ok());
  EXPECT_THAT(entries, ElementsAre("e2", "e3", "e4", "e5"));
  entries.clear();
  ASSERT_TRUE(tail(5, entries).ok());
  EXPECT_THAT(entries, IsEmpty());
  const absl::Status too_old = tail(0, entries);
  EXPECT_TRUE(absl::IsOutOfRange(too_old)) << too_old;
  EXPECT_THAT(base::S(too_old.message()), HasSubstr("last epoch is 5"));
  EXPECT_TRUE(absl::IsOutOfRange(tail(6, entries)));
  EXPECT_THAT(entries, IsEmpty());
}

TEST_P(StoreConformanceTest, TheTailEndsWhenTheCallbackHasEnough) {
  for (uint64_t epoch = 1; epoch <= 3; ++epoch) {
    ASSERT_TRUE(Commit(Put(Table::kChangeLog, EpochKey(epoch), "")).ok());
  }
  int calls = 0;
  EXPECT_TRUE(store_->Tail(0, [&](uint64_t, std::string_view) { return ++calls < 2; }).ok());
  EXPECT_EQ(calls, 2);
}

TEST_P(StoreConformanceTest, ALogThatIsGoneAltogetherDoesNotLookLikeNoChanges) {
  ASSERT_TRUE(store_->Commit({}, 1, 1).ok());
  EXPECT_TRUE(absl::IsOutOfRange(store_->Tail(0, [](uint64_t, std::string_view) { return true; })));
}

TEST_P(StoreConformanceTest, BlobsAreFoundByTheirHash) {
  const auto content = std::make_shared<const std::string>(std::string(300'000, 'x') + "end");
  const std::string hash = base::Sha256Hex(*content);
  WriteBatch batch;
  batch.PutShared(Table::kBlobs, hash, content);
  ASSERT_TRUE(Commit(batch).ok());
  EXPECT_EQ(**store_->GetBlob(hash), *content);
  Reopen();
  const auto again = store_->GetBlob(hash);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(**again, *content);
  EXPECT_EQ(*store_->GetBlob(hash), *again);
  WriteBatch removal;
  removal.Delete(Table::kBlobs, hash);
  ASSERT_TRUE(Commit(removal).ok());
  EXPECT_TRUE(absl::IsNotFound(store_->GetBlob(hash).status()));
}

TEST_P(StoreConformanceTest, ABlobOfAnotherHashIsDamaged) {
  const std::string hash = base::Sha256Hex("content");
  ASSERT_TRUE(Commit(Put(Table::kBlobs, hash, "Content")).ok());
  const auto blob = store_->GetBlob(hash);
  EXPECT_TRUE(absl::IsDataLoss(blob.status())) << blob.status();
  EXPECT_THAT(base::S(blob.status().message()), HasSubstr("blob " + hash));
}

TEST_P(StoreConformanceTest, ABatchMayBeLarge) {
  WriteBatch batch;
  for (uint32_t i = 0; i < 20'000; ++i) batch.Put(Table::kTasks, SlotKey(i), std::string(500, 'v'));
  ASSERT_TRUE(Commit(batch).ok());
  Reopen();
  EXPECT_EQ(All(*store_, Table::kTasks).size(), 20'000u);
  WriteBatch sweep;
  sweep.DeleteRange(Table::kTasks, SlotKey(10), SlotKey(19'990));
  ASSERT_TRUE(Commit(sweep).ok());
  Reopen();
  EXPECT_EQ(All(*store_, Table::kTasks).size(), 20u);
}

// Random batches against a plain map; reopened now and then.
TEST_P(StoreConformanceTest, BehavesLikeAMap) {
  const uint64_t seed =
      ::testing::UnitTest::GetInstance()->random_seed() != 0
          ? static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed())
          : 20'260'101;
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Rng rng(seed);
  std::map<std::string, std::string> model;
  for (int turn = 0; turn < 60; ++turn) {
    WriteBatch batch;
    for (uint64_t n = rng.Uniform(40); n > 0; --n) {
      const std::string key = SlotKey(static_cast<Slot>(rng.Uniform(50)));
      switch (rng.Uniform(8)) {
        case 0: {
          const std::string end = SlotKey(static_cast<Slot>(rng.Uniform(50)));
          batch.DeleteRange(Table::kJobs, key, end);
          if (key < end) model.erase(model.lower_bound(key), model.lower_bound(end));
          break;
        }
        case 1:
        case 2:
          batch.Delete(Table::kJobs, key);
          model.erase(key);
          break;
        default: {
          const std::string value(rng.Uniform(100), static_cast<char>('a' + rng.Uniform(26)));
          batch.Put(Table::kJobs, key, value);
          model[key] = value;
        }
      }
    }
    ASSERT_TRUE(Commit(batch).ok());
    if (rng.Uniform(10) == 0) Reopen();
    ASSERT_EQ(All(*store_, Table::kJobs), Pairs(model.begin(), model.end())) << "turn " << turn;
  }
}

TEST_P(StoreConformanceTest, IsReadWhileItIsWritten) {
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  const std::string hash = base::Sha256Hex("content");
  ASSERT_TRUE(Commit(Put(Table::kBlobs, hash, "content")).ok());
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!done) {
        // Both keys are written together: no state has them different.
        const auto snapshot = store_->Snapshot();
        ASSERT_TRUE(snapshot.ok());
        const auto a = (*snapshot)->Get(Table::kJobs, "a");
        const auto b = (*snapshot)->Get(Table::kTasks, "b");
        ASSERT_EQ(a.ok(), b.ok());
        if (a.ok()) {
          ASSERT_EQ(*a, *b);
          ASSERT_EQ(*a, std::to_string((*snapshot)->head().epoch));
        }
        ASSERT_EQ(**store_->GetBlob(hash), "content");
      }
    });
  }
  for (uint64_t epoch = 2; epoch < 100; ++epoch) {
    WriteBatch batch;
    batch.Put(Table::kJobs, "a", std::to_string(epoch));
    batch.Put(Table::kTasks, "b", std::to_string(epoch));
    EXPECT_TRUE(Commit(batch).ok());
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
}

TEST_P(StoreConformanceTest, AnEmptyDiskHasRoomForNewWork) {
  EXPECT_TRUE(store_->CheckRoom().ok()) << store_->CheckRoom();
}

TEST_P(StoreConformanceTest, SaysHowMuchItTakes) {
  WriteBatch batch;
  batch.Put(Table::kJobs, "k", std::string(100'000, 'v'));
  ASSERT_TRUE(Commit(batch).ok());
  const StoreStats stats = store_->stats();
  EXPECT_GE(stats.memory_bytes + stats.disk_bytes, 100'000u);
  EXPECT_GT(stats.disk_free_bytes, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Stores, StoreConformanceTest,
    ::testing::Values(Kind{"Memory", [] { return std::make_unique<MemoryPlace>(); }},
                      Kind{"RocksDb", [] { return std::make_unique<RocksDbPlace>(); }}),
    [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace berth::store
