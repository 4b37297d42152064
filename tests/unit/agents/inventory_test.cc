#include "agents/inventory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace berth::agents {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kMiB = int64_t{1} << 20;

v1::NodeInventory GoodInventory() {
  v1::NodeInventory inventory;
  inventory.mutable_capacity()->set_cpu_milli(4000);
  inventory.mutable_capacity()->set_memory_bytes(8192 * kMiB + 5);
  inventory.set_isolation("cgroup-v1");
  return inventory;
}

v1::Hello GoodHello() {
  v1::Hello hello;
  hello.set_node("n7");
  hello.set_incarnation("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  *hello.mutable_inventory() = GoodInventory();
  hello.set_version("0.1.0");
  hello.set_protocol_min(1);
  hello.set_protocol_max(1);
  return hello;
}

class InventoryTest : public ::testing::Test {
 protected:
  state::NodeSpec Read() {
    auto outcome = ReadNode("n7", "0.1.0", inventory_);
    if (const auto* refusal = std::get_if<wire::Refusal>(&outcome)) {
      ADD_FAILURE() << refusal->message;
      return {};
    }
    return std::get<state::NodeSpec>(outcome);
  }
  std::vector<std::string> Faults() {
    auto outcome = ReadNode("n7", "0.1.0", inventory_);
    std::vector<std::string> fields;
    if (const auto* refusal = std::get_if<wire::Refusal>(&outcome)) {
      for (const auto& violation : refusal->violations) fields.push_back(violation.field);
    }
    return fields;
  }
  v1::Device& AddDevice(const std::string& id) {
    v1::Device& device = *inventory_.add_devices();
    device.set_id(id);
    device.set_kind("gpu");
    return device;
  }

  v1::NodeInventory inventory_ = GoodInventory();
};

TEST_F(InventoryTest, AmountsAreRoundedDown) {
  AddDevice("GPU-1").set_memory_bytes(80 * 1024 * kMiB - 1);
  const state::NodeSpec node = Read();
  EXPECT_EQ(node.name, "n7");
  EXPECT_EQ(node.agent_version, "0.1.0");
  EXPECT_EQ(node.isolation, "cgroup-v1");
  EXPECT_EQ(node.capacity.builtin[kCpu], 4000);
  EXPECT_EQ(node.capacity.builtin[kMemory], 8192);
  EXPECT_EQ(node.devices[0].memory_mib, 80 * 1024 - 1);
}

TEST_F(InventoryTest, DevicesKeepWhatPlacementAsksFor) {
  v1::Device& device = AddDevice("GPU-1");
  device.set_model("A100");
  device.set_numa_node(1);
  device.set_unhealthy(true);
  const std::pair<v1::LinkKind, const char*> links[] = {{v1::LINK_KIND_NVLINK, "GPU-2"},
                                                        {v1::LINK_KIND_PCIE, "GPU-3"},
                                                        {v1::LINK_KIND_UNSPECIFIED, "GPU-4"},
                                                        {v1::LINK_KIND_XGMI, "GPU-5"}};
  for (const auto& [kind, peer] : links) {
    v1::DeviceLink& link = *device.add_links();
    link.set_kind(kind);
    link.set_peer_id(peer);
  }
  AddDevice("GPU-2");
  const state::NodeSpec node = Read();
  EXPECT_EQ(node.devices[0].model, "A100");
  EXPECT_EQ(node.devices[0].numa_node, 1);
  EXPECT_FALSE(node.devices[0].healthy);
  EXPECT_THAT(node.devices[0].fast_peers, ElementsAre("GPU-2", "GPU-5"));
  EXPECT_EQ(node.devices[1].numa_node, -1);
  EXPECT_TRUE(node.devices[1].healthy);
}

TEST_F(InventoryTest, DevicesStandInTheTorusOfTheirKind) {
  for (int x = 0; x < 3; ++x) {
    v1::Device& device = AddDevice("a" + std::to_string(x));
    device.add_torus_coordinates(x);
    device.add_torus_coordinates(1);
  }
  AddDevice("b");
  const TorusPlace mesh{.at = {2, 1, 0}, .extent = {3, 2, 1}, .wraps = 0};
  EXPECT_EQ(Read().devices[2].torus, mesh);
  EXPECT_EQ(Read().devices[3].torus, TorusPlace{});
  v1::Torus& torus = *inventory_.add_tori();
  torus.set_kind("gpu");
  torus.add_extents(4);
  torus.add_extents(8);
  torus.add_wraps(false);
  torus.add_wraps(true);
  const TorusPlace ring{.at = {2, 1, 0}, .extent = {4, 8, 1}, .wraps = 2};
  EXPECT_EQ(Read().devices[2].torus, ring);
}

TEST_F(InventoryTest, ToriAndPlacesInThemAreChecked) {
  v1::Device& first = AddDevice("a");
  first.add_torus_coordinates(255);
  EXPECT_THAT(Faults(), ElementsAre("devices[0].torus_coordinates"));
  first.set_torus_coordinates(0, 3);
  AddDevice("b").add_torus_coordinates(3);
  EXPECT_THAT(Faults(), ElementsAre("devices[1].torus_coordinates"));
  inventory_.mutable_devices(1)->set_torus_coordinates(0, 2);
  v1::Torus& torus = *inventory_.add_tori();
  torus.set_kind("gpu");
  torus.add_extents(3);
  EXPECT_THAT(Faults(), ElementsAre("devices[0].torus_coordinates"));
  torus.set_extents(0, 0);
  EXPECT_THAT(Faults(), Contains("tori[0]"));
  torus.set_extents(0, 4);
  torus.add_wraps(true);
  EXPECT_THAT(Faults(), IsEmpty());
  torus.add_wraps(true);
  EXPECT_THAT(Faults(), Contains("tori[0]"));
  torus.mutable_wraps()->Truncate(1);
  *inventory_.add_tori() = torus;
  EXPECT_THAT(Faults(), ElementsAre("tori[1].kind"));
}

// A record of before there were rules for them.
TEST_F(InventoryTest, WhatIsInTheStoreIsTakenWithPlacesThatMakeNoSense) {
  for (int i = 0; i < 4; ++i) AddDevice(std::to_string(i)).add_torus_coordinates(900 + i);
  const auto decoded = DecodeInventory(inventory_.SerializeAsString());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->devices[3].torus, TorusPlace{});
}

