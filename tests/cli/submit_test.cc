// What commands send.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/small_file.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/cli/cli_harness.h"
#include "tests/support/fake_job_service.h"

namespace berth::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SubmitTest : public ::testing::Test {
 protected:
  // The job that the command sent.
  v1::JobSpec Submitted(const std::vector<std::string>& arguments) {
    const testing::CliResult result = harness_.Run(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    const auto submissions = fake_.submissions();
    EXPECT_FALSE(submissions.empty());
    return submissions.empty() ? v1::JobSpec() : submissions.back().job();
  }

  static void ExpectJob(const v1::JobSpec& actual, const std::string& expected) {
    v1::JobSpec job;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(expected, &job));
    std::string difference;
    google::protobuf::util::MessageDifferencer differencer;
    differencer.ReportDifferencesToString(&difference);
    EXPECT_TRUE(differencer.Compare(job, actual)) << difference;
  }

  testing::FakeJobService fake_;
  testing::CliHarness harness_{fake_.address()};
};

TEST_F(SubmitTest, ACommandRunsInTheCurrentDirectoryWithTheServersDefaults) {
  ExpectJob(Submitted({"submit", "--", "python3", "-c", "print(6*7)", "--", "-q"}), R"pb(
    groups {
      template {
        payload {
          command: "python3"
          command: "-c"
          command: "print(6*7)"
          command: "--"
          command: "-q"
          working_directory: "/home/ada"
        }
        resources {}
      }
    }
  )pb");
}

TEST_F(SubmitTest, EveryFlagFindsItsField) {
  harness_.environment["TOKEN"] = "from here";
  ExpectJob(Submitted({"submit",
                       "--name",
                       "train",
                       "--cpu",
                       "500m",
                       "--memory",
                       "2.5Gi",
                       "--storage",
                       "10G",
                       "--gpus",
                       "A100:2",
                       "--gpu-memory",
                       "40Gi",
                       "--tpus",
                       "v4:2x2x1",
                       "--array",
                       "0-8:2,10",
                       "--time-limit",
                       "1h30m",
                       "--grace",
                       "5s",
                       "--priority",
                       "-5",
                       "--label",
                       "team=vision",
                       "--label",
                       "tier=1=a",
                       "--env",
                       "A=b=c",
                       "--env",
                       "EMPTY=",
                       "--env",
                       "TOKEN",
                       "--node-selector",
                       "zone=a",
                       "--tolerate",
                       "gpu=true:NoSchedule",
                       "--tolerate",
                       "old",
                       "--tolerate",
                       "*:NoExecute",
                       "--retries",
                       "3",
                       "--on-partition",
                       "kill",
                       "--workdir",
                       "/data",
                       "--profile",
                       "packed",
                       "--queue",
                       "default",
                       "--description",
                       "fine-tunes",
                       "--max-processes",
                       "64",
                       "-n",
                       "research",
                       "--",
                       "./run.sh"}),
            R"pb(
              name: "train"
              namespace: "research"
              queue: "default"
              profile: "packed"
              description: "fine-tunes"
              priority: -5
              labels { key: "team" value: "vision" }
              labels { key: "tier" value: "1=a" }
              groups {
                array {
                  ranges { first: 0 last: 8 step: 2 }
                  ranges { first: 10 last: 10 }
                }
                retries: 3
                on_partition: ON_PARTITION_KILL
                template {
                  payload {
                    command: "./run.sh"
                    working_directory: "/data"
                    environment { key: "A" value: "b=c" }
                    environment { key: "EMPTY" value: "" }
                    environment { key: "TOKEN" value: "from here" }
                  }
                  resources { cpu_milli: 500 memory_bytes: 2684354560 storage_bytes: 10000000000 }
                  devices { kind: "gpu" count: 2 memory_bytes: 42949672960 models: "A100" }
                  devices { kind: "tpu" count: 4 models: "v4" box: 2 box: 2 box: 1 }
                  node_selector { key: "zone" value: "a" }
                  tolerations { key: "gpu" value: "true" effect: TAINT_EFFECT_NO_SCHEDULE }
                  tolerations { key: "old" }
                  tolerations { effect: TAINT_EFFECT_NO_EXECUTE }
                  time_limit_ms: 5400000
                  grace_ms: 5000
                  max_processes: 64
                }
              }
            )pb");
}

