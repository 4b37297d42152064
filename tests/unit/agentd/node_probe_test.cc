#include "agentd/probe/node_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace berth::agentd {
namespace {

using ::testing::HasSubstr;

TEST(NodeProbeTest, ReadsMeminfo) {
  constexpr char kMeminfo[] =
      "MemTotal:       24615436 kB\nMemFree:         1000 kB\nMemAvailable:   20000000 kB\n";
  EXPECT_EQ(MemInfoBytes(kMeminfo, "MemTotal"), 24615436LL * 1024);
  EXPECT_EQ(MemInfoBytes(kMeminfo, "MemAvailable"), 20000000LL * 1024);
  EXPECT_EQ(MemInfoBytes(kMeminfo, "Mem"), 0);
  EXPECT_EQ(MemInfoBytes("", "MemTotal"), 0);
  EXPECT_EQ(MemInfoBytes("MemTotal: none", "MemTotal"), 0);
}

TEST(NodeProbeTest, CountsBusyTimeWithoutIdleAndGuests) {
  // user nice system idle iowait irq softirq steal guest guest_nice
  EXPECT_EQ(BusyCpuMs("cpu  100 20 30 5000 400 1 2 3 50 50\ncpu0 1 1 1 1\n", 100), 1560);
  EXPECT_EQ(BusyCpuMs("intr 1 2 3\n", 100), 0);
  EXPECT_EQ(BusyCpuMs("", 100), 0);
}

TEST(NodeProbeTest, FindsThisMachine) {
  const auto probed = ProbeNode();
  ASSERT_TRUE(probed.ok()) << probed.status();
  EXPECT_GE(probed->cpu_milli, 1000);
  EXPECT_GT(probed->memory_bytes, 64 << 20);
  EXPECT_EQ(probed->labels.at("berth/os"), "linux");
  EXPECT_GT(ProbeUsage().cpu_time_ms(), 0);
}

TEST(InventoryTest, TakesTheProbeWhereNothingIsDeclaredAndRoundsDown) {
  Probed probed;
  probed.cpu_milli = 4000;
  probed.memory_bytes = (10 << 20) + 5000;
  probed.labels = {{"berth/arch", "x86_64"}, {"zone", "probed"}};
  config::InventoryConfig declared;
  declared.labels = {{"zone", "a"}};
  declared.bandwidth_bits_per_s = 1'500'000;
  const auto inventory = MakeInventory(probed, declared, {500, 1 << 20});
  ASSERT_TRUE(inventory.ok());
  EXPECT_EQ(inventory->capacity().cpu_milli(), 3500);
  EXPECT_EQ(inventory->capacity().memory_bytes(), 9 << 20);
  EXPECT_EQ(inventory->capacity().bandwidth_bits_per_s(), 1'000'000);
  EXPECT_FALSE(inventory->capacity().has_storage_bytes());
  EXPECT_EQ(inventory->labels().at("zone"), "a");
  EXPECT_EQ(inventory->labels().at("berth/arch"), "x86_64");
}

TEST(InventoryTest, PrefersWhatIsDeclared) {
  Probed probed;
  probed.cpu_milli = 4000;
  probed.memory_bytes = 1 << 30;
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
  Probed probed;
  probed.cpu_milli = 1000;
  probed.memory_bytes = 1 << 30;
  EXPECT_THAT(std::string(MakeInventory(probed, {}, {1000, 0}).status().message()),
              HasSubstr("reserve.cpu"));
  EXPECT_THAT(std::string(MakeInventory(probed, {}, {0, 1 << 30}).status().message()),
              HasSubstr("reserve.memory"));
}

}  // namespace
}  // namespace berth::agentd
