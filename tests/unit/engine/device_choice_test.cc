#include "engine/device_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>

#include "tests/support/pipeline_harness.h"
#include "tests/support/status_text.h"

namespace berth::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::NodeBuilder;
using testing::PipelineHarness;
using testing::TaskBuilder;
using testing::Text;

using SetScore = std::function<int32_t(const DeviceNeed&, std::span<const uint16_t>)>;

// Says of a set what a test tells it.
class SetScorer final : public DeviceScorePlugin {
 public:
  SetScorer(std::string_view name, const SetScore& score) : name_(name), score_(score) {}
  std::string_view name() const override { return name_; }
  Reads reads() const override { return kReadsDevices; }
  absl::Status ScoreSets(const TaskView&, const NodeColumns&, Slot, const DeviceNeed& need,
                         const DeviceSets& sets, std::span<int32_t> scores) const override {
    for (size_t set = 0; set < sets.size(); ++set) scores[set] = score_(need, sets[set]);
    return absl::OkStatus();
  }

 private:
  const std::string_view name_;
  const SetScore& score_;
};

// Scores by two plugins, A of weight 2 and B of weight 1.
class DeviceChoicePlacementTest : public ::testing::Test {
 protected:
  engine::Placement Place(const TaskBuilder& task) { return MakeHarness().Place(task); }

  PipelineHarness& MakeHarness() {
    pipeline::ProfileOptions options;
    options.scores.disabled = {"*"};
    options.scores.enabled = {{"A", 2}, {"B", 1}};
    harness_ = std::make_unique<PipelineHarness>(options, 1, [this](PluginRegistry& registry) {
      for (const auto& [name, score] : {std::pair("A", &a_), std::pair("B", &b_)}) {
        registry.Register(
            name,
            [name = name, score = score](
                const PluginArgs&, PluginContext&) -> absl::StatusOr<std::unique_ptr<Plugin>> {
              return std::make_unique<SetScorer>(name, *score);
            });
      }
    });
    for (const NodeBuilder& node : nodes_) harness_->cluster.Add(node);
    return *harness_;
  }

  static std::vector<int> DevicesOf(const Placement& placement) {
    std::vector<int> devices;
    for (const DeviceGrant& grant : placement.reservation.devices) devices.push_back(grant.device);
    return devices;
  }

  std::vector<NodeBuilder> nodes_;
  SetScore a_ = [](const DeviceNeed&, std::span<const uint16_t>) { return 0; };
  SetScore b_ = a_;
  std::unique_ptr<PipelineHarness> harness_;
};

// Three models, so that no device looks like another.
NodeBuilder Three(const std::string& name) {
  return NodeBuilder(name).Gpus(1, "A100").Gpus(1, "H100").Gpus(1, "T4");
}

TEST_F(DeviceChoicePlacementTest, TakesTheSetWithTheHighestWeightedSum) {
  nodes_ = {Three("n")};
  a_ = [](const DeviceNeed&, std::span<const uint16_t> set) { return set[0] == 1 ? 10 : 0; };
  b_ = [](const DeviceNeed&, std::span<const uint16_t> set) { return set[0] == 2 ? 21 : 5; };
  const Placement placement = Place(TaskBuilder().GpuShare(300));
  EXPECT_THAT(DevicesOf(placement), ElementsAre(1));  // 25, before 21 and 5
  EXPECT_EQ(placement.total, 25);
  EXPECT_EQ(placement.plugin_scores[0], 10);
  EXPECT_EQ(placement.plugin_scores[1], 5);
}

TEST_F(DeviceChoicePlacementTest, GivesTiesToTheFirstSet) {
  nodes_ = {Three("n")};
  a_ = [](const DeviceNeed&, std::span<const uint16_t> set) { return set[0] == 0 ? 0 : 10; };
  EXPECT_THAT(DevicesOf(Place(TaskBuilder().Gpus(1))), ElementsAre(1));
}

