#include "config/berthd_loader.h"

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

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

BerthdConfig ParseBerthd(const std::string& text) {
  auto loaded = ParseBerthdConfig(text, "berthd.yaml");
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return loaded.ok() ? std::move(loaded->config) : BerthdConfig();
}

std::string Refusal(const std::string& text) {
  const auto loaded = ParseBerthdConfig(text, "berthd.yaml");
  EXPECT_FALSE(loaded.ok()) << text;
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kInvalidArgument);
  return base::S(loaded.status().message());
}

constexpr char kEverythingOfBerthd[] = R"(
dataDir: /srv/berth
socket: /srv/berth.sock
socketMode: 0600
socketGroup: operators
listen: 127.0.0.1:7460
insecure: true
insecureAgents: true
httpListen: "[::1]:9000"
clusterName: lab-1
log: {level: debug, format: json}
heartbeatInterval: 10s
lease: 40s
lostAfter: 5m
taskDefaults: {cpu: 500m, memory: 2Gi, grace: 1m}
limits:
  message: 8Mi
  job: 2Mi
  inboxFacts: 10
  inboxOperator: 11
  inboxSubmissions: 1_000
  commandsPerTurn: 12
  workUnitsPerTurn: 5000
retention: {finishedJobsAge: 1d, finishedJobsCount: 500}
snapshots: {directory: /backup/berth, interval: 6h, keep: 28}
watchHistoryEpochs: 1000
pluginDir: /opt/berth/plugins
ignoreBrokenPlugins: true
profiles:
  - name: default
  - name: packed
    plugins:
      queueSort: {enabled: [{name: PrioritySort}]}
      filter: {enabled: [{name: Extra}], disabled: [{name: TaintToleration}]}
      score:
        enabled: [{name: NodeResourcesFit, weight: 5}, {name: BalancedAllocation}]
        disabled: [{name: "*"}]
    pluginConfig:
      - name: NodeResourcesFit
        args: {scoringStrategy: {type: pack, resources: [{name: gpu, weight: 3}]}, ratio: 0.5, on: true}
    tie: fixed
)";

TEST(BerthdLoaderTest, AnEmptyFileGivesTheDefaults) {
  EXPECT_EQ(ParseBerthd(""), BerthdConfig());
  EXPECT_EQ(ParseBerthd("# nothing\n"), BerthdConfig());
}

TEST(BerthdLoaderTest, ReadsEveryKey) {
  const BerthdConfig config = ParseBerthd(kEverythingOfBerthd);
  EXPECT_EQ(config.data_dir, "/srv/berth");
  EXPECT_EQ(config.socket, "/srv/berth.sock");
  EXPECT_EQ(config.socket_mode, 0600u);
  EXPECT_EQ(config.socket_group, "operators");
  EXPECT_EQ(config.listen, "127.0.0.1:7460");
  EXPECT_TRUE(config.insecure);
  EXPECT_TRUE(config.insecure_agents);
  EXPECT_EQ(config.http_listen, "[::1]:9000");
  EXPECT_EQ(config.cluster_name, "lab-1");
  EXPECT_EQ(config.log, (LogConfig{"debug", "json"}));
  EXPECT_EQ(config.task_defaults.cpu_milli, 500);
  EXPECT_EQ(config.task_defaults.memory_bytes, int64_t{2} << 30);
  EXPECT_EQ(config.task_defaults.grace, absl::Minutes(1));
  EXPECT_EQ(config.limits.message_bytes, 8 << 20);
  EXPECT_EQ(config.limits.job_bytes, 2 << 20);
  EXPECT_EQ(config.limits.inbox_facts, 10);
  EXPECT_EQ(config.limits.inbox_operator, 11);
  EXPECT_EQ(config.limits.inbox_submissions, 1000);
  EXPECT_EQ(config.limits.commands_per_turn, 12);
  EXPECT_EQ(config.limits.work_units_per_turn, 5000);
  EXPECT_EQ(config.retention.finished_jobs_age, absl::Hours(24));
  EXPECT_EQ(config.retention.finished_jobs_count, 500);
  EXPECT_EQ(config.snapshots, (Snapshots{"/backup/berth", absl::Hours(6), 28}));
  EXPECT_EQ(config.watch_history_epochs, 1000);
  EXPECT_EQ(config.plugin_dir, "/opt/berth/plugins");
  EXPECT_TRUE(config.ignore_broken_plugins);
  ASSERT_EQ(config.profiles.size(), 2u);
  const ProfileConfig& packed = config.profiles[1];
  EXPECT_EQ(packed.name, "packed");
  EXPECT_EQ(packed.queue_sort, "PrioritySort");
  EXPECT_THAT(packed.filter.enabled, ElementsAre(PluginRef{"Extra", 1}));
  EXPECT_THAT(packed.filter.disabled, ElementsAre("TaintToleration"));
  EXPECT_THAT(packed.score.enabled,
              ElementsAre(PluginRef{"NodeResourcesFit", 5}, PluginRef{"BalancedAllocation", 1}));
  EXPECT_THAT(packed.score.disabled, ElementsAre("*"));
  ASSERT_EQ(packed.plugin_config.size(), 1u);
  const PluginArgs::Map& args = *packed.plugin_config[0].args.as_map();
  EXPECT_EQ(*args.at("ratio").as_double(), 0.5);
  EXPECT_TRUE(*args.at("on").as_bool());
  const PluginArgs::Map& strategy = *args.at("scoringStrategy").as_map();
  EXPECT_EQ(*strategy.at("type").as_string(), "pack");
  EXPECT_EQ(*strategy.at("resources").as_list()->at(0).as_map()->at("weight").as_int(), 3);
}