TEST_F(SubmitTest, AnImageBringsItsOwnDirectoryAndMayBringItsCommand) {
  ExpectJob(Submitted({"submit", "--image", "/images/a:b", "--mount", "/data", "--mount",
                       "/a b:/c:ro", "--mount", "/d:/e:rw"}),
            R"pb(
              groups {
                template {
                  payload {
                    image: "/images/a:b"
                    mounts { source: "/data" }
                    mounts { source: "/a b" target: "/c" read_only: true }
                    mounts { source: "/d" target: "/e" }
                  }
                  resources {}
                }
              }
            )pb");
  for (const char* wrong : {"data", "/a:b", "/a:/b:/c", ":/b", ""}) {
    const testing::CliResult result =
        harness_.Run({"submit", "--image", "x", "--mount", wrong, "--", "true"});
    EXPECT_EQ(result.code, 2) << wrong;
    EXPECT_THAT(result.err, HasSubstr("--mount")) << wrong;
  }
}

TEST_F(SubmitTest, APartOfAGpuIsOneGpu) {
  const v1::JobSpec job = Submitted({"submit", "--gpu-share", "0.25", "--", "true"});
  const v1::DeviceRequest& device = job.groups(0).template_().devices(0);
  EXPECT_EQ(device.kind(), "gpu");
  EXPECT_EQ(device.count(), 1);
  EXPECT_EQ(device.share_milli(), 250);
}

TEST_F(SubmitTest, AFileIsReadAndJobFlagsReplaceItsValues) {
  const testing::TempDir dir;
  const std::string path = dir.path() + "/job.yaml";
  ASSERT_TRUE(
      base::WriteFileAtomically(path,
                                "apiVersion: berth/v1\nkind: Job\nname: old\nlabels: {a: b}\n"
                                "command: [sleep, 10]\nresources: {cpu: 2}\n")
          .ok());
  const std::string expected = R"pb(
    name: "new"
    labels { key: "a" value: "b" }
    labels { key: "c" value: "d" }
    groups {
      template {
        payload { command: "sleep" command: "10" }
        resources { cpu_milli: 2000 }
      }
    }
  )pb";
  ExpectJob(Submitted({"submit", path, "--name", "new", "--label", "c=d"}), expected);
  ExpectJob(Submitted({"submit", "-f", path, "--name", "new", "--label", "c=d"}), expected);
}

TEST_F(SubmitTest, AFileMayComeOnStandardInput) {
  harness_.stdin_text = "apiVersion: berth/v1\nkind: Job\ncommand: [\"true\"]\n";
  EXPECT_EQ(Submitted({"submit", "-"}).groups(0).template_().payload().command(0), "true");
  harness_.stdin_text = "kind: Job\n";
  const testing::CliResult result = harness_.Run({"submit", "-"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("standard input:1:1: apiVersion: is required and missing"));
}

TEST_F(SubmitTest, ErrorsOfAFileNameItsPlace) {
  const testing::TempDir dir;
  const std::string path = dir.path() + "/job.yaml";
  ASSERT_TRUE(base::WriteFileAtomically(path, "kind: Job\nquee: default\ncommand: [a]\n").ok());
  const testing::CliResult result = harness_.Run({"submit", path});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err,
              HasSubstr("job.yaml:2:1: unknown key \"quee\" (did you mean \"queue\"?)"));
  EXPECT_TRUE(fake_.submissions().empty());
}

TEST_F(SubmitTest, SendsTheRequestId) {
  harness_.Run({"submit", "--request-id", "r-1", "--", "true"});
  EXPECT_EQ(fake_.submissions()[0].request_id(), "r-1");
}