TEST_F(InventoryTest, WhatIsKeptIsReadBackTheSame) {
  AddDevice("GPU-1").set_model("A100");
  (*inventory_.mutable_labels())["zone"] = "eu";
  v1::Taint& taint = *inventory_.add_taints();
  taint.set_key("gpu");
  taint.set_effect(v1::TAINT_EFFECT_NO_SCHEDULE);
  (*inventory_.mutable_capacity()->mutable_extended())["ports"] = 5;
  inventory_.add_data_sets()->set_name("imagenet");
  const state::NodeSpec node = Read();
  const auto decoded = DecodeInventory(*node.encoded_inventory);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->capacity, node.capacity);
  EXPECT_EQ(decoded->labels, node.labels);
  EXPECT_EQ(decoded->taints, node.taints);
  EXPECT_EQ(decoded->devices, node.devices);
  EXPECT_EQ(decoded->isolation, node.isolation);
  EXPECT_EQ(decoded->name, "");
  EXPECT_EQ(decoded->encoded_inventory, nullptr);
}

TEST_F(InventoryTest, ARecordThatIsNoInventoryIsRefused) {
  EXPECT_FALSE(DecodeInventory("\xff\xff").ok());
  EXPECT_FALSE(DecodeInventory("").ok());  // a node has CPU
}

TEST_F(InventoryTest, EverythingWrongIsNamedAtOnce) {
  inventory_.mutable_capacity()->set_cpu_milli(-1);
  inventory_.mutable_capacity()->set_memory_bytes(std::numeric_limits<int64_t>::max());
  (*inventory_.mutable_labels())["no spaces"] = "v";
  inventory_.add_taints()->set_key("k");
  AddDevice("GPU-1");
  v1::Device& twice = AddDevice("GPU-1");
  twice.set_kind("GPU");
  twice.set_memory_bytes(-1);
  twice.set_numa_node(-1);
  EXPECT_THAT(Faults(), ::testing::UnorderedElementsAre(
                            "capacity.cpu_milli", "capacity.memory_bytes", "labels[\"no spaces\"]",
                            "taints[0].effect", "devices[1].id", "devices[1].kind",
                            "devices[1].memory_bytes", "devices[1].numa_node"));
}

