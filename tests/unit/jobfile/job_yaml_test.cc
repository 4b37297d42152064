#include "jobfile/job_yaml.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "tests/unit/jobfile/message_fields.h"
#include "yaml/write.h"

namespace berth::jobfile {
namespace {

using ::testing::HasSubstr;

v1::JobSpec Parse(const std::string& text) {
  auto job = ParseJobYaml(text, "job.yaml");
  EXPECT_TRUE(job.ok()) << job.status() << "\n" << text;
  return job.ok() ? *std::move(job) : v1::JobSpec();
}

std::string Refusal(const std::string& text) {
  const auto job = ParseJobYaml(text, "job.yaml");
  EXPECT_FALSE(job.ok()) << text;
  EXPECT_EQ(job.status().code(), absl::StatusCode::kInvalidArgument);
  return base::S(job.status().message());
}

void ExpectEqual(const v1::JobSpec& a, const v1::JobSpec& b) {
  std::string difference;
  google::protobuf::util::MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&difference);
  EXPECT_TRUE(differencer.Compare(a, b)) << difference;
}

v1::JobSpec FromText(const std::string& text) {
  v1::JobSpec job;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &job));
  return job;
}

constexpr char kHead[] = "apiVersion: berth/v1\nkind: Job\n";

TEST(JobYamlTest, AJobOfOneGroupIsWrittenFlat) {
  ExpectEqual(
      Parse(std::string(kHead) + "name: squares\narray: 0-99\ncommand: [./square.sh, 1.50, true]\n"
                                 "resources: {cpu: 500m, memory: 2.5Gi}\n"),
      FromText(R"pb(
        name: "squares"
        groups {
          array { ranges { first: 0 last: 99 } }
          template {
            payload { command: "./square.sh" command: "1.50" command: "true" }
            resources { cpu_milli: 500 memory_bytes: 2684354560 }
          }
        }
      )pb"));
}

constexpr char kEverything[] = R"(apiVersion: berth/v1
kind: Job
name: train
namespace: research
queue: default
profile: default
priority: -5
priorityClass: low
description: |
  Fine-tunes a model.
  Reads imagenet.
labels: {team: vision, tier: 1}
annotations: {note: "x: y"}
dependencies: [{kind: afterOk, job: 7}, {kind: corresponding, job: "8"}]
reservation: night
beginTime: 2026-11-20T18:00:00Z
deadline: 2026-11-21T06:00:00+02:00
held: true
features:
  computationClass: gpu
  duration: 2h
  inputs: [{name: imagenet, size: 150G}]
  outputs: [{name: weights}]
  models: [llama-3]
groups:
  - name: worker
    array: 0-10:2%3
    command: [python3, train.py]
    script: |
      #!/bin/sh
      exec "$@"
    env: {EPOCHS: 10, EMPTY: ""}
    workingDirectory: /data
    image: registry/x
    mounts:
      - {source: /data/sets, target: /data, readOnly: true}
      - {source: /models}
    outputDirectory: /out
    stdin: "y\n"
    console: terminal
    consoleRows: 50
    consoleColumns: 132
    files: [{name: run.sh, content: "exit 0\n", executable: true}]
    resources: {cpu: 8, memory: 64Gi, storage: 1T, bandwidth: 10Gbit, extended: {fpga_slots: 2}}
    devices:
      - {kind: gpu, count: 4, memory: 40Gi, models: [A100-SXM4-80GB, H100], box: [2, 2]}
      - {kind: tpu, share: 0.5}
    clusterResources: [{name: matlab, amount: 1}]
    nodeSelector: {zone: a}
    nodeAffinity:
      required:
        - matchExpressions: [{key: rack, operator: In, values: [r1, r2]}]
      preferred:
        - weight: 10
          matchExpressions: [{key: fast, operator: Exists}, {key: gen, operator: Gt, values: [3]}]
    tolerations: [{key: gpu, value: "true", effect: NoSchedule}, {key: old}, {}]
    terms:
      - kind: spread
        topologyKey: zone
        matchExpressions: [{key: team, operator: NotIn, values: [a]}]
        namespaces: [research]
        maxSkew: 2
        preferred: true
        weight: 50
      - {kind: near, topologyKey: rack, data: imagenet, weight: 20}
    timeLimit: 1d
    grace: 0s
    maxProcesses: 100
    gang: {minCount: 3, topologyKey: rack}
    onPartition: kill
    retries: 3
    onOom: {factor: 2, limit: 256Gi}
    cpuLimit: 16
    cpuPlacement: dedicated
    ioWeight: 200
    network: isolated
    healthCheck: {command: [./alive, now], initialDelay: 1m, period: 20s, timeout: 3s, failures: 2}
    readinessCheck: {http: {port: 8080, path: /ready}}
  - name: eval
    command: [./eval]
    onPartition: keep
    service: true
    restart: onFailure
    healthCheck: {tcpPort: 80}
)";

