#include "agentd/probe/node_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/mutex.h"
#include "tests/support/await.h"
#include "tests/unit/agentd/fake_gpus.h"

namespace berth::agentd {
namespace {

using berth::testing::Await;
using ::testing::HasSubstr;

class NodeWatchTest : public ::testing::Test {
 protected:
  NodeWatchTest() {
    tree_.Write("/proc/meminfo", "MemTotal: 4096 kB\n");
    tree_.Folder("/data");
    options_.root = tree_.root();
    options_.scratch_folder = tree_.root();
    options_.data_roots = {tree_.At("/data")};
    options_.gpus.library = FakeGpus::Library();
    options_.gpus.interval = std::chrono::milliseconds(1);
    options_.interval = std::chrono::milliseconds(1);
  }

  std::unique_ptr<NodeWatch> Open() {
    auto watch = NodeWatch::Open(options_);
    EXPECT_TRUE(watch.ok()) << watch.status();
    return watch.ok() ? *std::move(watch) : nullptr;
  }
  void Start(NodeWatch& watch) {
    watch.Start([this](const v1::NodeInventory& inventory) {
      base::MutexLock lock(mutex_);
      told_ = inventory;
    });
  }
  v1::NodeInventory Told() {
    base::MutexLock lock(mutex_);
    return told_;
  }

  const berth::testing::FileTree tree_;
  NodeWatch::Options options_;
  base::Mutex mutex_;
  v1::NodeInventory told_ BERTH_GUARDED_BY(mutex_);
};

TEST_F(NodeWatchTest, TellsOfMemoryThatWasAdded) {
  const auto watch = Open();
  EXPECT_EQ(watch->inventory().capacity().memory_bytes(), 4 << 20);
  Start(*watch);
  tree_.Write("/proc/meminfo.new", "MemTotal: 8192 kB\n");
  std::filesystem::rename(tree_.At("/proc/meminfo.new"), tree_.At("/proc/meminfo"));
  EXPECT_TRUE(Await([&] { return Told().capacity().memory_bytes() == 8 << 20; }));
}

TEST_F(NodeWatchTest, TellsOfAGpuThatIsLost) {
  const FakeGpus gpus("gpu uuid=GPU-a name=NVIDIA_L4 memory=1048576 pci=00000000:07:00.0\n");
  const auto watch = Open();
  ASSERT_EQ(watch->inventory().devices_size(), 1);
  EXPECT_FALSE(watch->inventory().devices(0).unhealthy());
  Start(*watch);
  gpus.Set("gpu uuid=GPU-a name=NVIDIA_L4 fault=15 pci=00000000:07:00.0\n");
  ASSERT_TRUE(Await([&] { return Told().devices_size() == 1 && Told().devices(0).unhealthy(); }));
  EXPECT_EQ(Told().devices(0).model(), "L4");
}

TEST_F(NodeWatchTest, TellsOfData) {
  tree_.Write("/data/words/1", "123");
  const auto watch = Open();
  EXPECT_EQ(watch->inventory().data_sets_size(), 0);
  Start(*watch);
  ASSERT_TRUE(Await([&] { return Told().data_sets_size() == 1; }));
  EXPECT_EQ(Told().data_sets(0).size_bytes(), 3);
  tree_.Write("/data/more", "1");
  EXPECT_TRUE(Await([&] { return Told().data_sets_size() == 2; }));
}

TEST_F(NodeWatchTest, TakesWhatTheConfigurationDeclaresInstead) {
  const FakeGpus gpus("gpu uuid=GPU-a name=NVIDIA_L4 memory=1048576 pci=00000000:07:00.0\n");
  options_.declared.devices = {{.id = "tpu0", .kind = "tpu"}};
  const auto watch = Open();
  ASSERT_EQ(watch->inventory().devices_size(), 1);
  EXPECT_EQ(watch->inventory().devices(0).id(), "tpu0");
  EXPECT_TRUE(watch->Gpus().devices.empty());
  Start(*watch);
  config::InventoryConfig declared = options_.declared;
  declared.labels = {{"zone", "a"}};
  ASSERT_TRUE(watch->Redeclare(declared, {}).ok());
  EXPECT_TRUE(Await([&] { return Told().labels().contains("zone"); }));

  const absl::Status refused = watch->Redeclare(declared, {.memory_bytes = 1 << 30});
  EXPECT_THAT(std::string(refused.message()), HasSubstr("reserve.memory"));
  EXPECT_TRUE(Told().labels().contains("zone"));
}

}  // namespace
}  // namespace berth::agentd