TEST(BerthdLoaderTest, WhatItPrintsReadsBackEqual) {
  for (const std::string& text : {std::string(), std::string(kEverythingOfBerthd)}) {
    const BerthdConfig config = ParseBerthd(text);
    EXPECT_EQ(ParseBerthd(FormatBerthdConfig(config)), config) << FormatBerthdConfig(config);
  }
}

TEST(BerthdLoaderTest, PrintsNoSecretsOfPlugins) {
  const BerthdConfig config = ParseBerthd(
      "profiles: [{name: default, pluginConfig: [{name: P, args: {apiKey: hunter2, url: u, "
      "inner: {dbPassword: hunter2}}}]}]\n");
  const std::string text = FormatBerthdConfig(config);
  EXPECT_EQ(text.find("hunter2"), std::string::npos) << text;
  EXPECT_THAT(text, HasSubstr("url: u"));
}

TEST(BerthdLoaderTest, RefusesWithPathLineAndProposal) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"data_dir: /x\n", "berthd.yaml:1:1: unknown key \"data_dir\" (did you mean \"dataDir\"?)"},
      {"heartbeatIntervall: 10s\n", "(did you mean \"heartbeatInterval\"?)"},
      {"dataDir: relative\n", "berthd.yaml:1:10: dataDir: \"relative\" is not an absolute path"},
      {"dataDir: \"\"\n", "dataDir: is empty"},
      {"dataDir: [a]\n", "dataDir: expected text, found a list"},
      {"socketMode: 660\n", "socketMode: expected permission bits in octal"},
      {"socketMode: rw\n", "socketMode: expected permission bits in octal"},
      {"socketMode: 0888\n", "socketMode: expected permission bits in octal"},
      {"listen: 127.0.0.1:7460\n", "listen: is TCP without TLS"},
      {"listen: 0.0.0.0:7460\ninsecure: true\n", "listen: \"0.0.0.0:7460\" is not a loopback"},
      {"listen: 127.0.0.1.evil.example:1\ninsecure: true\n", "is not a loopback address"},
      {"listen: 127.0.0.1\ninsecure: true\n", "listen: \"127.0.0.1\" is not host:port"},
      {"listen: 127.0.0.1:70000\ninsecure: true\n", "has no port from 0 to 65535"},
      {"listen: ::1:7460\ninsecure: true\n", "IPv6 address without brackets"},
      {"listen: 127.0.0.999:1\ninsecure: true\n", "is not a loopback address"},
      {"insecureAgents: true\n", "insecureAgents: takes agents on `listen` without TLS"},
      {"httpListen: 10.0.0.1:80\n", "httpListen: \"10.0.0.1:80\" is not a loopback address"},
      {"clusterName: a b\n", "clusterName: \"a b\" is not a name"},
      {"log: {level: verbose}\n", "log.level: expected debug, info, warn or error"},
      {"log: {levle: info}\n", "log: unknown key \"levle\" (did you mean \"level\"?)"},
      {"lease: 15s\n", "lease: 15s is too short: at least two heartbeats (20s)"},
      {"heartbeatInterval: 500ms\n", "heartbeatInterval: 500ms is out of range"},
      {"heartbeatInterval: 1m\n", "lease: 40s is too short: at least two heartbeats (2m)"},
      {"heartbeatInterval: 10\n", "heartbeatInterval: \"10\" has no unit (did you mean 10s?)"},
      {"lostAfter: 30s\n", "lostAfter: 30s is shorter than lease (40s)"},
      {"taskDefaults: {memory: 2}\n", "taskDefaults.memory: \"2\" has no unit (did you mean 2Gi?)"},
      {"taskDefaults: {memory: 1Ki}\n", "taskDefaults.memory: 1Ki is out of range"},
      {"taskDefaults: {grace: 2h}\n", "taskDefaults.grace: 2h is out of range"},
      {"limits: {inboxFacts: 0}\n", "limits.inboxFacts: 0 is out of range"},
      {"limits: {job: 8Mi}\n", "limits.job: 8Mi is more than a message may have (4Mi"},
      {"limits: {message: 2Gi}\n", "limits.message: 2Gi is out of range"},
      {"watchHistoryEpochs: 0\n", "watchHistoryEpochs: 0 is out of range: from 1"},
      {"taskDefaults: {cpu: 2000000}\n", "taskDefaults.cpu: 2000000 is out of range: at most"},
      {"watchHistoryEpochs: many\n", "watchHistoryEpochs: expected a whole number"},
      {"snapshots: {interval: 500ms}\n", "snapshots.interval: 500ms is too short: at least 1s"},
      {"snapshots: {interval: daily}\n", "snapshots.interval:"},
      {"snapshots: {keep: 0}\n", "snapshots.keep: 0 is out of range: from 1"},
      {"snapshots: {directory: here}\n", "snapshots.directory: \"here\" is not an absolute path"},
      {"snapshots: {every: 1h}\n", "snapshots: unknown key \"every\""},
      {"pluginDir: plugins\n", "berthd.yaml:1:12: pluginDir: \"plugins\" is not an absolute path"},
      {"ignoreBrokenPlugins: some\n", "berthd.yaml:1:22: ignoreBrokenPlugins: expected"},
      {"tls: {cert: c}\n", "tls: is not honoured yet"},
      {"profiles: {}\n", "profiles: expected a list, found a map"},
      {"profiles: []\n", "profiles: is empty"},
      {"profiles: [{plugins: {}}]\n", "profiles[0].name: is required and missing"},
      {"profiles: [{name: a}, {name: a}]\n", "profiles[1].name: \"a\" is the name of two"},
      {"profiles: [{name: a b}]\n", "profiles[0].name: \"a b\" is not a name"},
      {"profiles: [{name: a, plugins: {filter: {enabled: 7}}}]\n",
       "profiles[0].plugins.filter.enabled: expected a list, found the integer 7"},
      {"profiles: [{name: a, plugins: {filter: {enabled: [{name: F, weight: 2}]}}}]\n",
       "profiles[0].plugins.filter.enabled[0].weight: only scores have a weight"},
      {"profiles:\n- name: a\n  plugins:\n    score:\n      enabled:\n      - {name: A, weight: "
       "1}\n"
       "      - {name: B, weight: x}\n",
       "berthd.yaml:7:27: profiles[0].plugins.score.enabled[1].weight: expected a whole number"},
      {"profiles: [{name: a, plugins: {score: {enabled: [{name: A, weight: 101}]}}}]\n",
       "enabled[0].weight: 101 is out of range: from 1 to 100"},
      {"profiles: [{name: a, plugins: {score: {enabled: [{name: A}, {name: A}]}}}]\n",
       "\"A\" stands in this list twice"},
      {"profiles: [{name: a, plugins: {permit: {}}}]\n",
       "profiles[0].plugins.permit: is not honoured yet"},
      {"profiles: [{name: a, plugins: {queueSort: {enabled: [{name: A}, {name: B}]}}}]\n",
       "profiles[0].plugins.queueSort: takes one plugin"},
      {"profiles: [{name: a, pluginConfig: [{name: P, args: 3}]}]\n",
       "profiles[0].pluginConfig[0].args: expected a map"},
      {"dataDir: /a\ndataDir: /b\n", "berthd.yaml:2:1: the key \"dataDir\" stands here twice"},
      {"- a\n", "expected a map, found a list"},
      {"just words\n", "expected a map"},
      {std::string("dataDir: /\xff\n"), "is not valid UTF-8"},
      {"socket: /" + std::string(200, 's') + "\n", "socket: has 201 bytes"}};
  for (const auto& [text, why] : cases) EXPECT_THAT(Refusal(text), HasSubstr(why)) << text;
}

