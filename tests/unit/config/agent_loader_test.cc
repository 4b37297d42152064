#include "config/agent_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/small_file.h"
#include "base/strings.h"
#include "tests/support/temp_dir.h"

namespace berth::config {
namespace {

using ::testing::HasSubstr;

AgentConfig ParseAgent(const std::string& text) {
  auto config = ParseAgentConfig(text, "agent.yaml", "Machine-7.lab");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *std::move(config) : AgentConfig();
}

constexpr char kEverythingOfAgent[] = R"(
server: unix:/srv/berthd.sock
nodeName: gpu-1
stateDir: /srv/agent
shim: /usr/lib/berth/berth-shim
cgroupRoot: lab/berth
isolation: v1
allowRoot: true
inventory:
  cpu: 64
  memory: 256Gi
  storage: 2T
  bandwidth: 25Gbit
  extended: {fpga_slots: 2}
  labels: {zone: a, rack: r7}
  taints: [{key: gpu, value: "true", effect: NoSchedule}, {key: old, effect: PreferNoSchedule}]
  devices:
    - id: GPU-0
      kind: gpu
      model: A100-SXM4-80GB
      memory: 80Gi
      numaNode: 0
      links: [{peer: GPU-1, kind: nvlink, bandwidth: 300G}]
      torusCoordinates: [0, 1]
    - {id: GPU-1, kind: gpu, unhealthyReason: XID 79}
  tori: [{kind: gpu, extents: [2, 4], wraps: [false, true]}]
  dataSets: [{name: imagenet, size: 150G}]
  models: [{name: llama-3}]
dataRoots: [/data/sets, /more]
modelRoots: [/models]
reserve: {cpu: 500m, memory: 2Gi, storage: 1Gi}
log: {level: warn, format: json}
)";

TEST(AgentLoaderTest, AnEmptyFileGivesTheDefaultsAndTheHostsName) {
  AgentConfig expected;
  expected.node_name = "machine-7.lab";
  EXPECT_EQ(ParseAgent(""), expected);
}

TEST(AgentLoaderTest, ReadsEveryKey) {
  const AgentConfig config = ParseAgent(kEverythingOfAgent);
  EXPECT_EQ(config.server, "unix:/srv/berthd.sock");
  EXPECT_EQ(config.node_name, "gpu-1");
  EXPECT_EQ(config.state_dir, "/srv/agent");
  EXPECT_EQ(config.shim, "/usr/lib/berth/berth-shim");
  EXPECT_EQ(config.cgroup_root, "lab/berth");
  EXPECT_EQ(config.isolation, Isolation::kCgroupV1);
  EXPECT_TRUE(config.allow_root);
  EXPECT_EQ(config.reserve, (ReserveConfig{500, int64_t{2} << 30, int64_t{1} << 30}));
  EXPECT_EQ(config.data_roots, (std::vector<std::string>{"/data/sets", "/more"}));
  EXPECT_EQ(config.model_roots, (std::vector<std::string>{"/models"}));
  EXPECT_EQ(config.log, (LogConfig{"warn", "json"}));
  const InventoryConfig& inventory = config.inventory;
  EXPECT_EQ(inventory.cpu_milli, 64'000);
  EXPECT_EQ(inventory.memory_bytes, int64_t{256} << 30);
  EXPECT_EQ(inventory.storage_bytes, 2'000'000'000'000);
  EXPECT_EQ(inventory.bandwidth_bits_per_s, 25'000'000'000);
  EXPECT_EQ(inventory.extended.at("fpga_slots"), 2);
  EXPECT_EQ(inventory.labels.at("rack"), "r7");
  ASSERT_EQ(inventory.taints.size(), 2u);
  EXPECT_EQ(inventory.taints[0], (TaintConfig{"gpu", "true", TaintEffect::kNoSchedule}));
  EXPECT_EQ(inventory.taints[1].effect, TaintEffect::kPreferNoSchedule);
  ASSERT_EQ(inventory.devices.size(), 2u);
  EXPECT_EQ(inventory.devices[0].memory_bytes, int64_t{80} << 30);
  EXPECT_EQ(inventory.devices[0].numa_node, 0);
  EXPECT_EQ(inventory.devices[0].links[0],
            (DeviceLinkConfig{"GPU-1", LinkKind::kNvlink, 300'000'000'000}));
  EXPECT_EQ(inventory.devices[0].torus_coordinates, (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(inventory.tori,
            (std::vector<TorusConfig>{{.kind = "gpu", .extents = {2, 4}, .wraps = {false, true}}}));
  EXPECT_EQ(inventory.devices[1].unhealthy_reason, "XID 79");
  EXPECT_EQ(inventory.data_sets[0], (LocalDataConfig{"imagenet", 150'000'000'000}));
  EXPECT_EQ(inventory.models[0], (LocalDataConfig{"llama-3", 0}));
}

TEST(AgentLoaderTest, WhatItPrintsReadsBackEqual) {
  for (const std::string& text : {std::string(), std::string(kEverythingOfAgent)}) {
    const AgentConfig config = ParseAgent(text);
    EXPECT_EQ(ParseAgent(FormatAgentConfig(config)), config) << FormatAgentConfig(config);
  }
}

TEST(AgentLoaderTest, RefusesWithPathLineAndProposal) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"stateDirectory: /tmp\n", "unknown key \"stateDirectory\" (did you mean \"stateDir\"?)"},
      {"server: nowhere\n", "agent.yaml:1:9: server: \"nowhere\" is not host:port"},
      {"server: unix:relative\n", "server: \"unix:relative\" has no absolute path"},
      {"server: example.com:7460\n", "is not a loopback address"},
      {"nodeName: Node_A\n", "nodeName: \"Node_A\" is no name of a node"},
      {"nodeName: -a\n", "is no name of a node"},
      {"dataRoots: [data]\n", "dataRoots[0]: \"data\" is no absolute path of a folder"},
      {"stateDir: here\n", "stateDir: \"here\" is not an absolute path"},
      {"cgroupRoot: /abs\n", "cgroupRoot: \"/abs\" is not a path below"},
      {"cgroupRoot: a/../../b\n", "is not a path below"},
      {"cgroupRoot: \"\"\n", "is not a path below"},
      {"isolation: v3\n", "isolation: expected auto, v1, v2 or none, found \"v3\""},
      {"allowRoot: yes\n", "allowRoot: expected true or false, found \"yes\""},
      {"inventory: {memory: 12}\n", "inventory.memory: \"12\" has no unit (did you mean 12Gi?)"},
      {"inventory: {memory: -1Gi}\n", "inventory.memory: \"-1Gi\" is negative"},
      {"inventory: {memory: 99999999999Ti}\n", "inventory.memory: \"99999999999Ti\" is too large"},
      {"inventory: {memory: lots}\n", "inventory.memory: \"lots\" is not an amount"},
      {"inventory: {memory: 0}\n", "inventory.memory: is 0"},
      {"inventory: {cpu: 0}\n", "inventory.cpu: is 0"},
      {"inventory: {cpu: 2Gi}\n", "inventory.cpu: \"2Gi\" is no amount of CPU"},
      {"inventory: {extended: {dedicated-cpus: 1}}\n", "dedicated-cpus: is counted by the agent"},
      {"inventory: {extended: {a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1, i: 1, j: 1, k: 1, "
       "l: "
       "1}}\n",
       "inventory.extended: names 12 resources: a node has at most 11"},
      {"inventory: {extended: {slots: -1}}\n", "inventory.extended.slots: -1 is out of range"},
      {"inventory: {taints: [{key: a}]}\n", "inventory.taints[0].effect: is required"},
      {"inventory: {taints: [{key: a, effect: Never}]}\n", "expected NoSchedule, PreferNoSchedule"},
      {"inventory: {devices: [{kind: gpu}]}\n", "inventory.devices[0].id: is required"},
      {"inventory: {devices: [{id: a, kind: tpu, torusCoordinates: [0, 0, 0, 0]}]}\n",
       "inventory.devices[0].torusCoordinates: has more numbers than"},
      {"inventory: {devices: [{id: a, kind: tpu, torusCoordinates: [1]}, {id: b, kind: tpu, "
       "torusCoordinates: [1]}]}\n",
       "inventory.devices[1]: has the torusCoordinates of another"},
      {"inventory: {devices: [{id: a, kind: tpu, torusCoordinates: [4]}], tori: [{kind: tpu, "
       "extents: [4]}]}\n",
       "inventory.devices[0]: has torusCoordinates that are no place"},
      {"inventory: {tori: [{kind: tpu, extents: [4, 4], wraps: [true]}]}\n",
       "inventory.tori[0].wraps: has 1 entries for 2 axes"},
      {"inventory: {tori: [{kind: tpu, extents: [0]}]}\n", "inventory.tori[0].extents[0]: "},
      {"inventory: {tori: [{kind: a, extents: [1]}, {kind: a, extents: [1]}]}\n",
       "inventory.tori[1]: \"a\" has a torus already"},
      {"inventory: {devices: [{id: a, kind: GPU}]}\n", "kind: is not in lower case"},
      {"inventory: {devices: [{id: a, kind: gpu}, {id: a, kind: gpu}]}\n",
       "inventory.devices[1]: \"a\" is the id of two devices"},
      {"inventory: {devices: [{id: a, kind: gpu, links: [{peer: b, kind: nvlink}]}]}\n",
       "inventory.devices[0]: is linked to \"b\""},
      {"inventoryFile: x\ninventory: {cpu: 1}\n", "inventoryFile: and `inventory` are both there"},
      {"metricsListen: :9\n", "metricsListen: is not honoured yet"},
      {"prolog: /p\n", "prolog: expected a map"}};
  for (const auto& [text, why] : cases) {
    const auto config = ParseAgentConfig(text, "agent.yaml", "host");
    ASSERT_FALSE(config.ok()) << text;
    EXPECT_THAT(base::S(config.status().message()), HasSubstr(why)) << text;
  }
}

TEST(AgentLoaderTest, AHostNameThatIsNoNodeNameIsAskedFor) {
  const auto config = ParseAgentConfig("", "agent.yaml", "bad_host");
  EXPECT_THAT(base::S(config.status().message()),
              HasSubstr("nodeName: is missing, and this machine's host name, \"bad_host\""));
  EXPECT_TRUE(ParseAgentConfig("nodeName: good\n", "agent.yaml", "bad_host").ok());
}

TEST(AgentLoaderTest, ReadsAnInventoryFromAFileBesideIt) {
  const testing::TempDir dir;
  ASSERT_TRUE(
      base::WriteFileAtomically(dir.path() + "/agent.yaml", "inventoryFile: node.yaml\n").ok());
  const auto missing = LoadAgentConfig(dir.path() + "/agent.yaml", "host");
  EXPECT_THAT(base::S(missing.status().message()), HasSubstr(dir.path() + "/node.yaml"));
  ASSERT_TRUE(base::WriteFileAtomically(dir.path() + "/node.yaml", "cpu: 2\nmemroy: 1Gi\n").ok());
  const auto wrong = LoadAgentConfig(dir.path() + "/agent.yaml", "host");
  EXPECT_THAT(base::S(wrong.status().message()),
              HasSubstr("node.yaml:2:1: unknown key \"memroy\" (did you mean \"memory\"?)"));
  ASSERT_TRUE(base::WriteFileAtomically(dir.path() + "/node.yaml", "cpu: 2\nmemory: 1Gi\n").ok());
  const auto config = LoadAgentConfig(dir.path() + "/agent.yaml", "host");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->inventory.cpu_milli, 2000);
  EXPECT_EQ(config->node_name, "host");
}

}  // namespace
}  // namespace berth::config
