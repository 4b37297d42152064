#include "scoring/scorer_messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "berth/resources.h"

namespace berth::scoring {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

state::NodePicture NodeAt(Slot slot, const std::string& name) {
  auto spec = std::make_shared<state::NodeSpec>();
  spec->name = name;
  spec->labels = {{"price", "3"}};
  spec->taints = {{.key = "team", .value = "x"}};
  spec->capacity.builtin = {4000, 8192, 0, 0};
  for (const char* id : {"g0", "g1", "g2", "g3"}) {
    spec->devices.push_back({.id = id, .kind = "gpu", .model = "A100", .memory_mib = 1024});
  }
  spec->devices[3].model = "T4";
  state::NodePicture node{.slot = slot, .generation = slot + 1, .spec = spec, .ready = true};
  node.tasks = 2;
  node.allocated.builtin = {500, 1024, 0, 0};
  node.devices.resize(4);
  node.devices[1].allocated_milli = 300;
  node.devices[2].healthy = false;
  return node;
}

ClusterPicture PictureOf(std::vector<state::NodePicture> nodes) {
  ClusterPicture picture;
  picture.Take({.from_start = true, .nodes = std::move(nodes), .next = {}, .complete = true});
  return picture;
}

std::vector<v1::ScoreRequest> MessagesOf(const Snapshot& snapshot, const ClusterPicture& picture) {
  std::vector<v1::ScoreRequest> messages;
  SendSnapshot(snapshot, picture, [&](const v1::ScoreRequest& message) {
    messages.push_back(message);
    return true;
  });
  return messages;
}

Snapshot OneShape(size_t slots) {
  auto needs = std::make_shared<state::NeedsSpec>();
  needs->requests.builtin = {100, 64, 0, 0};
  needs->node_selector = {{"zone", "a"}};
  return {.session = "s",
          .sequence = 8,
          .base_sequence = 7,
          .profile = "default",
          .epoch = 99,
          .slots = slots,
          .time_to_live_ms = 60'000,
          .shapes = {{.key = {.id = 0, .serial = 41}, .needs = needs}}};
}

TEST(ScorerMessagesTest, TellsOfNodesAndShapesInWords) {
  ClusterPicture picture = PictureOf({NodeAt(0, "n0"), {.slot = 1}, NodeAt(2, "n2")});
  const auto messages = MessagesOf(OneShape(3), picture);
  ASSERT_THAT(messages, SizeIs(3));
  const v1::ScorerSnapshot& head = messages[0].snapshot();
  EXPECT_EQ(head.sequence(), 8u);
  EXPECT_EQ(head.base_sequence(), 7u);
  EXPECT_EQ(head.epoch(), 99u);
  EXPECT_EQ(head.slots(), 3u);
  EXPECT_EQ(head.time_to_live_ms(), 60'000);

  ASSERT_EQ(messages[1].nodes().nodes_size(), 2);
  EXPECT_THAT(messages[1].nodes().emptied_slots(), IsEmpty());  // it never had one
  const v1::ScorerNode& node = messages[1].nodes().nodes(1);
  EXPECT_EQ(node.slot(), 2u);
  EXPECT_EQ(node.inventory().name(), "n2");
  EXPECT_EQ(node.inventory().generation(), 3u);
  EXPECT_EQ(node.inventory().labels().at("price"), "3");
  EXPECT_EQ(node.inventory().taints(0).key(), "team");
  EXPECT_EQ(node.inventory().capacity().cpu_milli(), 4000);
  EXPECT_EQ(node.allocated().memory_bytes(), int64_t{1} << 30);
  EXPECT_TRUE(node.ready());
  EXPECT_EQ(node.tasks(), 2);
  ASSERT_EQ(node.devices_size(), 2);
  EXPECT_EQ(node.devices(0).model(), "A100");
  EXPECT_EQ(node.devices(0).count(), 3);
  EXPECT_EQ(node.devices(0).healthy(), 2);
  EXPECT_EQ(node.devices(0).idle(), 1);
  EXPECT_EQ(node.devices(0).free_milli(), 1700);
  EXPECT_EQ(node.devices(0).memory_bytes(), int64_t{1} << 30);
  EXPECT_EQ(node.devices(1).model(), "T4");

  ASSERT_EQ(messages[2].shapes().shapes_size(), 1);
  EXPECT_EQ(messages[2].shapes().shapes(0).id(), 41u);
  EXPECT_EQ(messages[2].shapes().shapes(0).needs().resources().cpu_milli(), 100);
  EXPECT_EQ(messages[2].shapes().shapes(0).needs().node_selector().at("zone"), "a");
}

TEST(ScorerMessagesTest, TellsOnlyWhatTheScorerDoesNotHave) {
  ClusterPicture picture = PictureOf({NodeAt(0, "n0"), NodeAt(1, "n1"), NodeAt(2, "n2")});
  picture.ScorerHasAll();
  EXPECT_FALSE(picture.has_news());
  EXPECT_THAT(MessagesOf(OneShape(3), picture), SizeIs(2));

  // Another node in the second's slot, nobody in the third's.
  state::PicturePage page;
  page.nodes = {NodeAt(1, "other"), {.slot = 2}};
  picture.Take(page);
  auto messages = MessagesOf(OneShape(3), picture);
  ASSERT_THAT(messages, SizeIs(3));
  EXPECT_EQ(messages[1].nodes().nodes(0).inventory().name(), "other");
  EXPECT_THAT(messages[1].nodes().emptied_slots(), ElementsAre(2u));
  picture.ScorerHasAll();

  // The same spec: what seldom changes is left out.
  state::NodePicture same = NodeAt(0, "n0");
  page.nodes = {same};
  picture.Take(page);
  picture.ScorerHasAll();
  same.tasks = 9;
  page.nodes = {same};
  picture.Take(page);
  messages = MessagesOf(OneShape(3), picture);
  EXPECT_FALSE(messages[1].nodes().nodes(0).has_inventory());
  EXPECT_EQ(messages[1].nodes().nodes(0).tasks(), 9);

  picture.ScorerHasNothing();
  messages = MessagesOf(OneShape(3), picture);
  EXPECT_EQ(messages[1].nodes().nodes_size(), 2);
  EXPECT_TRUE(messages[1].nodes().nodes(0).has_inventory());
  EXPECT_THAT(messages[1].nodes().emptied_slots(), IsEmpty());
}

TEST(ScorerMessagesTest, NoMessageIsTooLarge) {
  std::vector<state::NodePicture> nodes;
  for (Slot slot = 0; slot < 30'000; ++slot) {
    nodes.push_back(NodeAt(slot, "node-" + std::to_string(slot)));
  }
  Snapshot snapshot = OneShape(30'000);
  snapshot.shapes.resize(40'000, snapshot.shapes[0]);
  const auto messages = MessagesOf(snapshot, PictureOf(std::move(nodes)));
  EXPECT_GT(messages.size(), 5u);
  int told = 0, shapes = 0;
  for (const v1::ScoreRequest& message : messages) {
    EXPECT_LT(message.ByteSizeLong(), size_t{2} << 20);
    told += message.nodes().nodes_size();
    shapes += message.shapes().shapes_size();
  }
  EXPECT_EQ(told, 30'000);
  EXPECT_EQ(shapes, 40'000);
}

// ---- answers ----

v1::ScoreResponse Accepts(uint64_t sequence, uint64_t epoch) {
  v1::ScoreResponse message;
  message.mutable_accepted()->set_sequence(sequence);
  message.mutable_accepted()->set_epoch(epoch);
  return message;
}

v1::ScoreResponse ColumnOf(uint64_t shape, const std::vector<uint32_t>& scores) {
  v1::ScoreResponse message;
  message.mutable_column()->set_shape(shape);
  message.mutable_column()->mutable_scores()->Assign(scores.begin(), scores.end());
  return message;
}

TEST(AnswerReaderTest, TakesColumnsOfShapesThatItAskedAbout) {
  const Snapshot snapshot = OneShape(3);
  AnswerReader reader(snapshot);
  ASSERT_TRUE(reader.Take(Accepts(8, 99)).ok());
  ASSERT_TRUE(reader.Take(ColumnOf(41, {0, 1u << 20, 7})).ok());
  ASSERT_TRUE(reader.Finish().ok());
  EXPECT_EQ(reader.time_to_live_ms(), 60'000);
  ASSERT_THAT(reader.columns(), SizeIs(1));
  EXPECT_EQ(reader.columns()[0].shape, (state::ShapeKey{0, 41}));
  EXPECT_THAT(reader.columns()[0].scores, ElementsAre(0, kMaxScore, 7));
}

TEST(AnswerReaderTest, ATimeToLiveMayBeShorterAndIsNeverLonger) {
  const Snapshot snapshot = OneShape(3);
  for (const auto& [asked, given] : {std::pair<int64_t, int64_t>{500, 500}, {999'999, 60'000}}) {
    AnswerReader reader(snapshot);
    v1::ScoreResponse accepts = Accepts(8, 99);
    accepts.mutable_accepted()->set_time_to_live_ms(asked);
    ASSERT_TRUE(reader.Take(accepts).ok());
    EXPECT_EQ(reader.time_to_live_ms(), given);
  }
}

TEST(AnswerReaderTest, RefusesWhatIsNotAsItMustBe) {
  v1::ScoreResponse no_time = Accepts(8, 99);
  no_time.mutable_accepted()->set_time_to_live_ms(0);
  const std::pair<std::vector<v1::ScoreResponse>, std::string> cases[] = {
      {{v1::ScoreResponse()}, "neither accepted nor column"},
      {{Accepts(7, 99)}, "it answered to snapshot 7"},
      {{Accepts(8, 98)}, "of epoch 98"},
      {{Accepts(8, 99), Accepts(8, 99)}, "twice"},
      {{no_time}, "time to live"},
      {{ColumnOf(41, {0, 0, 0})}, "before it accepted"},
      {{Accepts(8, 99), ColumnOf(42, {0, 0, 0})}, "shape 42"},
      {{Accepts(8, 99), ColumnOf(41, {0, 0, 0}), ColumnOf(41, {0, 0, 0})}, "answered already"},
      {{Accepts(8, 99), ColumnOf(41, {0, 0})}, "2 scores for 3 slots"},
      {{Accepts(8, 99), ColumnOf(41, {0, 0, 0, 0})}, "4 scores for 3 slots"},
      {{Accepts(8, 99), ColumnOf(41, {0, (1u << 20) + 1, 0})}, "slot 1 the score 1048577"},
      {{Accepts(8, 99), ColumnOf(41, {0, 0, UINT32_MAX})}, "slot 2 the score 4294967295"},
  };
  const Snapshot snapshot = OneShape(3);
  for (const auto& [messages, why] : cases) {
    AnswerReader reader(snapshot);
    for (size_t i = 0; i + 1 < messages.size(); ++i) ASSERT_TRUE(reader.Take(messages[i]).ok());
    const absl::Status status = reader.Take(messages.back());
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << why;
    EXPECT_THAT(base::S(status.message()), HasSubstr(why));
  }
  const AnswerReader nothing(snapshot);
  EXPECT_TRUE(absl::IsInvalidArgument(nothing.Finish()));
}

}  // namespace
}  // namespace berth::scoring