TEST(BerthdLoaderTest, ReportsSeveralErrorsTogetherInTheOrderOfTheFile) {
  EXPECT_EQ(Refusal("lease: 3s\nsocket: here\nnope: 1\n"),
            "berthd.yaml:1:8: lease: 3s is too short: at least two heartbeats (20s)\n"
            "berthd.yaml:2:9: socket: \"here\" is not an absolute path\n"
            "berthd.yaml:3:1: unknown key \"nope\"");
}

TEST(BerthdLoaderTest, LocatesErrorsThatAreFoundLater) {
  const auto loaded = ParseBerthdConfig(
      "profiles:\n- name: a\n  plugins:\n    score:\n      enabled:\n      - {name: Nope}\n",
      "berthd.yaml");
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->places.Locate(absl::InvalidArgumentError(
                "profiles[0].plugins.score.enabled[0]: there is no plugin \"Nope\"")),
            absl::InvalidArgumentError(
                "berthd.yaml:6:9: profiles[0].plugins.score.enabled[0]: there is no plugin "
                "\"Nope\""));
  // Below what is there: the nearest that is.
  EXPECT_THAT(base::S(loaded->places
                          .Locate(absl::InvalidArgumentError("profiles[0].pluginConfig[0].args: x"))
                          .message()),
              HasSubstr("berthd.yaml:2:3: profiles[0].pluginConfig"));
  EXPECT_EQ(loaded->places.Locate(absl::InternalError("disk: full")),
            absl::InternalError("disk: full"));
  EXPECT_TRUE(loaded->places.Locate(absl::OkStatus()).ok());
}