TEST_F(InventoryTest, ListsHaveBounds) {
  for (int i = 0; i < 1025; ++i) AddDevice("GPU-" + std::to_string(i));
  for (int i = 0; i < 65; ++i) inventory_.add_taints();
  EXPECT_THAT(Faults(), ElementsAre("taints", "devices"));
}

TEST_F(InventoryTest, ANodesNameIsChecked) {
  for (const char* name : {"", "N7", "n7.", "a b"}) {
    EXPECT_TRUE(std::holds_alternative<wire::Refusal>(ReadNode(name, "", inventory_))) << name;
  }
}

// ---- Hello ----

wire::Refusal RefusalTo(const v1::Hello& hello) {
  auto outcome = ReadHello(1, hello);
  const auto* refusal = std::get_if<wire::Refusal>(&outcome);
  return refusal == nullptr ? wire::Refusal{} : *refusal;
}

TEST(HelloTest, IsReadWhole) {
  v1::Hello hello = GoodHello();
  hello.set_cluster_id("c-1");
  hello.set_generation(2);
  hello.set_directive_sequence(77);
  v1::AttemptReport& report = *hello.add_attempts();
  report.mutable_key()->set_job_id(12);
  report.mutable_key()->set_index(3);
  report.mutable_key()->set_attempt(2);
  report.set_phase(v1::ATTEMPT_PHASE_ENDED);
  report.mutable_started()->set_unix_ms(5);
  report.mutable_started()->set_isolation("cgroup-v1");
  report.mutable_ended()->set_end(v1::ATTEMPT_END_OUT_OF_MEMORY);
  report.mutable_ended()->set_reason(v1::REASON_CODE_OUT_OF_MEMORY);
  report.mutable_ended()->set_signal(9);
  report.mutable_ended()->mutable_usage()->set_memory_peak_bytes(99);

  auto outcome = ReadHello(42, hello);
  ASSERT_TRUE(std::holds_alternative<state::OpenSession>(outcome));
  const auto& session = std::get<state::OpenSession>(outcome);
  EXPECT_EQ(session.stream, 42u);
  EXPECT_EQ(session.node.name, "n7");
  EXPECT_EQ(session.incarnation, hello.incarnation());
  EXPECT_EQ(session.cluster_id, "c-1");
  EXPECT_EQ(session.generation, 2u);
  EXPECT_EQ(session.directive_sequence, 77u);
  ASSERT_EQ(session.attempts.size(), 1u);
  const state::AttemptReport& read = session.attempts[0];
  EXPECT_EQ(read.attempt, (state::AgentAttempt{JobId{12}, 0, 3, 2}));
  EXPECT_EQ(read.phase, state::AttemptPhase::kEnded);
  EXPECT_EQ(read.started->isolation, "cgroup-v1");
  EXPECT_EQ(read.ended->end, state::AttemptEnd::kOutOfMemory);
  EXPECT_EQ(read.ended->reason, Reason::kOutOfMemory);
  EXPECT_EQ(read.ended->exit_code, -1);
  EXPECT_EQ(read.ended->signal, 9);
  EXPECT_EQ(read.ended->usage.memory_peak_bytes, 99);
}