constexpr char kEverythingAsProto[] = R"pb(
  name: "train"
  namespace: "research"
  queue: "default"
  profile: "default"
  priority: -5
  priority_class: "low"
  description: "Fine-tunes a model.\nReads imagenet.\n"
  labels { key: "team" value: "vision" }
  labels { key: "tier" value: "1" }
  annotations { key: "note" value: "x: y" }
  dependencies { kind: DEPENDENCY_KIND_AFTER_OK job_id: "7" }
  dependencies { kind: DEPENDENCY_KIND_CORRESPONDING job_id: "8" }
  reservation: "night"
  begin_unix_ms: 1795197600000
  deadline_unix_ms: 1795233600000
  held: true
  features {
    computation_class: "gpu"
    duration_ms: 7200000
    inputs { name: "imagenet" size_bytes: 150000000000 }
    outputs { name: "weights" }
    models: "llama-3"
  }
  groups {
    name: "worker"
    array {
      ranges { first: 0 last: 10 step: 2 }
      max_running: 3
    }
    template {
      payload {
        command: "python3"
        command: "train.py"
        script: "#!/bin/sh\nexec \"$@\"\n"
        environment { key: "EPOCHS" value: "10" }
        environment { key: "EMPTY" value: "" }
        working_directory: "/data"
        image: "registry/x"
        mounts { source: "/data/sets" target: "/data" read_only: true }
        mounts { source: "/models" }
        output_directory: "/out"
        stdin_data: "y\n"
        console: CONSOLE_TERMINAL
        console_rows: 50
        console_columns: 132
        files { name: "run.sh" data: "exit 0\n" executable: true }
      }
      resources {
        cpu_milli: 8000
        memory_bytes: 68719476736
        storage_bytes: 1000000000000
        bandwidth_bits_per_s: 10000000000
        extended { key: "fpga_slots" value: 2 }
      }
      devices {
        kind: "gpu"
        count: 4
        memory_bytes: 42949672960
        models: "A100-SXM4-80GB"
        models: "H100"
        box: 2
        box: 2
      }
      devices { kind: "tpu" count: 1 share_milli: 500 }
      cluster_resources { name: "matlab" amount: 1 }
      node_selector { key: "zone" value: "a" }
      node_affinity {
        required { requirements { key: "rack" op: SELECTOR_OPERATOR_IN values: "r1" values: "r2" } }
        preferred {
          weight: 10
          selector {
            requirements { key: "fast" op: SELECTOR_OPERATOR_EXISTS }
            requirements { key: "gen" op: SELECTOR_OPERATOR_GT values: "3" }
          }
        }
      }
      tolerations { key: "gpu" value: "true" effect: TAINT_EFFECT_NO_SCHEDULE }
      tolerations { key: "old" }
      tolerations {}
      terms {
        kind: TERM_KIND_SPREAD
        topology_key: "zone"
        selector { requirements { key: "team" op: SELECTOR_OPERATOR_NOT_IN values: "a" } }
        namespaces: "research"
        max_skew: 2
        preferred: true
        weight: 50
      }
      terms { kind: TERM_KIND_NEAR topology_key: "rack" data: "imagenet" weight: 20 }
      time_limit_ms: 86400000
      grace_ms: 0
      max_processes: 100
      cpu_limit_milli: 16000
      cpu_placement: CPU_PLACEMENT_DEDICATED
      io_weight: 200
      network: NETWORK_MODE_ISOLATED
      health_check {
        command { command: "./alive" command: "now" }
        initial_delay_ms: 60000
        period_ms: 20000
        timeout_ms: 3000
        failures: 2
      }
      readiness_check { http { port: 8080 path: "/ready" } }
    }
    gang { min_count: 3 topology_key: "rack" }
    on_partition: ON_PARTITION_KILL
    retries: 3
    on_oom { factor_percent: 200 limit_bytes: 274877906944 }
  }
  groups {
    name: "eval"
    template {
      payload { command: "./eval" }
      health_check { tcp_port: 80 }
    }
    on_partition: ON_PARTITION_KEEP
    service: true
    restart: RESTART_POLICY_ON_FAILURE
  }
)pb";

TEST(JobYamlTest, EveryFieldOfTheWireHasItsName) {
  ExpectEqual(Parse(kEverything), FromText(kEverythingAsProto));
}