TEST(BerthdLoaderTest, LoadsAFileAndNamesOneThatIsNotThere) {
  const testing::TempDir dir;
  const std::string path = dir.path() + "/berthd.yaml";
  const auto missing = LoadBerthdConfig(path);
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(base::S(missing.status().message()), HasSubstr(path));
  ASSERT_TRUE(base::WriteFileAtomically(path, "clusterName: x\n").ok());
  const auto loaded = LoadBerthdConfig(path);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->config.cluster_name, "x");
}

TEST(BerthdLoaderTest, TellsWhatAReloadChangesAndWhatItCannot) {
  const BerthdConfig running;
  EXPECT_THAT(CompareForReload(running, running).at_once, IsEmpty());
  EXPECT_THAT(CompareForReload(running, running).needs_restart, IsEmpty());
  const ReloadDiff diff = CompareForReload(
      running, ParseBerthd("log: {level: warn}\nprofiles: [{name: default}, {name: second}]\n"
                           "dataDir: /other\nlimits: {inboxFacts: 5}\npluginDir: /plugins\n"
                           "ignoreBrokenPlugins: true\n"));
  EXPECT_THAT(diff.at_once, ElementsAre("log.level", "profiles"));
  EXPECT_THAT(diff.needs_restart,
              ElementsAre("dataDir", "limits", "pluginDir", "ignoreBrokenPlugins"));
  EXPECT_THAT(CompareForReload(running, ParseBerthd("snapshots: {interval: off}\n")).needs_restart,
              ElementsAre("snapshots"));
}

