#include "store/restore_snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/strings.h"
#include "snapshot/part_file.h"
#include "snapshot/snapshot_writer.h"
#include "state/generation.h"
#include "store/batch_encoder.h"
#include "store/record_codec.h"
#include "store/recover.h"
#include "store/restore_swap.h"
#include "store/rocksdb_store.h"
#include "store/schema_version.h"
#include "store/write_snapshot.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/sample_state.h"

namespace berth::store {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Records = std::map<std::string, std::string>;

class RestoreSnapshotTest : public ::testing::Test {
 protected:
  RestoreSnapshotTest() {
    options_.file = file_;
    options_.data_dir = dir_;
    options_.principal = "uid:7";
    options_.check = [](const StateStore& store) {
      return Recover(store, SampleDecoders()).status();
    };
  }

  std::unique_ptr<RocksDbStore> Open(const std::string& dir) {
    RocksDbStoreOptions options{.data_dir = dir};
    options.room.ballast_bytes = 0;
    auto store = RocksDbStore::Open(options, clock_);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  static void Commit(StateStore& store, std::vector<state::Change> changes) {
    BatchEncoder encoder{{}};
    const uint64_t epoch = store.head().epoch + 1;
    const auto writes = encoder.Encode({.epoch = epoch, .term = 1, .changes = std::move(changes)});
    ASSERT_TRUE(store.Commit(writes, epoch, 1).ok());
  }
  // A directory with the sample state, of epoch 1, and a snapshot of it.
  void MakeSampleAndSave() {
    const auto store = Open(dir_);
    Commit(*store, SampleChangeBatch(store->cluster_id()).changes);
    Save(*store);
    original_ = RecordsOf(*store);
  }
  void Save(const StateStore& store) {
    const auto state = store.Snapshot();
    auto file = snapshot::PartFile::Create(file_);
    const auto written =
        WriteSnapshot(**state, {.berthd_version = "0.1.0", .created_unix_ms = clock_.WallMs()},
                      [&](std::string_view bytes) { return (*file)->Write(bytes); });
    ASSERT_TRUE(written.ok()) << written.status();
    ASSERT_TRUE((*file)->Complete(true).ok());
  }
  static Records RecordsOf(const StoreReader& store) {
    Records records;
    for (const Table table : kTables) {
      EXPECT_TRUE(store
                      .Scan(table,
                            [&](std::string_view key, std::string_view value) {
                              records[static_cast<char>(table) + std::string(key)] = value;
                              return true;
                            })
                      .ok());
    }
    return records;
  }
  absl::StatusOr<RestoreOutcome> Restore() { return RestoreSnapshot(options_, clock_); }
  std::string Refusal() {
    const auto restored = Restore();
    EXPECT_FALSE(restored.ok());
    return base::S(restored.status().message());
  }
  std::vector<std::string> Names(const std::string& dir) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(dir)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  uint32_t GenerationIn(const std::string& dir) {
    const auto store = Open(dir);
    return Recover(*store, SampleDecoders())->meta.generation;
  }

  const berth::testing::TempDir folder_;
  const std::string dir_ = folder_.path() + "/data";
  const std::string file_ = folder_.path() + "/saved";
  berth::testing::FakeClock clock_;
  RestoreOptions options_;
  Records original_;
};

TEST_F(RestoreSnapshotTest, TheStateIsTheSameButForItsNumbers) {
  MakeSampleAndSave();
  const auto outcome = Restore();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  const uint32_t generation = SampleMeta().generation + 1;
  EXPECT_EQ(outcome->generation, generation);
  EXPECT_EQ(outcome->epoch, generation * state::kEpochsPerGeneration + 1);
  EXPECT_TRUE(fs::is_directory(outcome->moved_aside));

  const auto store = Open(dir_);
  EXPECT_EQ(store->head(), (Head{.epoch = outcome->epoch, .term = 1}));
  const auto found = Recover(*store, SampleDecoders());
  ASSERT_TRUE(found.ok()) << found.status();
  state::ClusterMeta meta = SampleMeta();
  meta.cluster_id = store->cluster_id();
  meta.generation = generation;
  meta.epoch = outcome->epoch;
  meta.term = 1;
  meta.next_job = 1;
  meta.settling = true;
  EXPECT_EQ(found->meta, meta);
  EXPECT_THAT(found->change_log, ElementsAre(ChangeLogEntry{.epoch = outcome->epoch}));
  EXPECT_THAT(found->jobs, SizeIs(1));
  ASSERT_THAT(found->jobs[0].tasks, SizeIs(1));
  EXPECT_EQ(found->jobs[0].tasks[0].row.start_sequence, 0u);
  EXPECT_EQ(found->jobs[0].tasks[0].row.attempt.number, SampleTask().row.attempt.number);

  // All other records are the same bytes.
  Records restored = RecordsOf(*store);
  const auto is_rewritten = [](const auto& record) {
    return std::string_view("mtc").find(record.first[0]) != std::string_view::npos;
  };
  std::erase_if(restored, is_rewritten);
  Records before = original_;
  std::erase_if(before, is_rewritten);
  for (const auto& [key, value] : before) EXPECT_EQ(restored[key], value) << key;
  EXPECT_EQ(restored.size(), before.size() + 1);  // the audit record of the restore

  const auto said = FindRestore(*store);
  ASSERT_TRUE(said.ok() && said->has_value());
  EXPECT_THAT(**said, AllOf(HasSubstr("epoch 1 of generation"), HasSubstr("2026-01-01T00:00:00Z"),
                            HasSubstr("berthd 0.1.0")));
}

TEST_F(RestoreSnapshotTest, AWatchOfTheOldTimelineIsOutOfRange) {
  MakeSampleAndSave();
  ASSERT_TRUE(Restore().ok());
  const auto store = Open(dir_);
  EXPECT_TRUE(absl::IsOutOfRange(store->Tail(1, [](uint64_t, std::string_view) { return true; })));
}

TEST_F(RestoreSnapshotTest, LaterStatesAreGoneAndKeptAside) {
  MakeSampleAndSave();
  {
    const auto store = Open(dir_);
    state::JobView later = SampleJob(13);
    Commit(*store, {state::JobChange{.job = later}});
  }
  const auto outcome = Restore();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  const auto store = Open(dir_);
  EXPECT_THAT(Recover(*store, SampleDecoders())->jobs, SizeIs(1));
  EXPECT_EQ(fs::path(outcome->moved_aside).filename().string(),
            "db.before-restore-" + std::to_string(clock_.WallMs() / 1000));
}

TEST_F(RestoreSnapshotTest, AnEmptyDirectoryBecomesThatClusters) {
  MakeSampleAndSave();
  const std::string id = Open(dir_)->cluster_id();
  options_.data_dir = folder_.path() + "/fresh/place";
  fs::create_directories(options_.data_dir + "/snapshots");
  const auto outcome = Restore();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->moved_aside, "");
  EXPECT_THAT(Names(options_.data_dir), ElementsAre("cluster.json", "db", "lock", "snapshots"));
  EXPECT_EQ(Open(options_.data_dir)->cluster_id(), id);
}

TEST_F(RestoreSnapshotTest, TheGenerationIsGreaterThanAllThatAreKnown) {
  MakeSampleAndSave();
  const uint32_t first = SampleMeta().generation;
  ASSERT_TRUE(Restore().ok());
  ASSERT_TRUE(Restore().ok());
  // The snapshot's is still the first; the directory's counts.
  EXPECT_EQ(GenerationIn(dir_), first + 2);
  options_.generation = first + 2;
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("not greater"),
                               HasSubstr("ask for " + std::to_string(first + 3) + " or more")));
  EXPECT_EQ(GenerationIn(dir_), first + 2);
  options_.generation = first + 10;
  ASSERT_TRUE(Restore().ok());
  EXPECT_EQ(GenerationIn(dir_), first + 10);
  options_.generation = state::kMostGeneration + 1;
  EXPECT_THAT(Refusal(), HasSubstr("the greatest there may be"));
}