// A field that is added to the wire must get a name here, or be let out on purpose.
TEST(JobYamlTest, TheExampleAboveLeavesNoFieldOut) {
  std::set<std::string> all;
  std::set<std::string> set;
  CollectFields(FromText(kEverythingAsProto), all, set);
  EXPECT_GT(all.size(), 80u);
  all.erase("berth.v1.IndexRange.first");  // it is 0
  for (const std::string& name : all) EXPECT_TRUE(set.contains(name)) << name;
}

TEST(JobYamlTest, WhatItWritesReadsBackEqual) {
  for (const char* const text :
       {kEverythingAsProto, "groups { template { payload { command: \"true\" } } }",
        "groups { name: \"only\" template { payload { script: \"#!/bin/sh\\n\" } } }",
        "groups { template { payload { command: \"a b\" command: \"no\" command: \"-1\" command: "
        "\"\" } } }"}) {
    const v1::JobSpec job = FromText(text);
    const std::string yaml = yaml::WriteYaml(JobToYaml(job));
    ExpectEqual(Parse(yaml), job);
  }
}

TEST(JobYamlTest, WritesAmountsAsPeopleDo) {
  EXPECT_EQ(yaml::WriteYaml(
                JobToYaml(Parse(std::string(kHead) + "array: 0-9\ncommand: [\"true\"]\ngrace: 90s\n"
                                                     "resources: {cpu: 0.5, memory: 2.5Gi}\n"))),
            "apiVersion: berth/v1\n"
            "kind: Job\n"
            "array: \"0-9\"\n"
            "command:\n"
            "  - \"true\"\n"
            "resources:\n"
            "  cpu: 0.5\n"
            "  memory: 2560Mi\n"
            "grace: 1m30s\n");
}

