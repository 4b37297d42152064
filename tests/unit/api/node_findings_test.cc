#include "api/node_findings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "berth/v1/agent.pb.h"

namespace berth::api {
namespace {

using ::testing::HasSubstr;

class NodeFindingsTest : public ::testing::Test {
 protected:
  NodeFindingsTest() {
    spec_->name = "n7";
    spec_->agent_version = "1.2.3";
    spec_->isolation = "cgroup-v1";
    health_.node.ready = true;
    health_.stream = 5;
    health_.silent_ms = 3000;
    health_.now_unix_ms = 1'000'000'000;
  }
  // "BAD: text"; empty: nothing is said of it.
  std::string Of(const std::string& subject) {
    health_.node.spec = spec_;
    const v1::Diagnosis diagnosis = DiagnosisOf(health_, "1.2.3");
    for (const v1::Finding& finding : diagnosis.findings()) {
      if (finding.subject() != subject) continue;
      const std::string level = v1::FindingLevel_Name(finding.level());
      return level.substr(level.rfind('_') + 1) + ": " + finding.text();
    }
    return "";
  }

  const std::shared_ptr<state::NodeSpec> spec_ = std::make_shared<state::NodeSpec>();
  scheduler::NodeHealthReply health_;
};

TEST_F(NodeFindingsTest, AHealthyNodeHasNothingBad) {
  health_.node.spec = spec_;
  const v1::Diagnosis diagnosis = DiagnosisOf(health_, "1.2.3");
  for (const v1::Finding& finding : diagnosis.findings()) {
    EXPECT_EQ(finding.level(), v1::FINDING_LEVEL_GOOD) << finding.text();
  }
  EXPECT_THAT(Of("connection"), HasSubstr("last heard from 3s ago"));
}

TEST_F(NodeFindingsTest, ANodeThatIsNotReadyIsBad) {
  health_.node.ready = false;
  health_.stream = 0;
  health_.silent_ms = 125'700;
  EXPECT_THAT(Of("connection"), HasSubstr("BAD: the node is not ready"));
  EXPECT_THAT(Of("connection"), HasSubstr("2m5s ago, and is not connected"));
}

TEST_F(NodeFindingsTest, AClockThatIsOffIsTold) {
  EXPECT_EQ(Of("clock"), "") << "it is not known";
  health_.node.clock_skew_ms = -999;
  EXPECT_THAT(Of("clock"), HasSubstr("GOOD: the node's clock is 999 ms behind"));
  health_.node.clock_skew_ms = 2500;
  EXPECT_THAT(Of("clock"), HasSubstr("ODD: the node's clock is 2500 ms ahead"));
  health_.node.clock_skew_ms = -61'000;
  EXPECT_THAT(Of("clock"), HasSubstr("BAD"));
}

TEST_F(NodeFindingsTest, WhatKeepsTasksAwayIsTold) {
  health_.node.cordoned = true;
  health_.node.quarantined = 2;
  spec_->isolation = "none";
  spec_->agent_version = "1.1.0";
  EXPECT_THAT(Of("cordon"), HasSubstr("ODD: it is cordoned and gets no new tasks"));
  health_.node.cordon_reason = "10 starts failed";
  EXPECT_THAT(Of("cordon"), HasSubstr("ODD: it is cordoned (by berthd: 10 starts failed)"));
  EXPECT_THAT(Of("quarantine"), HasSubstr("ODD: 2 attempts"));
  EXPECT_THAT(Of("isolation"), HasSubstr("ODD"));
  EXPECT_THAT(Of("version"), HasSubstr("1.1.0"));
}

TEST_F(NodeFindingsTest, SickDevicesAreNamed) {
  v1::NodeInventory inventory;
  inventory.add_devices()->set_id("GPU-0");
  inventory.add_devices()->set_id("GPU-1");
  inventory.mutable_devices(1)->set_unhealthy(true);
  inventory.mutable_devices(1)->set_unhealthy_reason("XID 79");
  spec_->encoded_inventory = std::make_shared<const std::string>(inventory.SerializeAsString());
  EXPECT_EQ(Of("devices"), "BAD: device GPU-1 is not used: XID 79");
}

TEST_F(NodeFindingsTest, FailedStartsAreBadForAWhile) {
  health_.failed_starts.push_back({.ns = "default",
                                   .task = "12.3",
                                   .reason = Reason::kDriverError,
                                   .message = "no such user",
                                   .unix_ms = health_.now_unix_ms - 60'000,
                                   .of_node = true});
  EXPECT_EQ(Of("starts"), "BAD: task 12.3 could not be started 1m ago: no such user");
  health_.failed_starts[0].unix_ms = health_.now_unix_ms - 3'600'000;
  EXPECT_THAT(Of("starts"), HasSubstr("ODD"));
  health_.failed_starts[0].task.clear();
  EXPECT_THAT(Of("starts"), HasSubstr("a task of another namespace"));
  health_.failed_starts[0].of_node = false;
  EXPECT_THAT(Of("starts"), HasSubstr("GOOD")) << "what it asked for was not there";
}

TEST_F(NodeFindingsTest, TheWorstComesFirst) {
  v1::Diagnosis diagnosis;
  for (const auto level : {v1::FINDING_LEVEL_GOOD, v1::FINDING_LEVEL_BAD, v1::FINDING_LEVEL_ODD}) {
    diagnosis.add_findings()->set_level(level);
  }
  SortFindings(diagnosis);
  EXPECT_EQ(diagnosis.findings(0).level(), v1::FINDING_LEVEL_BAD);
  EXPECT_EQ(diagnosis.findings(2).level(), v1::FINDING_LEVEL_GOOD);
}

}  // namespace
}  // namespace berth::api