TEST_F(RestoreSnapshotTest, ADamagedStateNeedsTheGenerationToBeGiven) {
  MakeSampleAndSave();
  std::ofstream(dir_ + "/db/CURRENT") << "nonsense";
  EXPECT_THAT(Refusal(), HasSubstr("--generation N"));
  options_.generation = SampleMeta().generation + 5;
  const auto outcome = Restore();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_THAT(outcome->unreadable, HasSubstr("open its database"));
  EXPECT_EQ(GenerationIn(dir_), SampleMeta().generation + 5);
}

TEST_F(RestoreSnapshotTest, AnotherClustersDirectoryIsRefused) {
  MakeSampleAndSave();
  options_.data_dir = folder_.path() + "/other";
  Open(options_.data_dir);
  const auto names = Names(options_.data_dir);
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("belongs to cluster"), HasSubstr("empty directory")));
  EXPECT_EQ(Names(options_.data_dir), names);
  fs::create_directories(folder_.path() + "/home");
  std::ofstream(folder_.path() + "/home/letter") << "dear";
  options_.data_dir = folder_.path() + "/home";
  EXPECT_THAT(Refusal(), HasSubstr("letter"));
}

TEST_F(RestoreSnapshotTest, ADirectoryInUseIsRefusedWithItsProcess) {
  MakeSampleAndSave();
  const auto store = Open(dir_);
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("process " + std::to_string(::getpid())),
                               HasSubstr("stop it first")));
}

TEST_F(RestoreSnapshotTest, WhatContradictsItselfIsRefusedAndTheOldStateStays) {
  MakeSampleAndSave();
  {
    // Its specification is gone.
    const auto store = Open(dir_);
    WriteBatch writes;
    writes.DeleteRange(Table::kBlobs, "0", "g");
    writes.DeleteRange(Table::kChangeLog, EpochKey(0), EpochKey(9));
    const Record log = Encode(ChangeLogEntry{.epoch = 2});
    writes.Put(log.table, log.key, log.value);
    ASSERT_TRUE(store->Commit(writes, 2, 1).ok());
    Save(*store);
  }
  const uint64_t bytes = fs::file_size(dir_ + "/db/CURRENT");
  EXPECT_THAT(Refusal(), HasSubstr("is gone"));
  EXPECT_THAT(Names(dir_), ElementsAre("cluster.json", "db", "lock"));
  EXPECT_EQ(fs::file_size(dir_ + "/db/CURRENT"), bytes);
  EXPECT_EQ(Open(dir_)->head().epoch, 2u);
}

