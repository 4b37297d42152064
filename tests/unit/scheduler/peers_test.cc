// Which nodes are told to measure the way to which, and what becomes of what they say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kPlanned = 5'000;

class PeersTest : public ::testing::Test {
 protected:
  // An agent whose node lies in a zone and has an address, or none.
  uint64_t Connect(const std::string& node, const std::string& zone, const std::string& address) {
    const uint64_t stream = loop_.next_stream++;
    state::OpenSession hello = TurnHarness::Hello(node, stream);
    hello.node.labels = {{"zone", zone}};
    hello.node.address = address;
    EXPECT_TRUE(loop_.Ask(hello).status.ok());
    return stream;
  }
  void Plan() {
    loop_.now_ms += kPlanned;
    loop_.Run();
  }
  // Whom a stream was told to measure last; nothing: it was told nothing since the last look.
  std::optional<std::vector<std::string>> Told(uint64_t stream) {
    std::optional<std::vector<std::string>> names;
    for (const state::AgentEffect& effect : loop_.effects) {
      const auto* sent = std::get_if<state::SendPeers>(&effect);
      if (sent == nullptr || sent->stream != stream) continue;
      names.emplace();
      for (const state::Peer& peer : sent->peers) names->push_back(peer.node);
    }
    std::erase_if(loop_.effects, [&](const state::AgentEffect& effect) {
      const auto* sent = std::get_if<state::SendPeers>(&effect);
      return sent != nullptr && sent->stream == stream;
    });
    return names;
  }

  TurnHarness loop_;
};

TEST_F(PeersTest, ANodeMeasuresItsNeighboursAndSomeOfOtherZones) {
  std::vector<uint64_t> streams;
  for (int i = 0; i < 8; ++i) {
    const std::string number = std::to_string(i);
    streams.push_back(Connect("n" + number, i < 4 ? "a" : "b", "10.0.0." + number));
  }
  Plan();
  EXPECT_THAT(*Told(streams[0]), ElementsAre("n1", "n2", "n4"));
  EXPECT_THAT(*Told(streams[7]), ElementsAre("n0", "n1"));
}

TEST_F(PeersTest, AClusterThatComesUpIsPlannedOnce) {
  const uint64_t first = Connect("n1", "a", "10.0.0.1");
  loop_.now_ms += kPlanned / 2;
  Connect("n2", "a", "10.0.0.2");
  EXPECT_EQ(Told(first), std::nullopt);
  loop_.now_ms += kPlanned / 2;
  loop_.Run();
  EXPECT_THAT(*Told(first), ElementsAre("n2"));
  Plan();
  EXPECT_EQ(Told(first), std::nullopt);  // nothing new
}

TEST_F(PeersTest, ANodeAloneHasNobodyAndOneWithoutAnAddressIsNotMeasured) {
  const uint64_t one = Connect("n1", "a", "10.0.0.1");
  const uint64_t hidden = Connect("n2", "a", "");
  Plan();
  EXPECT_EQ(Told(one), std::nullopt);
  EXPECT_EQ(Told(hidden), std::nullopt);
}

TEST_F(PeersTest, ANodeThatLeavesIsNotMeasuredAnyMoreAndOneThatReturnsIsToldAnew) {
  const uint64_t one = Connect("n1", "a", "10.0.0.1");
  const uint64_t two = Connect("n2", "a", "10.0.0.2");
  Plan();
  EXPECT_THAT(*Told(one), ElementsAre("n2"));
  Told(two);
  loop_.Ask(state::CloseSession{.stream = two});
  Plan();
  EXPECT_THAT(*Told(one), IsEmpty());
  const uint64_t again = Connect("n2", "a", "10.0.0.2");
  Plan();
  EXPECT_THAT(*Told(one), ElementsAre("n2"));
  EXPECT_THAT(*Told(again), ElementsAre("n1"));
}

TEST_F(PeersTest, ANodeThatMovesToAnotherZoneIsMeasuredFromThere) {
  std::vector<uint64_t> streams;
  for (const char* number : {"1", "2", "3", "4"}) {
    streams.push_back(Connect(std::string("n") + number, "a", std::string("10.0.0.") + number));
  }
  Plan();
  EXPECT_THAT(*Told(streams[0]), ElementsAre("n2", "n3"));
  state::InventoryChanged changed{.stream = streams[3]};
  changed.node = TurnHarness::Hello("n4", streams[3]).node;
  changed.node.address = "10.0.0.4";
  changed.node.labels = {{"zone", "b"}};
  loop_.Ask(changed);
  Plan();
  EXPECT_THAT(*Told(streams[0]), ElementsAre("n2", "n3", "n4"));
}

TEST_F(PeersTest, ManyZonesAreMeasuredByFewEach) {
  std::vector<uint64_t> streams;
  for (int i = 10; i < 50; ++i) {
    const std::string number = std::to_string(i);
    streams.push_back(Connect("n" + number, "z" + number, "10.0.0." + number));
  }
  Plan();
  for (const uint64_t stream : streams) EXPECT_THAT(*Told(stream), SizeIs(3));
}

TEST_F(PeersTest, WhatANodeSaysIsKnownUntilItIsSilentOfIt) {
  const uint64_t one = Connect("n1", "a", "10.0.0.1");
  Connect("n2", "b", "10.0.0.2");
  state::NodeTable const& nodes = loop_.turn().state().nodes();
  const auto from_one = [&]() { return loop_.turn().state().latencies().From(nodes.Find("n1")); };
  loop_.Ask(state::AgentHeartbeat{
      .stream = one, .sequence = 1, .latencies = {{"n2", 420}, {"n-away", 99}}});
  EXPECT_THAT(from_one(), ElementsAre(std::pair(nodes.Find("n2"), 420)));
  loop_.Ask(state::AgentHeartbeat{.stream = one, .sequence = 2});  // nothing changed
  EXPECT_THAT(from_one(), SizeIs(1));
  loop_.Ask(state::AgentHeartbeat{.stream = one, .sequence = 3, .latencies = {{"n2", 0}}});
  EXPECT_THAT(from_one(), IsEmpty());
}

}  // namespace
}  // namespace berth::scheduler
