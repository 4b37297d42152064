#include "store/snapshot_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <thread>

#include "snapshot/snapshot_reader.h"
#include "store/batch_encoder.h"
#include "store/memory_store.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/sample_state.h"

namespace berth::store {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class SnapshotKeeperTest : public ::testing::Test {
 protected:
  SnapshotKeeperTest() {
    BatchEncoder encoder{{}};
    const auto writes = encoder.Encode(SampleChangeBatch(store_.cluster_id()));
    EXPECT_TRUE(store_.Commit(writes, 1, 1).ok());
    options_.directory = folder_.path() + "/snapshots";
    options_.keep = 3;
    options_.first_after_ms = 0;
    options_.retry_after_ms = 1;
  }

  void PutFile(const std::string& name) {
    fs::create_directories(options_.directory);
    std::ofstream(options_.directory + "/" + name) << "content";
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(options_.directory)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  static void Await(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
  }

  const berth::testing::TempDir folder_;
  berth::testing::FakeClock clock_;
  const std::shared_ptr<MemoryDisk> disk_ =
      std::make_shared<MemoryDisk>("12345678-0000-4000-8000-000000000000");
  MemoryStore store_{disk_};
  SnapshotKeeperOptions options_;
};

constexpr char kNew[] = "berth-12345678-20260101T000000Z-e1.snapshot";

TEST_F(SnapshotKeeperTest, WritesOneThatCanBeReadWhenThereIsNone) {
  SnapshotKeeper keeper(options_, store_, clock_);
  EXPECT_EQ(keeper.stats().last_success_unix_ms, 0);
  keeper.Start();
  Await([&] { return keeper.stats().last_success_unix_ms != 0; });
  keeper.Stop();
  EXPECT_THAT(Names(), ElementsAre(kNew));
  const auto read = snapshot::ReadSnapshotFile(options_.directory + "/" + kNew);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->info.epoch, 1u);
  EXPECT_EQ(read->bytes, keeper.stats().last_bytes);
  EXPECT_EQ(read->RecordsOf('j'), 1u);
}

TEST_F(SnapshotKeeperTest, KeepsTheNewestAndLeavesOtherFilesAlone) {
  for (const char* day : {"01", "02", "03", "04", "05"}) {
    PutFile("berth-12345678-202512" + std::string(day) + "T000000Z-e1.snapshot");
  }
  PutFile("berth-87654321-20240101T000000Z-e1.snapshot");
  PutFile("berth-12345678-20251206T000000Z-e1.snapshot.part");
  PutFile("berth-12345678-by-hand.snapshot");
  SnapshotKeeper keeper(options_, store_, clock_);
  keeper.Start();
  Await([&] {
    return !fs::exists(options_.directory + "/berth-12345678-20251206T000000Z-e1.snapshot.part");
  });
  keeper.Stop();
  EXPECT_THAT(Names(), ElementsAre("berth-12345678-20251204T000000Z-e1.snapshot",
                                   "berth-12345678-20251205T000000Z-e1.snapshot", kNew,
                                   "berth-12345678-by-hand.snapshot",
                                   "berth-87654321-20240101T000000Z-e1.snapshot"));
}

TEST_F(SnapshotKeeperTest, OneThatIsYoungEnoughIsWaitedFor) {
  // 23 hours old, then a day.
  PutFile("berth-12345678-20251231T010000Z-e1.snapshot");
  {
    SnapshotKeeper keeper(options_, store_, clock_);
    keeper.Start();
    EXPECT_EQ(keeper.stats().last_success_unix_ms, clock_.WallMs() - 23 * 3'600'000);
    EXPECT_EQ(keeper.stats().last_bytes, 7u);
    keeper.Stop();
    EXPECT_THAT(Names(), SizeIs(1));
  }
  clock_.Advance(3'600'000);
  SnapshotKeeper keeper(options_, store_, clock_);
  keeper.Start();
  Await([&] { return keeper.stats().last_success_unix_ms == clock_.WallMs(); });
}

TEST_F(SnapshotKeeperTest, AClockThatWasSetBackCostsNeitherTheNewOneNorTheNext) {
  for (const char* year : {"2030", "2031", "2032"}) {
    PutFile("berth-12345678-" + std::string(year) + "0101T000000Z-e1.snapshot");
  }
  SnapshotKeeper keeper(options_, store_, clock_);
  keeper.Start();
  Await([&] { return keeper.stats().last_success_unix_ms == clock_.WallMs(); });
  Await([&] { return Names().size() == 3; });
  EXPECT_THAT(Names(), Contains(kNew));
}

TEST_F(SnapshotKeeperTest, NothingIsWrittenWhileTheDiskIsFullAndItIsTriedAgain) {
  disk_->SetRoom(absl::ResourceExhaustedError("only 3Mi are left"));
  SnapshotKeeper keeper(options_, store_, clock_);
  keeper.Start();
  Await([&] { return keeper.stats().failures >= 2; });
  EXPECT_THAT(Names(), IsEmpty());
  disk_->SetRoom(absl::OkStatus());
  Await([&] { return keeper.stats().last_success_unix_ms != 0; });
  EXPECT_THAT(Names(), ElementsAre(kNew));
}

}  // namespace
}  // namespace berth::store