TEST(JobYamlTest, RefusesWithPathLineAndColumn) {
  const std::string head = kHead;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "job.yaml: is empty"},
      {"kind: Job\ncommand: [a]\n", "apiVersion: is required and missing"},
      {"apiVersion: berth/v1\ncommand: [a]\n", "kind: is required and missing"},
      {"apiVersion: v2\nkind: Job\ncommand: [a]\n", "job.yaml:1:13: apiVersion: \"v2\" is not"},
      {"apiVersion: berth/v1\nkind: Sandwich\ncommand: [a]\n", "kind: \"Sandwich\" is not known"},
      {head + "quee: default\ncommand: [a]\n",
       "job.yaml:3:1: unknown key \"quee\" (did you mean \"queue\"?)"},
      {head + "working_directory: /x\ncommand: [a]\n", "(did you mean \"workingDirectory\"?)"},
      {head, "command: is required and missing"},
      {head + "command: []\n", "command: is required and missing"},
      {head + "command: [\"\"]\n", "job.yaml:3:10: command: starts with an empty word"},
      {head + "command: sleep 10\n", "command: expected a list, found \"sleep 10\""},
      {head + "command: [a, [b]]\n", "command[1]: expected text, found a list"},
      {head + "command: [a, ~]\n", "command[1]: has no value"},
      {head + "command: [\"a\\0\"]\n", "command[0]: contains a NUL byte"},
      {head + "command: [a]\nresources: {memory: 2}\n",
       "job.yaml:4:21: resources.memory: \"2\" has no unit (did you mean 2Gi?)"},
      {head + "command: [a]\nresources: {memory: 0}\n", "resources.memory: 0 is too little"},
      {head + "command: [a]\nresources: {memory: -1Gi}\n",
       "resources.memory: \"-1Gi\" is negative"},
      {head + "command: [a]\nresources: {cpu: lots}\n",
       "resources.cpu: \"lots\" is no amount of CPU"},
      {head + "command: [a]\nresources: {cpu: .nan}\n",
       "resources.cpu: \".nan\" is no amount of CPU"},
      {head + "command: [a]\nresources: {gpu: 1}\n", "resources: unknown key \"gpu\""},
      {head + "command: [a]\nresources: {extended: {x: -1}}\n", "extended.x: -1 is out of range"},
      {head + "command: [a]\narray: 9-0\n", "job.yaml:4:8: array: \"9-0\" descends"},
      {head + "command: [a]\npriority: 1001\n", "priority: 1001 is out of range"},
      {head + "command: [a]\nretries: 2147483648\n", "retries: 2147483648 is out of range"},
      {head + "command: [a]\nmaxProcesses: 0\n", "maxProcesses: 0 is out of range"},
      {head + "command: [a]\ngrace: 2h\n", "grace: 2h is out of range"},
      {head + "command: [a]\ntimeLimit: 5\n", "timeLimit: \"5\" has no unit (did you mean 5s?)"},
      {head + "command: [a]\ndevices: [{count: 1}]\n", "devices[0].kind: is required"},
      {head + "command: [a]\ndevices: [{kind: gpu, count: 0}]\n", "devices[0].count: 0 is out of"},
      {head + "command: [a]\ndevices: [{kind: gpu, count: 2, share: 0.5}]\n",
       "devices[0].share: goes with `count: 1` only"},
      {head + "command: [a]\ndevices: [{kind: tpu, count: 3, box: [2, 2]}]\n",
       "devices[0].count: is 3, and the box is of 4 devices"},
      {head + "command: [a]\ndevices: [{kind: tpu, share: 0.5, box: [1]}]\n",
       "devices[0].box: goes with whole devices"},
      {head + "command: [a]\ndevices: [{kind: tpu, box: [1, 1, 1, 1]}]\n",
       "devices[0].box: has 4 extents"},
      {head + "command: [a]\ndevices: [{kind: tpu, box: [2, 0]}]\n", "devices[0].box[1]: "},
      {head + "command: [a]\ndevices: [{kind: tpu, box: [255, 255]}]\n",
       "devices[0].box: is of 65025 devices"},
      {head + "command: [a]\ndevices: [{kind: gpu, share: 1.5}]\n", "share: is not a part of one"},
      {head + "command: [a]\ntolerations: [{key: a, effect: NoSchedul}]\n",
       "tolerations[0].effect: expected NoSchedule, PreferNoSchedule or NoExecute, found "
       "\"NoSchedul\" (did you mean \"NoSchedule\"?)"},
      {head + "command: [a]\nnodeAffinity: {required: [{matchExpressions: [{key: a, operator: "
              "In}]}]}\n",
       "nodeAffinity.required[0].matchExpressions[0].values: needs at least one value"},
      {head + "command: [a]\nnodeAffinity: {preferred: [{weight: 101, matchExpressions: []}]}\n",
       "preferred[0].weight: 101 is out of range"},
      {head + "command: [a]\nbeginTime: infinite-future\n",
       "beginTime: \"infinite-future\" is not"},
      {head + "command: [a]\ndeadline: tomorrow\n", "write it as 2026-11-20T18:00:00Z"},
      {head + "command: [a]\nworkingDirectory: here\n",
       "workingDirectory: is not an absolute path"},
      {head + "groups: []\n", "groups: is empty"},
      {head + "groups: [{command: [a]}]\ncommand: [b]\n", "command: belongs to a group"},
      {head + "groups: [{template: {}, command: [a]}]\n", "groups[0]: unknown key \"template\""},
      {head + "command: [a]\ncommand: [b]\n",
       "job.yaml:4:1: the key \"command\" stands here twice"},
      {head + "name: \xff\n", "job.yaml:3:7: is not valid UTF-8"},
      {"kind: Job\n  : [\n", "job.yaml:"},
      {"[]\n", "expected a map, found a list"}};
  for (const auto& [text, why] : cases) EXPECT_THAT(Refusal(text), HasSubstr(why)) << text;
}

TEST(JobYamlTest, ReportsSeveralErrorsTogether) {
  const std::string errors =
      Refusal(std::string(kHead) + "nmae: x\ncommand: [a]\nresources: {cpu: -1, memory: 5}\n");
  EXPECT_EQ(errors,
            "job.yaml:3:1: unknown key \"nmae\" (did you mean \"name\"?)\n"
            "job.yaml:5:18: resources.cpu: \"-1\" is negative\n"
            "job.yaml:5:30: resources.memory: \"5\" has no unit (did you mean 5Gi?)");
}

TEST(JobYamlTest, ReadsTheSpecOfWhatGetPrints) {
  const std::string spec = "spec:\n  apiVersion: berth/v1\n  kind: Job\n  command: [a]\n";
  EXPECT_EQ(Parse("id: \"12\"\n" + spec + "state: succeeded\n")
                .groups(0)
                .template_()
                .payload()
                .command(0),
            "a");
  EXPECT_THAT(Refusal(spec + "  quee: x\n"),
              HasSubstr("job.yaml:5:3: spec: unknown key \"quee\" (did you mean \"queue\"?)"));
}

TEST(JobYamlTest, RefusesAFileThatIsTooLarge) {
  EXPECT_THAT(Refusal(std::string(kMaxJobFileBytes + 1, '#')),
              HasSubstr("more than 1048576 bytes"));
}

}  // namespace
}  // namespace berth::jobfile
