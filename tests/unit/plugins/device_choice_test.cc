#include "device_fit/device_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "base/rng.h"

namespace berth::plugins {
namespace {

using ::testing::ElementsAre;

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

void Take(std::vector<DeviceRow>& devices, const std::vector<size_t>& positions) {
  for (size_t position : positions) devices[position].allocated_milli = 1000;
}

std::vector<int> Chosen(int count, const std::vector<DeviceRow>& devices) {
  std::vector<DeviceGrant> grants;
  const DeviceNeed need{.kind = kGpu, .count = count, .models = {}};
  EXPECT_TRUE(ChooseDevices(need, devices, grants));
  std::vector<int> positions;
  for (const DeviceGrant& grant : grants) positions.push_back(grant.device);
  return positions;
}

DeviceNeed Share(int32_t milli, int32_t memory_mib = 0) {
  return {.kind = kGpu, .count = 1, .share_milli = milli, .memory_mib = memory_mib, .models = {}};
}

TEST(ChooseDevicesTest, TakesTheFirstWhereNothingTellsThemApart) {
  EXPECT_THAT(Chosen(2, Gpus(4)), ElementsAre(0, 1));
}

TEST(ChooseDevicesTest, TakesDevicesThatAreJoined) {
  auto devices = Gpus(4);
  Link(devices, {1, 3});
  EXPECT_THAT(Chosen(2, devices), ElementsAre(1, 3));
}

TEST(ChooseDevicesTest, CountsALinkThatOnlyOneEndReports) {
  auto devices = Gpus(4);
  devices[3].fast_links = uint64_t{1} << 1;
  EXPECT_THAT(Chosen(2, devices), ElementsAre(1, 3));
}

TEST(ChooseDevicesTest, PutsLinksBeforeNumaNodes) {
  auto devices = Gpus(4);
  for (size_t i = 0; i < 4; ++i) devices[i].numa_node = static_cast<int16_t>(i / 2);
  Link(devices, {1, 2});
  EXPECT_THAT(Chosen(2, devices), ElementsAre(1, 2));
}

TEST(ChooseDevicesTest, KeepsToOneNumaNode) {
  auto devices = Gpus(4);
  for (size_t i = 0; i < 4; ++i) devices[i].numa_node = static_cast<int16_t>(i / 2);
  Take(devices, {0});
  EXPECT_THAT(Chosen(2, devices), ElementsAre(2, 3));
}

TEST(ChooseDevicesTest, TakesUnknownNumaNodesForDifferentOnes) {
  auto devices = Gpus(4);
  devices[2].numa_node = devices[3].numa_node = 0;
  EXPECT_THAT(Chosen(2, devices), ElementsAre(2, 3));
}

TEST(ChooseDevicesTest, LeavesPairsWholeForWhoWillWantTwo) {
  auto devices = Gpus(4);
  Link(devices, {0, 1});
  Link(devices, {2, 3});
  Take(devices, {2});
  EXPECT_THAT(Chosen(1, devices), ElementsAre(3));
}

TEST(ChooseDevicesTest, FillsTheSmallerIslandThatIsLargeEnough) {
  auto devices = Gpus(8);
  Link(devices, {0, 1, 2, 3});
  Link(devices, {4, 5, 6, 7});
  Take(devices, {5});
  EXPECT_THAT(Chosen(3, devices), ElementsAre(4, 6, 7));
}

TEST(ChooseDevicesTest, TakesWholeIslandsWhenOneIsNotEnough) {
  auto devices = Gpus(9);
  Link(devices, {0, 1});
  Link(devices, {2, 3, 4});
  Link(devices, {5, 6, 7, 8});
  EXPECT_THAT(Chosen(7, devices), ElementsAre(2, 3, 4, 5, 6, 7, 8));
}

TEST(ChooseDevicesTest, LinksDevicesBeyondTheSixtyFourth) {
  auto devices = Gpus(70);
  devices[69].fast_links = uint64_t{1} << 40;  // 40 cannot report 69
  EXPECT_THAT(Chosen(2, devices), ElementsAre(40, 69));
}

TEST(ChooseDevicesTest, GrantsTheShareAndItsMemory) {
  std::vector<DeviceGrant> grants;
  EXPECT_TRUE(ChooseDevices(Share(300, 250), Gpus(2), grants));
  EXPECT_THAT(grants, ElementsAre(DeviceGrant{0, 300, 250}));
}

TEST(ChooseDevicesTest, PutsAShareOnTheFullestDeviceThatHoldsIt) {
  auto devices = Gpus(4);
  devices[1].allocated_milli = 500;
  devices[2].allocated_milli = 600;
  devices[3].allocated_milli = 800;
  std::vector<DeviceGrant> grants;
  EXPECT_TRUE(ChooseDevices(Share(300), devices, grants));
  EXPECT_THAT(grants, ElementsAre(DeviceGrant{2, 300, 0}));
}

TEST(ChooseDevicesTest, PutsAShareWhereLessMemoryIsLeftAmongEquallyFullDevices) {
  auto devices = Gpus(3);
  for (DeviceRow& device : devices) device.allocated_milli = 500;
  devices[1].allocated_memory_mib = 400;
  devices[2].allocated_memory_mib = 900;
  std::vector<DeviceGrant> grants;
  EXPECT_TRUE(ChooseDevices(Share(300, 200), devices, grants));
  EXPECT_THAT(grants, ElementsAre(DeviceGrant{1, 300, 200}));
}

TEST(ChooseDevicesTest, GrantsNothingWhenThereAreTooFew) {
  auto devices = Gpus(4);
  devices[0].allocated_milli = 1;
  std::vector<DeviceGrant> grants;
  EXPECT_FALSE(ChooseDevices({.kind = kGpu, .count = 4, .models = {}}, devices, grants));
  EXPECT_TRUE(grants.empty());
}

// ---- against all sets there are ----

// Badness as device_choice.h orders it, counted from scratch.
auto BadnessOf(uint32_t set, const std::vector<DeviceRow>& devices) {
  int joined = 0, together = 0, cut = 0;
  std::vector<int> positions;
  const auto in = [&](size_t i) { return ((set >> i) & 1) != 0; };
  for (size_t a = 0; a < devices.size(); ++a) {
    if (in(a)) positions.push_back(static_cast<int>(a));
    for (size_t b = a + 1; b < devices.size(); ++b) {
      const bool linked = ((devices[a].fast_links >> b) & 1) != 0;
      if (in(a) && in(b)) {
        joined += linked;
        together += devices[a].numa_node >= 0 && devices[a].numa_node == devices[b].numa_node;
      } else if (in(a) != in(b) && devices[a].allocated_milli == 0 &&
                 devices[b].allocated_milli == 0) {
        cut += linked;
      }
    }
  }
  return std::make_tuple(-joined, -together, cut, positions);
}

std::vector<int> BestOfAll(int count, const std::vector<DeviceRow>& devices) {
  std::vector<std::tuple<int, int, int, std::vector<int>>> all;
  for (uint32_t set = 0; set < (1u << devices.size()); ++set) {
    if (std::popcount(set) != count) continue;
    bool free = true;
    for (size_t i = 0; i < devices.size(); ++i) {
      free = free && (((set >> i) & 1) == 0 || devices[i].allocated_milli == 0);
    }
    if (free) all.push_back(BadnessOf(set, devices));
  }
  return std::get<3>(*std::min_element(all.begin(), all.end()));
}

TEST(ChooseDevicesTest, FindsTheBestSetOnMachinesJoinedInIslands) {
  const std::vector<std::vector<std::vector<size_t>>> machines = {
      {{0, 1, 2, 3, 4, 5, 6, 7}},        // one switch
      {{0, 1, 2, 3}, {4, 5, 6, 7}},      // two quads
      {{0, 1}, {2, 3}, {4, 5}, {6, 7}},  // bridged pairs
      {{0, 4}, {1, 5}, {2, 6}, {3, 7}},  // bridged across sockets
      {{}},                              // PCIe only
  };
  base::Rng rng(11);
  for (const auto& machine : machines) {
    for (int round = 0; round < 300; ++round) {
      auto devices = Gpus(8);
      for (size_t i = 0; i < 8; ++i) devices[i].numa_node = static_cast<int16_t>(i / 4);
      for (const auto& island : machine) Link(devices, island);
      int free = 8;
      for (DeviceRow& device : devices) {
        if (rng.Uniform(3) == 0) {
          device.allocated_milli = 1000;
          --free;
        }
      }
      for (int count = 1; count <= free; ++count) {
        ASSERT_EQ(Chosen(count, devices), BestOfAll(count, devices)) << "count " << count;
      }
    }
  }
}

}  // namespace
}  // namespace berth::plugins
