#include "device_fit/device_fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/plugin_probe.h"

namespace berth::plugins {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::NodeBuilder;
using testing::PluginProbe;
using testing::SeenRejection;
using testing::TaskBuilder;

Reservation Grants(std::vector<DeviceGrant> devices) { return {std::move(devices)}; }

TEST(DeviceFitFilterTest, KeepsEveryNodeOfATaskWithoutDevices) {
  PluginProbe probe(kDeviceFit);
  probe.cluster.Add(NodeBuilder("cpus"));
  EXPECT_THAT(probe.Passing(TaskBuilder().Cpu(1)), ElementsAre("cpus"));
}

TEST(DeviceFitFilterTest, CountsFreeDevicesOfTheKind) {
  PluginProbe probe(kDeviceFit);
  probe.cluster.Add(NodeBuilder("cpus"));
  probe.cluster.Add(NodeBuilder("tpus").Devices("tpu", 4, "v5e", "16Gi"));
  probe.cluster.Add(NodeBuilder("two").Gpus(2));
  probe.cluster.Add(NodeBuilder("four").Gpus(4));
  EXPECT_THAT(probe.Passing(TaskBuilder().Gpus(2)), ElementsAre("two", "four"));
  EXPECT_THAT(probe.Passing(TaskBuilder().Gpus(3)), ElementsAre("four"));
  probe.cluster.Fill("four", TaskBuilder(), Grants({{1, 1000, 0}, {3, 1, 0}}));
  EXPECT_THAT(probe.Passing(TaskBuilder().Gpus(2)), ElementsAre("two", "four"));
  EXPECT_THAT(probe.Passing(TaskBuilder().Gpus(3)), IsEmpty());
}

TEST(DeviceFitFilterTest, WantsAnAcceptedModel) {
  PluginProbe probe(kDeviceFit);
  probe.cluster.Add(NodeBuilder("a").Gpus(1, "A100"));
  probe.cluster.Add(NodeBuilder("h").Gpus(1, "H100"));
  probe.cluster.Add(NodeBuilder("v").Gpus(1, "V100"));
  EXPECT_THAT(probe.Passing(TaskBuilder().Gpus(1, {"H100", "A100"})), ElementsAre("a", "h"));
  EXPECT_THAT(probe.Passing(TaskBuilder().Gpus(1, {"B200"})), IsEmpty());
}

TEST(DeviceFitFilterTest, WantsEnoughMemoryOfEachDevice) {
  PluginProbe probe(kDeviceFit);
  probe.cluster.Add(NodeBuilder("mixed").Gpus(1, "A100", "40Gi").Gpus(1, "A100", "80Gi"));
  EXPECT_THAT(probe.Passing(TaskBuilder().Gpus(1, {}, "80Gi")), ElementsAre("mixed"));
  EXPECT_THAT(probe.Passing(TaskBuilder().Gpus(2, {}, "40Gi")), ElementsAre("mixed"));
  EXPECT_THAT(probe.Passing(TaskBuilder().Gpus(2, {}, "80Gi")), IsEmpty());
}

TEST(DeviceFitFilterTest, LeavesOutSickDevices) {
  PluginProbe probe(kDeviceFit);
  probe.cluster.Add(NodeBuilder("n").Gpus(2).Sick(0));
  EXPECT_THAT(probe.Passing(TaskBuilder().Gpus(1)), ElementsAre("n"));
  EXPECT_THAT(probe.Passing(TaskBuilder().Gpus(2)), IsEmpty());
}

TEST(DeviceFitFilterTest, SharesADeviceUntilItsThousandthsAreGone) {
  PluginProbe probe(kDeviceFit);
  probe.cluster.Add(NodeBuilder("n").Gpus(1));
  probe.cluster.Fill("n", TaskBuilder(), Grants({{0, 700, 0}}));
  EXPECT_THAT(probe.Passing(TaskBuilder().GpuShare(300)), ElementsAre("n"));
  EXPECT_THAT(probe.Passing(TaskBuilder().GpuShare(301)), IsEmpty());
}

TEST(DeviceFitFilterTest, SharesADeviceUntilItsMemoryIsGone) {
  PluginProbe probe(kDeviceFit);
  probe.cluster.Add(NodeBuilder("n").Gpus(1, "A100", "40Gi"));
  probe.cluster.Fill("n", TaskBuilder(), Grants({{0, 100, 30 * 1024}}));
  EXPECT_THAT(probe.Passing(TaskBuilder().GpuShare(100, "10Gi")), ElementsAre("n"));
  EXPECT_THAT(probe.Passing(TaskBuilder().GpuShare(100, "11Gi")), IsEmpty());
}

TEST(DeviceFitFilterTest, WantsEveryKindAtOnce) {
  PluginProbe probe(kDeviceFit);
  probe.cluster.Add(NodeBuilder("gpus").Gpus(2));
  probe.cluster.Add(NodeBuilder("both").Gpus(2).Devices("nic", 1, "CX7", "0B"));
  EXPECT_THAT(probe.Passing(TaskBuilder().Gpus(2).Device({"nic", 1, 500, 0, {}, {}})),
              ElementsAre("both"));
}

TEST(DeviceFitFilterTest, WantsFreeDevicesThatMakeTheBox) {
  PluginProbe probe(kDeviceFit);
  probe.cluster.Add(NodeBuilder("mesh").Devices("tpu", 8, "v5e", "16Gi").Torus({4, 2, 1}));
  probe.cluster.Add(NodeBuilder("ring").Devices("tpu", 8, "v5e", "16Gi").Torus({8, 1, 1}, 1));
  probe.cluster.Add(NodeBuilder("loose").Devices("tpu", 8, "v5e", "16Gi"));
  EXPECT_THAT(probe.Passing(TaskBuilder().TpuBox({1, 2, 2})), ElementsAre("mesh"));
  EXPECT_THAT(probe.Passing(TaskBuilder().TpuBox({5})), ElementsAre("ring"));
  EXPECT_THAT(probe.Passing(TaskBuilder().TpuBox({2})), ElementsAre("mesh", "ring"));
  // The second column of the mesh, and the ring's middle: what is left there goes round its ends.
  probe.cluster.Fill("mesh", TaskBuilder(), Grants({{1, 1000, 0}, {5, 1000, 0}}));
  probe.cluster.Fill("ring", TaskBuilder(), Grants({{3, 1, 0}, {4, 1, 0}}));
  EXPECT_THAT(probe.Passing(TaskBuilder().TpuBox({2, 2})), ElementsAre("mesh"));
  EXPECT_THAT(probe.Passing(TaskBuilder().TpuBox({2, 3})), IsEmpty());
  EXPECT_THAT(probe.Passing(TaskBuilder().TpuBox({6})), ElementsAre("ring"));
}

// ---- why not ----

class DeviceFitDiagnoseTest : public ::testing::Test {
 protected:
  SeenRejection Why(const TaskBuilder& task) {
    const auto seen = probe_.Rejections(task);
    EXPECT_EQ(seen.size(), 1u);
    return seen.empty() ? SeenRejection{} : seen[0];
  }
  uint32_t Kind(const char* name) { return probe_.cluster.table().names().kinds.Find(name); }