TEST(HelloTest, AnAgentThatSpeaksAnotherProtocolIsTold) {
  v1::Hello hello = GoodHello();
  hello.set_protocol_min(2);
  hello.set_protocol_max(3);
  const wire::Refusal refusal = RefusalTo(hello);
  EXPECT_EQ(refusal.code, absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(refusal.reason, Reason::kVersionUnsupported);
  EXPECT_THAT(refusal.message, HasSubstr("speaks protocol 2 to 3, this daemon speaks 1"));
}

TEST(HelloTest, AnIncarnationIsRequiredAndShort) {
  v1::Hello hello = GoodHello();
  hello.clear_incarnation();
  EXPECT_EQ(RefusalTo(hello).violations.at(0).field, "incarnation");
  hello.set_incarnation(std::string(65, 'x'));
  EXPECT_EQ(RefusalTo(hello).violations.at(0).field, "incarnation");
}

// ---- facts and heartbeats ----

TEST(FactsTest, EachSortIsRead) {
  v1::FactBatch batch;
  v1::Fact& accepted = *batch.add_facts();
  accepted.set_sequence(1);
  accepted.mutable_key()->set_job_id(12);
  accepted.mutable_accepted();
  v1::Fact& started = *batch.add_facts();
  started.set_sequence(2);
  started.mutable_started()->set_unix_ms(7);
  v1::Fact& ended = *batch.add_facts();
  ended.set_sequence(3);
  ended.mutable_ended()->set_end(v1::ATTEMPT_END_EXITED);
  ended.mutable_ended()->set_exit_code(0);
  ended.mutable_ended()->set_message(std::string(5000, 'm'));

  const state::AgentFacts facts = ReadFacts(9, batch);
  EXPECT_EQ(facts.stream, 9u);
  ASSERT_EQ(facts.facts.size(), 3u);
  EXPECT_EQ(facts.facts[0].attempt.job.value, 12u);
  EXPECT_FALSE(facts.facts[0].started || facts.facts[0].ended);
  EXPECT_EQ(facts.facts[1].started->unix_ms, 7);
  EXPECT_EQ(facts.facts[2].ended->exit_code, 0);
  EXPECT_LE(facts.facts[2].ended->message.size(), 1024u);
}

// Half a character in a record that lasts would keep it from being read back.
TEST(FactsTest, LongWordsAreCutBetweenCharacters) {
  std::string words;
  while (words.size() < 5000) words += "€";  // 3 bytes: neither 1024 nor 253 is a multiple
  v1::FactBatch batch;
  batch.add_facts()->mutable_started()->set_isolation(words);
  batch.add_facts()->mutable_ended()->set_message(words);
  const state::AgentFacts facts = ReadFacts(9, batch);
  EXPECT_EQ(facts.facts[0].started->isolation, words.substr(0, 252));
  EXPECT_EQ(facts.facts[1].ended->message, words.substr(0, 1023));

  v1::NodeInventory inventory = GoodInventory();
  inventory.set_isolation(words);
  auto outcome = ReadNode("n7", words, inventory);
  ASSERT_TRUE(std::holds_alternative<state::NodeSpec>(outcome));
  const auto& node = std::get<state::NodeSpec>(outcome);
  EXPECT_EQ(node.isolation, words.substr(0, 252));
  EXPECT_EQ(node.agent_version, words.substr(0, 252));
}

TEST(FactsTest, WhatANewerAgentSaysIsStillAnEnd) {
  v1::FactBatch batch;
  v1::AttemptEnded& ended = *batch.add_facts()->mutable_ended();
  ended.set_end(static_cast<v1::AttemptEnd>(77));
  ended.set_reason(static_cast<v1::ReasonCode>(7777));
  const state::AgentFacts facts = ReadFacts(9, batch);
  ASSERT_TRUE(facts.facts[0].ended.has_value());
  EXPECT_NE(facts.facts[0].ended->end, state::AttemptEnd::kNone);
  EXPECT_EQ(facts.facts[0].ended->reason, Reason::kNone);
}

TEST(HeartbeatTest, IsRead) {
  v1::Heartbeat heartbeat;
  heartbeat.set_sequence(5);
  heartbeat.mutable_usage()->set_cpu_time_ms(100);
  v1::AttemptUsage& usage = *heartbeat.add_attempts();
  usage.mutable_key()->set_job_id(12);
  usage.mutable_usage()->set_memory_bytes(-1);
  const state::AgentHeartbeat read = ReadHeartbeat(9, heartbeat);
  EXPECT_EQ(read.stream, 9u);
  EXPECT_EQ(read.sequence, 5u);
  EXPECT_EQ(read.node.cpu_time_ms, 100);
  ASSERT_EQ(read.attempts.size(), 1u);
  EXPECT_EQ(read.attempts[0].second.memory_bytes, 0);
}

}  // namespace
}  // namespace berth::agents
