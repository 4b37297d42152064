#include "berth/device_sets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "base/rng.h"
#include "tests/support/random_cluster.h"

namespace berth {
namespace {

using testing::Between;
using testing::Chance;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr KindId kGpu{0};

std::vector<DeviceRow> Gpus(int count) {
  DeviceRow row;
  row.kind = kGpu;
  row.memory_mib = 1000;
  return std::vector<DeviceRow>(static_cast<size_t>(count), row);
}

void Link(std::vector<DeviceRow>& devices, const std::vector<size_t>& island) {
  for (size_t a : island) {
    for (size_t b : island) {
      if (a != b) devices[a].fast_links |= uint64_t{1} << b;
    }
  }
}

DeviceNeed Whole(int32_t count) { return {.kind = kGpu, .count = count, .models = {}}; }
DeviceNeed Share(int32_t milli) {
  return {.kind = kGpu, .count = 1, .share_milli = milli, .models = {}};
}

std::vector<std::vector<int>> SetsOf(const DeviceNeed& need, const std::vector<DeviceRow>& rows) {
  DeviceSets sets;
  sets.Find(need, rows);
  std::vector<std::vector<int>> found;
  for (size_t set = 0; set < sets.size(); ++set) {
    found.emplace_back(sets[set].begin(), sets[set].end());
  }
  return found;
}

std::vector<int> AlikeOf(const DeviceNeed& need, const std::vector<DeviceRow>& rows) {
  DeviceSets sets;
  sets.Find(need, rows);
  std::vector<int> alike;
  for (size_t set = 0; set < sets.size(); ++set) alike.push_back(sets.alike(set));
  return alike;
}

using Sets = std::vector<std::vector<int>>;

TEST(DeviceSetsTest, AreNoneWhereTooFewHaveRoom) {
  auto devices = Gpus(3);
  devices[1].healthy = false;
  EXPECT_THAT(SetsOf(Whole(3), devices), IsEmpty());
  devices[0].allocated_milli = devices[2].allocated_milli = 701;
  EXPECT_THAT(SetsOf(Share(300), devices), IsEmpty());
}

TEST(DeviceSetsTest, OfAShareAreTheDevicesThatDifferFullestFirst) {
  auto devices = Gpus(6);
  devices[1].allocated_milli = 500;
  devices[2].allocated_milli = 800;  // no room
  devices[4].allocated_milli = 700;
  devices[5].allocated_milli = 500;
  EXPECT_EQ(SetsOf(Share(300), devices), (Sets{{4}, {1}, {0}}));
  EXPECT_THAT(AlikeOf(Share(300), devices), ElementsAre(1, 2, 2));
}

TEST(DeviceSetsTest, OfAShareTellModelsAndNumaNodesApart) {
  auto devices = Gpus(4);
  devices[1].model = ModelId{1};
  devices[2].numa_node = 1;
  EXPECT_EQ(SetsOf(Share(300), devices), (Sets{{0}, {1}, {2}}));
}

TEST(DeviceSetsTest, OfWholeDevicesAreOneWhereAllLookAlike) {
  EXPECT_EQ(SetsOf(Whole(2), Gpus(8)), (Sets{{0, 1}}));
  EXPECT_THAT(AlikeOf(Whole(2), Gpus(8)), ElementsAre(8));
}

TEST(DeviceSetsTest, OfWholeDevicesAreOneWhereAllAreNeeded) {
  auto devices = Gpus(4);
  Link(devices, {1, 2});
  devices[3].model = ModelId{1};
  EXPECT_EQ(SetsOf(Whole(4), devices), (Sets{{0, 1, 2, 3}}));
}

TEST(DeviceSetsTest, OfWholeDevicesStandInOrderOfLinksAndNumaNodes) {
  auto devices = Gpus(8);
  Link(devices, {5, 6});
  for (size_t i : {2, 3, 4}) devices[i].numa_node = 1;
  // Grown from 0, 1 and 7: two of those that are nowhere. From 2, 3 and 4: of one NUMA node.
  EXPECT_EQ(SetsOf(Whole(2), devices), (Sets{{5, 6}, {2, 3}, {0, 1}}));
  EXPECT_THAT(AlikeOf(Whole(2), devices), ElementsAre(2, 3, 3));
}

TEST(DeviceSetsTest, OfOneWholeDeviceLeaveLinkedOnesForLast) {
  auto devices = Gpus(4);
  Link(devices, {0, 1});
  EXPECT_EQ(SetsOf(Whole(1), devices), (Sets{{2}, {0}}));
}

TEST(DeviceSetsTest, TellModelsApart) {
  auto devices = Gpus(4);
  devices[2].model = devices[3].model = ModelId{1};
  // From each model's devices the lowest that is left is added.
  EXPECT_EQ(SetsOf(Whole(1), devices), (Sets{{0}, {2}}));
  EXPECT_EQ(SetsOf(Whole(2), devices), (Sets{{0, 1}, {0, 2}}));
}

TEST(DeviceSetsTest, AreAtMostSixtyFour) {
  auto devices = Gpus(100);
  for (size_t i = 0; i < devices.size(); ++i) {
    devices[i].model = ModelId{static_cast<uint32_t>(i)};
  }
  EXPECT_EQ(SetsOf(Whole(1), devices).size(), 64u);
  EXPECT_EQ(SetsOf(Share(500), devices).size(), 64u);
}

TEST(DeviceSetsTest, FindTheSameWhateverWasFoundBefore) {
  base::Rng rng(testing::TestSeed(3));
  DeviceSets used;
  for (int round = 0; round < 2000; ++round) {
    auto devices = Gpus(Between(rng, 1, 9));
    for (DeviceRow& device : devices) {
      device.model = ModelId{static_cast<uint32_t>(rng.Uniform(2))};
      device.healthy = !Chance(rng, 10);
      device.numa_node = static_cast<int16_t>(Between(rng, -1, 1));
      device.fast_links = Chance(rng, 30) ? rng.Uniform(512) : 0;
      device.allocated_milli = Chance(rng, 40) ? 100 * Between(rng, 0, 10) : 0;
    }
    const DeviceNeed need =
        Chance(rng, 50) ? Share(100 * Between(rng, 1, 9)) : Whole(Between(rng, 1, 4));
    used.Find(need, devices);
    Sets found;
    int32_t alike = 0;
    for (size_t set = 0; set < used.size(); ++set) {
      found.emplace_back(used[set].begin(), used[set].end());
      alike += used.alike(set);
    }
    ASSERT_EQ(found, SetsOf(need, devices));
    int32_t with_room = 0;
    for (const DeviceRow& device : devices) with_room += HasRoom(need, device);
    ASSERT_EQ(found.empty(), with_room < need.count);
    ASSERT_LE(alike, with_room);
    ASSERT_EQ(std::set(found.begin(), found.end()).size(), found.size());
    for (const std::vector<int>& set : found) {
      ASSERT_EQ(set.size(), static_cast<size_t>(need.count));
      ASSERT_EQ(std::set(set.begin(), set.end()).size(), set.size());
      for (const int position : set) {
        ASSERT_TRUE(HasRoom(need, devices[static_cast<size_t>(position)]));
      }
    }
  }
}

}  // namespace
}  // namespace berth
