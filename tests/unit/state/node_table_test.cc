#include "state/node_table.h"

#include <gtest/gtest.h>

#include <string>

namespace berth::state {
namespace {

NodeSpec Node(const std::string& name, int32_t cpu = 4000) {
  NodeSpec spec;
  spec.name = name;
  spec.capacity.builtin = {cpu, 8192, 0, 0};
  return spec;
}

DeviceSpec Gpu(const std::string& id, const std::string& model = "A100") {
  DeviceSpec device;
  device.id = id;
  device.kind = "gpu";
  device.model = model;
  device.memory_mib = 81920;
  return device;
}

TaskRequirements Cpu(int32_t milli) {
  TaskRequirements needs;
  needs.requests[kCpu] = milli;
  return needs;
}

TEST(NodeTableTest, KeepsASlotAndItsAllocationWhenANodeRegistersAgain) {
  NodeTable table(1);
  const Slot slot = *table.Put(Node("n1"));
  table.Allocate(slot, Cpu(1500), {});
  EXPECT_EQ(*table.Put(Node("n1", 2000)), slot);
  EXPECT_EQ(table.capacity(kCpu)[slot], 2000);
  EXPECT_EQ(table.allocated(kCpu)[slot], 1500);
  EXPECT_EQ(table.generation(slot), 1u);
}

TEST(NodeTableTest, ReusesASlotWithAHigherGeneration) {
  NodeTable table(1);
  const Slot slot = *table.Put(Node("n1"));
  table.Remove(slot);
  EXPECT_EQ(table.Find("n1"), kNoSlot);
  EXPECT_FALSE(table.live().Test(slot));
  EXPECT_EQ(table.capacity(kCpu)[slot], 0);
  EXPECT_EQ(*table.Put(Node("n2")), slot);
  EXPECT_EQ(table.generation(slot), 2u);
}

TEST(NodeTableTest, ReleaseReturnsExactlyToTheStart) {
  NodeTable table(1);
  NodeSpec spec = Node("n1");
  spec.devices = {Gpu("g0"), Gpu("g1")};
  const Slot slot = *table.Put(spec);
  TaskRequirements needs = Cpu(333);
  const Reservation reservation{{{.device = 1, .share_milli = 250, .memory_mib = 1000}}};
  table.Allocate(slot, needs, reservation);
  EXPECT_EQ(table.devices(slot)[1].allocated_milli, 250);
  EXPECT_EQ(table.devices(slot)[1].allocated_memory_mib, 1000);
  EXPECT_EQ(table.task_count(slot), 1);
  table.Release(slot, needs, reservation);
  EXPECT_EQ(table.allocated(kCpu)[slot], 0);
  EXPECT_EQ(table.devices(slot)[1].allocated_milli, 0);
  EXPECT_EQ(table.devices(slot)[1].allocated_memory_mib, 0);
  EXPECT_EQ(table.task_count(slot), 0);
}

TEST(NodeTableTest, PostingBitmapsFollowRelabelling) {
  NodeTable table(1);
  NodeSpec spec = Node("n1");
  spec.labels = {{"zone", "a"}, {"slots", "12"}};
  const Slot slot = *table.Put(spec);
  const LabelId zone_a = table.InternLabel("zone", "a");
  const LabelId zone_b = table.InternLabel("zone", "b");
  EXPECT_TRUE(table.with_label(zone_a).Test(slot));
  EXPECT_TRUE(table.with_key(table.InternKey("zone")).Test(slot));
  int64_t value = 0;
  EXPECT_TRUE(table.integer_value(table.InternLabel("slots", "12"), value));
  EXPECT_EQ(value, 12);
  EXPECT_FALSE(table.integer_value(zone_a, value));

  spec.labels = {{"zone", "b"}};
  ASSERT_TRUE(table.Put(spec).ok());
  EXPECT_FALSE(table.with_label(zone_a).Test(slot));
  EXPECT_TRUE(table.with_label(zone_b).Test(slot));
  EXPECT_FALSE(table.with_key(table.InternKey("slots")).Test(slot));
}

TEST(NodeTableTest, ToleratesByKeyValueAndEffect) {
  NodeTable table(1);
  const TaintId taint = table.InternTaint({"gpu", "true", TaintEffect::kNoSchedule});
  const KeyId key = table.InternKey("gpu");
  const LabelId pair = table.InternLabel("gpu", "true");
  const LabelId other = table.InternLabel("gpu", "false");
  const auto tolerates = [&](Toleration toleration) {
    return table.Tolerates(std::span(&toleration, 1), taint);
  };
  EXPECT_TRUE(tolerates({}));
  EXPECT_TRUE(tolerates({.key = key, .key_value = {}, .effect = {}}));
  EXPECT_TRUE(tolerates({.key = key, .key_value = pair, .effect = TaintEffect::kNoSchedule}));
  EXPECT_FALSE(tolerates({.key = key, .key_value = other, .effect = {}}));
  EXPECT_FALSE(tolerates({.key = key, .key_value = {}, .effect = TaintEffect::kNoExecute}));
  EXPECT_FALSE(table.Tolerates({}, taint));
}

TEST(NodeTableTest, DevicesKeepWhatIsAllocatedByIdWhenTheirOrderChanges) {
  NodeTable table(1);
  NodeSpec spec = Node("n1");
  spec.devices = {Gpu("g0"), Gpu("g1")};
  const Slot slot = *table.Put(spec);
  table.Allocate(slot, Cpu(0), {{{.device = 0, .share_milli = 1000, .memory_mib = 0}}});
  std::swap(spec.devices[0], spec.devices[1]);
  ASSERT_TRUE(table.Put(spec).ok());
  EXPECT_EQ(table.devices(slot)[0].allocated_milli, 0);
  EXPECT_EQ(table.devices(slot)[1].allocated_milli, 1000);
}

TEST(NodeTableTest, AHeldDeviceThatIsNotReportedStaysCountedAndIsNobodysToChoose) {
  NodeTable table(1);
  NodeSpec spec = Node("n1");
  spec.devices = {Gpu("g0"), Gpu("g1")};
  const Slot slot = *table.Put(spec);
  Reservation reservation{{{.device = 0, .share_milli = 1000, .memory_mib = 0}}};
  table.Allocate(slot, Cpu(0), reservation);
  spec.devices = {Gpu("g1")};
  ASSERT_TRUE(table.Put(spec).ok());
  ASSERT_EQ(table.devices(slot).size(), 1u);
  EXPECT_EQ(table.devices(slot)[0].allocated_milli, 0);
  reservation.devices[0].device = table.DevicePosition(slot, "g0");
  EXPECT_EQ(table.DeviceIds(slot, reservation), std::vector<std::string>{"g0"});

  // It comes back while it is held: it is not free.
  spec.devices = {Gpu("g1"), Gpu("g0")};
  ASSERT_TRUE(table.Put(spec).ok());
  EXPECT_EQ(table.devices(slot)[1].allocated_milli, 1000);
  reservation.devices[0].device = table.DevicePosition(slot, "g0");
  table.Release(slot, Cpu(0), reservation);
  EXPECT_EQ(table.devices(slot)[1].allocated_milli, 0);
}

TEST(NodeTableTest, AMissingDeviceIsForgottenWithItsLastHolder) {
  NodeTable table(1);
  NodeSpec spec = Node("n1");
  spec.devices = {Gpu("g0")};
  const Slot slot = *table.Put(spec);
  Reservation reservation{{{.device = 0, .share_milli = 400, .memory_mib = 100}}};
  table.Allocate(slot, Cpu(0), reservation);
  spec.devices = {};
  ASSERT_TRUE(table.Put(spec).ok());
  reservation.devices[0].device = table.DevicePosition(slot, "g0");
  table.Release(slot, Cpu(0), reservation);
  spec.devices = {Gpu("g0")};
  ASSERT_TRUE(table.Put(spec).ok());
  EXPECT_EQ(table.devices(slot)[0].allocated_milli, 0);
  EXPECT_EQ(table.DevicePosition(slot, "g0"), 0);
}

TEST(NodeTableTest, CountsWhoHoldsDevicesByHowMany) {
  NodeTable table(1);
  NodeSpec spec = Node("n1");
  spec.devices = {Gpu("g0"), Gpu("g1"), Gpu("g2")};
  const Slot slot = *table.Put(spec);
  const KindId gpu{table.names().kinds.Find("gpu")};
  const auto holding = [&](int32_t count, int32_t share_milli) {
    TaskRequirements needs;
    needs.devices = {{.kind = gpu, .count = count, .share_milli = share_milli, .models = {}}};
    return needs;
  };
  const TaskRequirements two = holding(2, 1000), one = holding(1, 1000), share = holding(1, 300);
  EXPECT_TRUE(table.device_uses(slot).empty());
  table.Allocate(slot, two, {{{0, 1000, 0}, {1, 1000, 0}}});
  table.Allocate(slot, share, {{{2, 300, 0}}});
  table.Allocate(slot, share, {{{2, 300, 0}}});
  const auto uses = [&] {
    const auto span = table.device_uses(slot);
    return std::vector<DeviceUse>(span.begin(), span.end());
  };
  EXPECT_EQ(uses(), (std::vector<DeviceUse>{{gpu, 0, 2}, {gpu, 2, 1}}));

  table.BeginTrial();
  table.Release(slot, two, {{{0, 1000, 0}, {1, 1000, 0}}});
  table.Allocate(slot, one, {{{0, 1000, 0}}});
  EXPECT_EQ(uses(), (std::vector<DeviceUse>{{gpu, 0, 2}, {gpu, 1, 1}}));
  table.UndoTrial();
  EXPECT_EQ(uses(), (std::vector<DeviceUse>{{gpu, 0, 2}, {gpu, 2, 1}}));

  table.Release(slot, two, {{{0, 1000, 0}, {1, 1000, 0}}});
  table.Release(slot, share, {{{2, 300, 0}}});
  EXPECT_EQ(uses(), (std::vector<DeviceUse>{{gpu, 0, 1}}));
}

TEST(NodeTableTest, KnowsThePartOfDevicesThatIsIdle) {
  NodeTable table(1);
  NodeSpec spec = Node("n1");
  const Slot slot = *table.Put(spec);
  EXPECT_EQ(table.idle_devices()[slot], 0);
  spec.devices = {Gpu("g0"), Gpu("g1"), Gpu("g2"), Gpu("g3")};
  ASSERT_TRUE(table.Put(spec).ok());
  EXPECT_EQ(table.idle_devices()[slot], kMaxScore);
  const Reservation reservation{{{0, 1000, 0}, {1, 500, 0}}};
  table.Allocate(slot, Cpu(0), reservation);
  EXPECT_EQ(table.idle_devices()[slot], kMaxScore / 8 * 5);
  // Of the two that are left, one has been given away by half.
  spec.devices[0].healthy = spec.devices[2].healthy = false;
  ASSERT_TRUE(table.Put(spec).ok());
  EXPECT_EQ(table.idle_devices()[slot], kMaxScore / 4 * 3);
  table.Release(slot, Cpu(0), reservation);
  EXPECT_EQ(table.idle_devices()[slot], kMaxScore);
  table.Remove(slot);
  EXPECT_EQ(table.idle_devices()[slot], 0);
}

TEST(NodeTableTest, LinksAreMasksOfPositions) {
  NodeTable table(1);
  NodeSpec spec = Node("n1");
  spec.devices = {Gpu("g0"), Gpu("g1"), Gpu("g2")};
  spec.devices[0].fast_peers = {"g2"};
  const Slot slot = *table.Put(spec);
  EXPECT_EQ(table.devices(slot)[0].fast_links, uint64_t{1} << 2);
}

TEST(NodeTableTest, RefusesTheThirteenthExtendedResourceAndChangesNothing) {
  NodeTable table(1);
  NodeSpec spec = Node("n1");
  for (int i = 0; i < 13; ++i) spec.capacity.extended.emplace_back("r" + std::to_string(i), 1);
  const auto put = table.Put(spec);
  EXPECT_EQ(put.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(table.Find("n1"), kNoSlot);
}

TEST(NodeTableTest, RanksAreRedrawnWhenTheTableDoubles) {
  NodeTable table(9);
  for (int i = 0; i < 65; ++i) ASSERT_TRUE(table.Put(Node("n" + std::to_string(i))).ok());
  EXPECT_EQ(table.rank_capacity(), 128u);
  std::vector<bool> taken(128, false);
  for (const uint32_t rank : table.rank()) {
    ASSERT_LT(rank, 128u);
    EXPECT_FALSE(taken[rank]);
    taken[rank] = true;
  }
}

TEST(NodeTableTest, RestoresSlotsInAnyOrder) {
  NodeTable table(1);
  ASSERT_TRUE(table.Restore(3, 7, Node("n3")).ok());
  ASSERT_TRUE(table.Restore(1, 2, Node("n1")).ok());
  EXPECT_EQ(table.Find("n3"), 3u);
  EXPECT_EQ(table.generation(3), 7u);
  EXPECT_EQ(table.Restore(3, 8, Node("n4")).code(), absl::StatusCode::kDataLoss);
  // New nodes take the slots that are free before the table grows.
  const Slot next = *table.Put(Node("n5"));
  EXPECT_TRUE(next == 0u || next == 2u);
}

}  // namespace
}  // namespace berth::state