TEST(BerthdLoaderTest, ReadsWhatBelongsToNoNode) {
  const BerthdConfig config = ParseBerthd(
      "clusterResources:\n  - {name: matlab, capacity: 20}\n"
      "  - {name: uplink, capacity: 100, topologyKey: rack}\n");
  ASSERT_EQ(config.cluster_resources.size(), 2u);
  EXPECT_EQ(config.cluster_resources[0], (ClusterResource{"matlab", 20, ""}));
  EXPECT_EQ(config.cluster_resources[1], (ClusterResource{"uplink", 100, "rack"}));
  EXPECT_EQ(ParseBerthd(FormatBerthdConfig(config)), config);

  BerthdConfig next = config;
  next.cluster_resources[0].capacity = 21;
  EXPECT_THAT(CompareForReload(config, next).at_once, ElementsAre("clusterResources.capacity"));
  EXPECT_THAT(CompareForReload(config, next).needs_restart, IsEmpty());
  next.cluster_resources[1].topology_key = "zone";
  EXPECT_THAT(CompareForReload(config, next).at_once, IsEmpty());
  EXPECT_THAT(CompareForReload(config, next).needs_restart, ElementsAre("clusterResources"));
}

TEST(BerthdLoaderTest, RefusesClusterResourcesThatMakeNoSense) {
  const auto refusal = [](const std::string& entries) {
    return Refusal("clusterResources: [" + entries + "]\n");
  };
  EXPECT_THAT(refusal("{capacity: 1}"), HasSubstr("clusterResources[0].name"));
  EXPECT_THAT(refusal("{name: licence}"), HasSubstr("clusterResources[0].capacity"));
  EXPECT_THAT(refusal("{name: Licence, capacity: 1}"), HasSubstr("\"Licence\" is not a name"));
  EXPECT_THAT(
      refusal("{name: licence, capacity: 1, topologyKey: a b}"),
      HasSubstr("topologyKey: \"a b\" is not a name: it must match [A-Za-z0-9_./-]{1,253}"));
  EXPECT_THAT(refusal("{name: cpu, capacity: 1}"), HasSubstr("\"cpu\" is what nodes have"));
  EXPECT_THAT(refusal("{name: licence, capacity: -1}"), HasSubstr("clusterResources[0].capacity"));
  EXPECT_THAT(refusal("{name: licence, capacity: 1073741824}"),
              HasSubstr("clusterResources[0].capacity"));
  EXPECT_THAT(refusal("{name: licence, capacity: 1}, {name: licence, capacity: 2}"),
              HasSubstr("clusterResources[1].name: \"licence\" is the name of two resources"));
  EXPECT_THAT(refusal("{name: licence, capacity: 1, topologyKey: \"\"}"),
              HasSubstr("clusterResources[0].topologyKey: is empty"));
  EXPECT_THAT(refusal("{name: licence, capacity: 1, key: rack}"), HasSubstr("key"));
}

TEST(BerthdLoaderTest, SnapshotsLieInTheDataDirectoryAndMayBeOff) {
  const Snapshots own = ParseBerthd("dataDir: /srv/berth\n").snapshots;
  EXPECT_EQ(own.directory, "/srv/berth/snapshots");
  EXPECT_EQ(own.interval, absl::Hours(24));
  EXPECT_EQ(own.keep, 7);
  for (const char* off : {"off", "0", "0s"}) {
    EXPECT_EQ(ParseBerthd("snapshots: {interval: " + std::string(off) + "}\n").snapshots.interval,
              absl::ZeroDuration());
  }
}

}  // namespace
}  // namespace berth::config
