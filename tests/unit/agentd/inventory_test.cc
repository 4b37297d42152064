#include "agentd/probe/inventory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace berth::agentd {
namespace {

using ::testing::HasSubstr;

TEST(InventoryTest, TakesTheProbeWhereNothingIsDeclaredAndRoundsDown) {
  Machine probed;
  probed.cpu_milli = 4000;
  probed.memory_bytes = (10 << 20) + 5000;
  probed.labels = {{"berth/arch", "x86_64"}, {"zone", "probed"}};
  probed.scratch_bytes = (3 << 20) + 1;
  probed.cpu_model = "A CPU";
  probed.numa_nodes = {{4000, 10 << 20}};
  probed.disks = {{.name = "nvme0n1", .disk_class = DiskClass::kNvme, .size_bytes = 512}};
  probed.interfaces = {{.name = "eth0", .up = true, .speed_bits_per_s = 25'000'000'000}};
  probed.devices = {{.id = "GPU-1",
                     .kind = "gpu",
                     .model = "H100",
                     .memory_bytes = (80LL << 30) + 5,
                     .numa_node = 1,
                     .links = {{"GPU-2", PeerLink::Kind::kNvswitch, 450}},
                     .unhealthy_reason = "XID 79"}};
  probed.data_sets = {{"imagenet", 7}, {"own", 1}};
  config::InventoryConfig declared;
  declared.labels = {{"zone", "a"}};
  declared.bandwidth_bits_per_s = 1'500'000;
  declared.data_sets = {{"own", 2}};
  const auto inventory = MakeInventory(probed, declared, {500, 1 << 20, 1 << 20});
  ASSERT_TRUE(inventory.ok());
  EXPECT_EQ(inventory->capacity().cpu_milli(), 3500);
  EXPECT_EQ(inventory->capacity().memory_bytes(), 9 << 20);
  EXPECT_EQ(inventory->capacity().bandwidth_bits_per_s(), 1'000'000);
  EXPECT_EQ(inventory->capacity().storage_bytes(), 2 << 20);
  EXPECT_EQ(inventory->hardware().cpu_model(), "A CPU");
  EXPECT_EQ(inventory->hardware().numa_nodes(0).cpu_milli(), 4000);
  EXPECT_EQ(inventory->hardware().disks(0).disk_class(), v1::DISK_CLASS_NVME);
  EXPECT_EQ(inventory->hardware().interfaces(0).speed_bits_per_s(), 25'000'000'000);
  ASSERT_EQ(inventory->devices_size(), 1);
  EXPECT_EQ(inventory->devices(0).model(), "H100");
  EXPECT_EQ(inventory->devices(0).memory_bytes(), 80LL << 30);
  EXPECT_EQ(inventory->devices(0).numa_node(), 1);
  EXPECT_EQ(inventory->devices(0).links(0).kind(), v1::LINK_KIND_NVSWITCH);
  EXPECT_EQ(inventory->devices(0).unhealthy_reason(), "XID 79");
  ASSERT_EQ(inventory->data_sets_size(), 2);
  EXPECT_EQ(inventory->data_sets(1).size_bytes(), 2);
  EXPECT_EQ(inventory->labels().at("zone"), "a");
  EXPECT_EQ(inventory->labels().at("berth/arch"), "x86_64");
}

TEST(InventoryTest, PrefersWhatIsDeclared) {
  Machine probed;
  probed.cpu_milli = 4000;
  probed.memory_bytes = 1 << 30;
  probed.devices = {{.id = "GPU-of-the-machine", .kind = "gpu"}};
  config::InventoryConfig declared;
  declared.cpu_milli = 1000;
  declared.memory_bytes = 2 << 20;
  declared.extended = {{"fpga", 2}};
  declared.taints = {{"gpu", "true", config::TaintEffect::kPreferNoSchedule}};
  config::DeviceConfig device;
  device.id = "GPU-1";
  device.kind = "gpu";
  device.memory_bytes = 80LL << 30;
  device.numa_node = 1;
  device.links = {{"GPU-2", config::LinkKind::kNvlink, 1000}};
  device.unhealthy_reason = "XID 79";
  declared.devices = {device};
  declared.models = {{"llama", 7}};
  const auto inventory = MakeInventory(probed, declared, {});
  ASSERT_TRUE(inventory.ok());
  EXPECT_EQ(inventory->capacity().cpu_milli(), 1000);
  EXPECT_EQ(inventory->capacity().memory_bytes(), 2 << 20);
  EXPECT_EQ(inventory->capacity().extended().at("fpga"), 2);
  EXPECT_EQ(inventory->taints(0).effect(), v1::TAINT_EFFECT_PREFER_NO_SCHEDULE);
  ASSERT_EQ(inventory->devices_size(), 1);
  EXPECT_EQ(inventory->devices(0).numa_node(), 1);
  EXPECT_EQ(inventory->devices(0).links(0).kind(), v1::LINK_KIND_NVLINK);
  EXPECT_TRUE(inventory->devices(0).unhealthy());
  EXPECT_EQ(inventory->models(0).name(), "llama");
}

TEST(InventoryTest, RefusesAReserveThatLeavesNothing) {
  Machine probed;
  probed.cpu_milli = 1000;
  probed.memory_bytes = 1 << 30;
  EXPECT_THAT(std::string(MakeInventory(probed, {}, {1000, 0, 0}).status().message()),
              HasSubstr("reserve.cpu"));
  EXPECT_THAT(std::string(MakeInventory(probed, {}, {0, 1 << 30, 0}).status().message()),
              HasSubstr("reserve.memory"));
}

}  // namespace
}  // namespace berth::agentd