TEST_F(RestoreSnapshotTest, ARecordThatCannotBeReadIsRefusedBeforeAnythingIsWritten) {
  snapshot::SnapshotInfo info{.schema_version = kSchemaVersion, .cluster_id = "c1", .epoch = 5};
  const auto write = [&](char table, const std::string& key, const std::string& value) {
    std::ofstream file(file_, std::ios::binary | std::ios::trunc);
    snapshot::SnapshotWriter writer(
        [&](std::string_view bytes) {
          file << bytes;
          return absl::OkStatus();
        },
        {{'m', "meta"}, {'j', "jobs"}, {'x', "blobs"}, {'?', "of tomorrow"}});
    EXPECT_TRUE(writer.Begin(info).ok() && writer.Add(table, key, value).ok() && writer.End().ok());
  };
  write('j', "nonsense", "nonsense");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr(file_), HasSubstr("table jobs")));
  write('x', "0123", "content of another address");
  EXPECT_THAT(Refusal(), HasSubstr("SHA-256"));
  write('?', "k", "v");
  EXPECT_THAT(Refusal(), HasSubstr("does not know"));
  info.schema_version = kSchemaVersion + 1;
  write('x', "k", "v");
  EXPECT_THAT(Refusal(), HasSubstr("schema version " + std::to_string(kSchemaVersion + 1)));
  EXPECT_FALSE(fs::exists(dir_));
}

TEST_F(RestoreSnapshotTest, ASnapshotOfNothingIsNotWritten) {
  const auto store = Open(dir_);
  EXPECT_TRUE(absl::IsFailedPrecondition(
      WriteSnapshot(*store, {}, [](std::string_view) { return absl::OkStatus(); }).status()));
}

// ---- killed between two steps ----

TEST_F(RestoreSnapshotTest, AnUnfinishedStateIsRemovedAtTheNextStart) {
  MakeSampleAndSave();
  fs::create_directories(dir_ + "/" + kUnfinishedRestore + "/db");
  std::ofstream(dir_ + "/" + kUnfinishedRestore + "/db/half") << "of it";
  EXPECT_EQ(Open(dir_)->head().epoch, 1u);
  EXPECT_THAT(Names(dir_), ElementsAre("cluster.json", "db", "lock"));
  // In a directory that was empty.
  const std::string fresh = folder_.path() + "/fresh";
  fs::create_directories(fresh + "/" + kUnfinishedRestore);
  EXPECT_EQ(Open(fresh)->head().epoch, 0u);
}

// A ready state takes over, whichever of the steps has been done.
TEST_F(RestoreSnapshotTest, AReadyStateTakesOverFromEveryStep) {
  MakeSampleAndSave();
  const std::string id = Open(dir_)->cluster_id();
  const std::string other = folder_.path() + "/other";
  options_.data_dir = other;
  ASSERT_TRUE(Restore().ok());
  const uint64_t epoch = Open(other)->head().epoch;
  for (int done = 0; done <= 3; ++done) {
    SCOPED_TRACE("steps done: " + std::to_string(done));
    const std::string place = folder_.path() + "/place" + std::to_string(done);
    const std::string ready = place + "/" + kReadyRestore;
    fs::create_directories(ready);
    fs::copy(other + "/cluster.json", ready + "/cluster.json");
    fs::copy(done < 3 ? other + "/db" : other + "/cluster.json",
             done < 3 ? ready + "/db" : ready + "/lock", fs::copy_options::recursive);
    if (done == 0) {
      fs::copy(dir_ + "/db", place + "/db", fs::copy_options::recursive);
      fs::copy(dir_ + "/cluster.json", place + "/cluster.json");
    }
    if (done >= 2) fs::copy(other + "/cluster.json", place + "/cluster.json");
    if (done == 3) fs::copy(other + "/db", place + "/db", fs::copy_options::recursive);
    const auto store = Open(place);
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(store->head().epoch, epoch);
    EXPECT_EQ(store->cluster_id(), id);
    EXPECT_FALSE(fs::exists(ready));
    EXPECT_EQ(fs::exists(place + "/db.before-restore-" + std::to_string(clock_.WallMs() / 1000)),
              done == 0);
  }
}

TEST_F(RestoreSnapshotTest, WhatWasMovedAsideIsNeverReplaced) {
  MakeSampleAndSave();
  const auto first = Restore();
  const auto second = Restore();
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_NE(first->moved_aside, second->moved_aside);
  EXPECT_TRUE(fs::exists(first->moved_aside) && fs::exists(second->moved_aside));
}

}  // namespace
}  // namespace berth::store