  PluginProbe probe_{kDeviceFit};
};

TEST_F(DeviceFitDiagnoseTest, NoDeviceOfTheKind) {
  probe_.cluster.Add(NodeBuilder("n"));
  const SeenRejection why = Why(TaskBuilder().Gpus(1));
  EXPECT_EQ(why, (SeenRejection{"n", Reason::kNoSuchDevice, Kind("gpu"), 1, 0, 0, true}));
}

TEST_F(DeviceFitDiagnoseTest, NoneOfAnAcceptedModel) {
  probe_.cluster.Add(NodeBuilder("n").Gpus(4, "V100"));
  const SeenRejection why = Why(TaskBuilder().Gpus(2, {"A100"}));
  EXPECT_EQ(why, (SeenRejection{"n", Reason::kDeviceModelMismatch, Kind("gpu"), 2, 0, 0, true}));
}

TEST_F(DeviceFitDiagnoseTest, NoneWithSoMuchMemory) {
  probe_.cluster.Add(NodeBuilder("n").Gpus(4, "A100", "40Gi"));
  const SeenRejection why = Why(TaskBuilder().Gpus(1, {}, "80Gi"));
  EXPECT_EQ(why, (SeenRejection{"n", Reason::kDeviceMemoryTooSmall, Kind("gpu"), 81920, 40960,
                                40960, true}));
}

TEST_F(DeviceFitDiagnoseTest, FewerThanAskedForInAll) {
  probe_.cluster.Add(NodeBuilder("n").Gpus(4));
  probe_.cluster.Fill("n", TaskBuilder(), Grants({{0, 1000, 0}}));
  const SeenRejection why = Why(TaskBuilder().Gpus(8));
  EXPECT_EQ(why, (SeenRejection{"n", Reason::kInsufficientDevices, Kind("gpu"), 8, 3, 4, true}));
}

TEST_F(DeviceFitDiagnoseTest, FewerThanAskedForAtPresent) {
  probe_.cluster.Add(NodeBuilder("n").Gpus(4));
  probe_.cluster.Fill("n", TaskBuilder(), Grants({{0, 1000, 0}}));
  const SeenRejection why = Why(TaskBuilder().Gpus(4));
  EXPECT_EQ(why, (SeenRejection{"n", Reason::kInsufficientDevices, Kind("gpu"), 4, 3, 4, false}));
}

TEST_F(DeviceFitDiagnoseTest, EnoughFreeDevicesButNoBoxOfThem) {
  probe_.cluster.Add(NodeBuilder("n").Devices("tpu", 8, "v5e", "16Gi").Torus({4, 2, 1}));
  probe_.cluster.Fill("n", TaskBuilder(), Grants({{1, 1000, 0}, {6, 1000, 0}}));
  EXPECT_EQ(Why(TaskBuilder().TpuBox({2, 2})),
            (SeenRejection{"n", Reason::kNoDeviceBox, Kind("tpu"), 4, 2, 4, false}));
  EXPECT_EQ(Why(TaskBuilder().TpuBox({4, 2})),
            (SeenRejection{"n", Reason::kInsufficientDevices, Kind("tpu"), 8, 6, 8, false}));
}

TEST_F(DeviceFitDiagnoseTest, ABoxThatTheTorusIsTooSmallFor) {
  probe_.cluster.Add(NodeBuilder("n").Devices("tpu", 8, "v5e", "16Gi").Torus({4, 2, 1}));
  EXPECT_EQ(Why(TaskBuilder().TpuBox({5})),
            (SeenRejection{"n", Reason::kNoDeviceBox, Kind("tpu"), 5, 4, 4, true}));
}

TEST_F(DeviceFitDiagnoseTest, ABoxWithASickDeviceMayGetWell) {
  probe_.cluster.Add(NodeBuilder("n").Devices("tpu", 5, "v5e", "16Gi").Torus({5, 1, 1}).Sick(2));
  EXPECT_EQ(Why(TaskBuilder().TpuBox({3})),
            (SeenRejection{"n", Reason::kNoDeviceBox, Kind("tpu"), 3, 2, 3, false}));
}

TEST_F(DeviceFitDiagnoseTest, ASickDeviceMayGetWell) {
  probe_.cluster.Add(NodeBuilder("n").Gpus(2).Sick(1));
  const SeenRejection why = Why(TaskBuilder().Gpus(2));
  EXPECT_EQ(why, (SeenRejection{"n", Reason::kInsufficientDevices, Kind("gpu"), 2, 1, 2, false}));
}

TEST_F(DeviceFitDiagnoseTest, NoDeviceWithRoomForTheShare) {
  probe_.cluster.Add(NodeBuilder("n").Gpus(2));
  probe_.cluster.Fill("n", TaskBuilder(), Grants({{0, 900, 0}, {1, 700, 0}}));
  const SeenRejection why = Why(TaskBuilder().GpuShare(500));
  EXPECT_EQ(why,
            (SeenRejection{"n", Reason::kInsufficientDevices, Kind("gpu"), 500, 300, 1000, false}));
}

TEST_F(DeviceFitDiagnoseTest, NoDeviceWithRoomForTheSharesMemory) {
  probe_.cluster.Add(NodeBuilder("n").Gpus(2, "A100", "40Gi"));
  probe_.cluster.Fill("n", TaskBuilder(), Grants({{0, 900, 0}, {1, 100, 35 * 1024}}));
  const SeenRejection why = Why(TaskBuilder().GpuShare(500, "10Gi"));
  EXPECT_EQ(why, (SeenRejection{"n", Reason::kDeviceMemoryTooSmall, Kind("gpu"), 10240, 5120, 40960,
                                false}));
}

TEST_F(DeviceFitDiagnoseTest, NamesTheKindThatNoReleaseCanMend) {
  probe_.cluster.Add(NodeBuilder("n").Gpus(2));
  probe_.cluster.Fill("n", TaskBuilder(), Grants({{0, 1000, 0}}));
  const SeenRejection why = Why(TaskBuilder().Gpus(2).Device({"tpu", 1, 1000, 0, {}}));
  EXPECT_EQ(why, (SeenRejection{"n", Reason::kNoSuchDevice, Kind("tpu"), 1, 0, 0, true}));
}

// ---- score and reserve ----

TEST(DeviceFitScoreTest, IsThePartOfTheDevicesThatWouldBeInUse) {
  PluginProbe probe(kDeviceFit);
  probe.cluster.Add(NodeBuilder("cpus"));
  probe.cluster.Add(NodeBuilder("four").Gpus(4));
  probe.cluster.Add(NodeBuilder("sick").Gpus(4).Sick(0).Sick(1));
  const auto scores = probe.Scores(TaskBuilder().Gpus(1));
  EXPECT_EQ(scores.at("cpus"), 0);
  EXPECT_EQ(scores.at("four"), kMaxScore / 4);
  EXPECT_EQ(scores.at("sick"), kMaxScore / 2);
  EXPECT_TRUE(probe.As<ScorePlugin>().Skips(probe.cluster.Needs(TaskBuilder().Cpu(1))));
}

TEST(DeviceFitReserveTest, GrantsNothingToATaskWithoutDevices) {
  PluginProbe probe(kDeviceFit);
  probe.cluster.Add(NodeBuilder("n").Gpus(2));
  EXPECT_THAT(*probe.Grants(TaskBuilder().Cpu(1), "n"), IsEmpty());
}

TEST(DeviceFitReserveTest, GrantsEachKindInTheOrderOfTheTask) {
  PluginProbe probe(kDeviceFit);
  probe.cluster.Add(NodeBuilder("n").Gpus(2).Devices("nic", 2, "CX7", "0B"));
  EXPECT_THAT(
      *probe.Grants(TaskBuilder().Device({"nic", 1, 250, 0, {}}).Gpus(2), "n"),
      ElementsAre(DeviceGrant{2, 250, 0}, DeviceGrant{0, 1000, 0}, DeviceGrant{1, 1000, 0}));
}

TEST(DeviceFitReserveTest, SaysWhenTheDevicesAreGone) {
  PluginProbe probe(kDeviceFit);
  probe.cluster.Add(NodeBuilder("n").Gpus(1));
  EXPECT_EQ(probe.Grants(TaskBuilder().Gpus(2), "n").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace berth::plugins