TEST_F(DeviceChoicePlacementTest, TakesTheNodeWithTheBestSet) {
  nodes_ = {NodeBuilder("good").Gpus(2, "A100"), Three("mixed")};
  // The mean of the mixed node is lower, its best is higher.
  a_ = [](const DeviceNeed&, std::span<const uint16_t> set) { return set[0] == 2 ? 8 : 1; };
  const Placement placement = Place(TaskBuilder().Gpus(1));
  EXPECT_EQ(harness_->cluster.NameOf(placement.slot), "mixed");
  EXPECT_THAT(DevicesOf(placement), ElementsAre(2));
  EXPECT_EQ(placement.total, 16);
  EXPECT_EQ(placement.runner_up_total, 2);
}

TEST_F(DeviceChoicePlacementTest, ChoosesForEachKindByItselfAndScoresTheirMean) {
  nodes_ = {Three("n").Devices("tpu", 1, "v4", "16Gi").Devices("tpu", 1, "v5e", "16Gi")};
  // Of GPUs the second, of TPUs the first, position 3.
  a_ = [](const DeviceNeed&, std::span<const uint16_t> set) {
    return set[0] == 1 ? 9 : set[0] == 3 ? 4 : 0;
  };
  const Placement placement = Place(TaskBuilder().Gpus(1).Device({"tpu", 1, 1000, 0, {}}));
  EXPECT_THAT(DevicesOf(placement), ElementsAre(1, 3));
  EXPECT_EQ(placement.plugin_scores[0], 6);  // 13 / 2, rounded down
  EXPECT_EQ(placement.total, 12);
}

TEST_F(DeviceChoicePlacementTest, AsksNobodyAboutTasksWithoutDevices) {
  nodes_ = {Three("n")};
  a_ = [](const DeviceNeed&, std::span<const uint16_t>) { return 7; };
  const Placement placement = Place(TaskBuilder().Cpu(1));
  EXPECT_EQ(placement.total, 0);
  EXPECT_THAT(placement.reservation.devices, IsEmpty());
}

TEST_F(DeviceChoicePlacementTest, FollowsWhatIsAllocated) {
  nodes_ = {Three("n")};
  a_ = [](const DeviceNeed&, std::span<const uint16_t> set) { return set[0]; };
  PipelineHarness& harness = MakeHarness();
  for (const int expected : {2, 1, 0}) {
    const Placement placement = harness.Place(TaskBuilder().Gpus(1));
    EXPECT_THAT(DevicesOf(placement), ElementsAre(expected));
    EXPECT_EQ(placement.total, 2 * expected);
    harness.Bind(TaskBuilder().Gpus(1));
  }
  EXPECT_EQ(harness.Place(TaskBuilder().Gpus(1)).slot, kNoSlot);
}

TEST_F(DeviceChoicePlacementTest, ExplainsTheChosenSetsScores) {
  nodes_ = {Three("n"), NodeBuilder("other").Gpus(1)};
  a_ = [](const DeviceNeed&, std::span<const uint16_t> set) { return 1 + set[0]; };
  const auto explanation = MakeHarness().Explain(TaskBuilder().Gpus(1));
  ASSERT_EQ(explanation.scores.size(), 2u);
  EXPECT_EQ(explanation.scores[0].node, "n");
  EXPECT_EQ(explanation.scores[0].total, 6);
  EXPECT_EQ(explanation.scores[0].plugins[0], (pipeline::PluginScore{"A", 3, 2}));
  EXPECT_EQ(explanation.scores[1].plugins[0], (pipeline::PluginScore{"A", 1, 2}));
}

TEST_F(DeviceChoicePlacementTest, NamesAPluginThatCannotWork) {
  nodes_ = {Three("n")};
  const auto error = [this] {
    PipelineHarness& harness = MakeHarness();
    const TaskRequirements& needs = harness.cluster.Needs(TaskBuilder().Gpus(1));
    return Text(harness.engine().Place(harness.profile().placing(), harness.cluster.KeyOf(needs),
                                       {needs, {}}));
  };
  b_ = [](const DeviceNeed&, std::span<const uint16_t>) { return kMaxScore + 1; };
  EXPECT_EQ(error(),
            "INTERNAL: plugin \"B\" cannot score sets of devices: it gave a score that is not from "
            "0 to 1048576");
  b_ = [](const DeviceNeed&, std::span<const uint16_t>) -> int32_t {
    throw std::runtime_error("out of luck");
  };
  EXPECT_EQ(error(), "INTERNAL: plugin \"B\" cannot score sets of devices: it threw: out of luck");
}

}  // namespace
}  // namespace berth::engine