TEST_F(SubmitTest, IsRepeatedUnderOneIdWhenTheConnectionBreaks) {
  fake_.FailNext("SubmitJob", grpc::Status(grpc::StatusCode::UNAVAILABLE, "Socket closed"));
  int answered = 0;
  std::string first_id;
  fake_.OnSubmit([&](const v1::SubmitJobRequest& request, v1::SubmitJobResponse&) {
    first_id = request.request_id();
    ++answered;
  });
  const testing::CliResult result = harness_.Run({"submit", "--", "true"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("broke; trying again"));
  EXPECT_EQ(fake_.calls("SubmitJob"), 2);
  EXPECT_EQ(answered, 1);
  EXPECT_EQ(first_id.size(), 36u);
  fake_.OnSubmit(nullptr);
  harness_.Run({"submit", "--", "true"});
  EXPECT_NE(fake_.submissions().at(1).request_id(), first_id);
}

TEST_F(SubmitTest, WhatWasNeverSentIsNotRepeated) {
  const testing::CliResult result =
      harness_.Run({"--server", "unix:/nowhere/berthd.sock", "submit", "--", "true"});
  EXPECT_EQ(result.code, 5);
  EXPECT_THAT(result.err, HasSubstr("No such file"));
  EXPECT_THAT(result.err, ::testing::Not(HasSubstr("admitted")));
}

TEST_F(SubmitTest, AFullServerIsAskedAgainWhenItSays) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_nanos(1'000'000);
  google::rpc::Status details;
  details.add_details()->PackFrom(retry);
  for (int i = 0; i < 3; ++i) {
    fake_.FailNext("SubmitJob", grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "inbox full",
                                             details.SerializeAsString()));
  }
  EXPECT_EQ(harness_.Run({"submit", "--", "true"}).code, 0);
  EXPECT_EQ(fake_.calls("SubmitJob"), 4);
  EXPECT_EQ(fake_.submissions().size(), 1u);
}

TEST_F(SubmitTest, AServerThatStaysFullIsNotAskedForEver) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(3600);
  google::rpc::ErrorInfo info;
  info.set_reason("INBOX_FULL");
  google::rpc::Status details;
  details.add_details()->PackFrom(info);
  details.add_details()->PackFrom(retry);
  fake_.FailNext("SubmitJob", grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "inbox full",
                                           details.SerializeAsString()));
  const testing::CliResult result = harness_.Run({"submit", "--", "true"});
  EXPECT_EQ(result.code, 5);
  EXPECT_THAT(result.err, HasSubstr("inbox full; berthd is busy, try again"));
}

TEST_F(SubmitTest, AFullDiskIsNoBusyServer) {
  google::rpc::ErrorInfo info;
  info.set_reason("DISK_FULL");
  google::rpc::Status details;
  details.add_details()->PackFrom(info);
  fake_.FailNext("SubmitJob", grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "make room there",
                                           details.SerializeAsString()));
  const testing::CliResult result = harness_.Run({"submit", "--", "true"});
  EXPECT_EQ(result.code, 5);
  EXPECT_THAT(result.err, HasSubstr("make room there"));
  EXPECT_THAT(result.err, Not(HasSubstr("try again")));
  EXPECT_EQ(fake_.calls("SubmitJob"), 1);
}

TEST_F(SubmitTest, RefusalsCarryReasonAndField) {
  google::rpc::ErrorInfo info;
  info.set_reason("FIELD_NOT_HONOURED");
  google::rpc::BadRequest bad;
  auto* const violation = bad.add_field_violations();
  violation->set_field("job.held");
  violation->set_description("is not honoured yet");
  google::rpc::Status details;
  details.add_details()->PackFrom(info);
  details.add_details()->PackFrom(bad);
  for (int i = 0; i < 2; ++i) {
    fake_.FailNext("SubmitJob",
                   grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "job.held is not honoured yet",
                                details.SerializeAsString()));
  }
  const testing::CliResult text = harness_.Run({"submit", "--", "true"});
  EXPECT_EQ(text.code, 2);
  EXPECT_EQ(text.err, "berth: job.held is not honoured yet\n");
  const testing::CliResult json = harness_.Run({"submit", "-o", "json", "--", "true"});
  EXPECT_EQ(json.code, 2);
  EXPECT_EQ(json.err, "");
  EXPECT_EQ(json.out,
            "{\n  \"error\": {\n    \"code\": \"UNIMPLEMENTED\",\n    \"reason\": "
            "\"FIELD_NOT_HONOURED\",\n    \"message\": \"job.held is not honoured yet\",\n"
            "    \"field\": \"job.held\"\n  }\n}\n");
}

TEST_F(SubmitTest, ASilentServerIsNotWaitedForForEver) {
  fake_.OnSubmit([this](const v1::SubmitJobRequest&, v1::SubmitJobResponse&) {
    fake_.AwaitCalls("GetVersion", 1);
  });
  const testing::CliResult result =
      harness_.Run({"submit", "--request-timeout", "50ms", "--", "true"});
  harness_.Run({"version"});
  EXPECT_EQ(result.code, 5);
  EXPECT_THAT(result.err, HasSubstr("gave no answer within 50ms"));
  EXPECT_THAT(result.err, HasSubstr("whether the job was admitted is not known"));
}

}  // namespace
}  // namespace berth::cli
