// Which nodes are told to measure the way to which, and what becomes of what they say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
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

TEST_F(PeersTest, NodesWithoutAZoneMeasureAsManyOfZonesAsOthersDo) {
  const uint64_t first = Connect("n10", "", "10.0.0.10");
  for (int i = 11; i < 20; ++i) {
    const std::string number = std::to_string(i);
    Connect("n" + number, "z" + number, "10.0.0." + number);
  }
  Plan();
  EXPECT_THAT(*Told(first), ElementsAre("n11", "n12", "n13"));
}

// A cluster of more nodes than one turn plans for, in four zones one after the other.
class ManyNodesTest : public PeersTest {
 protected:
  static constexpr int kNodes = 1'000;
  static constexpr int kNodesPerTurn = 256;

  void SetUp() override {
    for (int i = 0; i < kNodes; ++i) {
      const std::string zone(1, static_cast<char>('a' + i * 4 / kNodes));
      streams_[NameOf(i)] = Connect(NameOf(i), zone, "10.0.0.1");
    }
    loop_.now_ms += kPlanned;
  }
  static std::string NameOf(int i) { return "n" + std::to_string(kNodes + i % kNodes); }

  // Whom each node was told to measure, by its name.
  std::map<std::string, std::vector<std::string>> TakeTold() {
    std::map<std::string, std::vector<std::string>> told;
    for (const auto& [node, stream] : streams_) {
      if (auto peers = Told(stream)) told[node] = *std::move(peers);
    }
    loop_.effects.clear();
    return told;
  }
  // Returns how many turns there is something to do at once.
  int RunWhileDue() {
    for (int turns = 1;; ++turns) {
      const TurnOutput output = loop_.Run();
      if (!output.next_deadline_ms || *output.next_deadline_ms > loop_.now_ms) return turns;
      if (turns == kNodes) return turns;  // it does not end
    }
  }

  std::map<std::string, uint64_t> streams_;
};

TEST_F(ManyNodesTest, ArePlannedForInSeveralShortTurnsAndAllHaveTheirPeers) {
  loop_.effects.clear();
  EXPECT_EQ(RunWhileDue(), (kNodes + kNodesPerTurn - 1) / kNodesPerTurn);
  size_t most = 0;
  const auto told = TakeTold();
  ASSERT_THAT(told, SizeIs(kNodes));
  for (int i = 0; i < kNodes; ++i) {
    const std::vector<std::string>& peers = told.at(NameOf(i));
    most = std::max(most, peers.size());
    EXPECT_THAT(peers, Contains(NameOf(i + 1))) << NameOf(i);
    EXPECT_THAT(peers, Contains(NameOf(i + 2))) << NameOf(i);
  }
  EXPECT_EQ(most, 3u);  // near the next zone
  EXPECT_THAT(told.at(NameOf(200)), ElementsAre(NameOf(201), NameOf(202), NameOf(250)));
  EXPECT_THAT(told.at(NameOf(999)), ElementsAre(NameOf(0), NameOf(1)));
}

TEST_F(ManyNodesTest, ATurnTellsOnlySomeOfThem) {
  loop_.effects.clear();
  size_t all = 0;
  for (int turn = 0; turn < (kNodes + kNodesPerTurn - 1) / kNodesPerTurn; ++turn) {
    loop_.Run();
    const size_t told = TakeTold().size();
    EXPECT_LE(told, 2u * kNodesPerTurn);
    all += told;
  }
  EXPECT_EQ(all, static_cast<size_t>(kNodes));
}

TEST_F(ManyNodesTest, AChangeDuringAPlanIsSeenByTheNextOne) {
  loop_.Run();
  loop_.Ask(state::CloseSession{.stream = streams_.at(NameOf(600))});
  streams_.erase(NameOf(600));
  RunWhileDue();
  auto told = TakeTold();
  EXPECT_THAT(told, SizeIs(kNodes - 1));  // the plan was made to its end
  EXPECT_THAT(told.at(NameOf(599)), Contains(NameOf(600)));
  loop_.now_ms += kPlanned - 1;
  loop_.Run();
  EXPECT_THAT(TakeTold(), IsEmpty());
  loop_.now_ms += 1;
  RunWhileDue();
  told = TakeTold();
  EXPECT_THAT(told.at(NameOf(599)), Not(Contains(NameOf(600))));
  EXPECT_THAT(told, SizeIs(2));  // that measured it
}

TEST_F(PeersTest, WhatANodeSaysIsKnownUntilItIsSilentOfIt) {
  const uint64_t one = Connect("n1", "a", "10.0.0.1");
  Connect("n2", "b", "10.0.0.2");
  state::NodeTable const& nodes = loop_.turn().state().nodes();
  const auto from_one = [&]() {
    return loop_.turn().state().nodes().latencies().From(nodes.Find("n1"));
  };
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
