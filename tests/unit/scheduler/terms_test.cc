// Rules between tasks, from submission to placement.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

using ::testing::HasSubstr;

using state::TaskState;

state::TermSpec About(TermKind kind, const std::string& key, const std::string& app,
                      const std::string& ns = "default") {
  state::TermSpec term;
  term.kind = kind;
  term.topology_key = key;
  if (app.empty()) return term;
  term.selector = {{.op = SelectorOp::kIn, .key = "app", .values = {app}}};
  term.namespaces = {ns};
  return term;
}

class TermsTest : public ::testing::Test {
 protected:
  uint64_t ConnectIn(const std::string& node, const std::string& zone) {
    state::OpenSession hello = TurnHarness::Hello(node, harness_.next_stream++);
    hello.node.labels = {{"zone", zone}, {"host", node}};
    EXPECT_TRUE(harness_.Ask(hello).status.ok());
    return hello.stream;
  }
  static TurnHarness::Job App(const std::string& app, std::vector<state::TermSpec> terms = {},
                              uint32_t tasks = 1) {
    TurnHarness::Job job;
    job.tasks = tasks;
    job.labels = {{"app", app}};
    job.terms = std::move(terms);
    return job;
  }
  std::string NodeOf(JobId job, int64_t index = 0) {
    const state::TaskStatusView task = harness_.TaskOf(job, index);
    return state::HoldsResources(task.row.state) ? task.row.attempt.node : "";
  }
  void End(JobId job, uint64_t stream) {
    harness_.ReportExit(stream, {.job = job, .group = 0, .index = 0, .attempt = 1}, 0);
  }

  TurnHarness harness_;
};

TEST_F(TermsTest, TasksOfAGroupAreSpreadOverZones) {
  for (const char* node : {"a1", "a2", "b1"}) ConnectIn(node, std::string(1, node[0]));
  const JobId job = harness_.SubmitOk(App("web", {About(TermKind::kSpread, "zone", "")}, 4));
  std::map<std::string, int> zones;
  for (int i = 0; i < 4; ++i) ++zones[NodeOf(job, i).substr(0, 1)];
  EXPECT_EQ(zones, (std::map<std::string, int>{{"a", 2}, {"b", 2}}));
}

TEST_F(TermsTest, WhatHasEndedIsExplainedWithItsRules) {
  const uint64_t stream = ConnectIn("a1", "a");
  const JobId first = harness_.SubmitOk(App("web", {About(TermKind::kAntiAffinity, "zone", "db")}));
  End(first, stream);
  ASSERT_EQ(harness_.StateOf(first), TaskState::kSucceeded);
  ASSERT_EQ(NodeOf(harness_.SubmitOk(App("db"))), "a1");
  for (int i = 0; i < 2; ++i) {  // and asking leaves nothing behind
    const Reply reply = harness_.Ask(state::Explain{.object = {.job = first}});
    ASSERT_TRUE(reply.status.ok()) << reply.status;
    EXPECT_THAT(std::get<ExplainReply>(reply.body).explanation.text,
                HasSubstr("1 with a task to be away from in their zone"));
  }
  EXPECT_EQ(NodeOf(harness_.SubmitOk(App("db"))), "a1") << "it keeps nobody away";
}

TEST_F(TermsTest, WhatIsKeptAwayWaitsForTheOtherToEnd) {
  const uint64_t stream = ConnectIn("a1", "a");
  const state::TermSpec away = About(TermKind::kAntiAffinity, "host", "db");
  const JobId first = harness_.SubmitOk(App("db", {away}));
  const JobId second = harness_.SubmitOk(App("db", {away}));
  const JobId plain = harness_.SubmitOk(App("web"));
  EXPECT_EQ(NodeOf(first), "a1");
  EXPECT_EQ(NodeOf(plain), "a1");
  EXPECT_EQ(harness_.StateOf(second), TaskState::kParked);
  harness_.ReportExit(stream, harness_.TakeStart(stream), 0);
  harness_.Run();
  EXPECT_EQ(NodeOf(second), "a1");
}

TEST_F(TermsTest, ARuleHoldsForTasksThatWereThereBefore) {
  ConnectIn("a1", "a");
  ConnectIn("b1", "b");
  const JobId plain = harness_.SubmitOk(App("db"));
  const JobId choosy =
      harness_.SubmitOk(App("web", {About(TermKind::kAntiAffinity, "zone", "db")}));
  EXPECT_NE(NodeOf(choosy), "");
  EXPECT_NE(NodeOf(choosy), NodeOf(plain));
  // And for those that come later, without a rule of their own.
  const JobId later = harness_.SubmitOk(App("db"));
  EXPECT_EQ(NodeOf(later), NodeOf(plain));
}

TEST_F(TermsTest, WhatWaitsIsReshapedByTheRuleOfAnother) {
  ConnectIn("a1", "a");
  TurnHarness::Job filler;
  filler.cpu_milli = 4000;
  const JobId full = harness_.SubmitOk(filler);
  const JobId waiting = harness_.SubmitOk(App("db"));
  EXPECT_EQ(harness_.StateOf(waiting), TaskState::kParked);
  // Keeps db away from its node; it waits as well, and has priority.
  TurnHarness::Job owner = App("web", {About(TermKind::kAntiAffinity, "host", "db")});
  owner.priority = 1;
  const JobId repels = harness_.SubmitOk(owner);
  const uint64_t stream = 1;
  harness_.ReportExit(stream, {.job = full, .group = 0, .index = 0, .attempt = 1}, 0);
  harness_.Run();
  EXPECT_EQ(NodeOf(repels), "a1");
  EXPECT_EQ(harness_.StateOf(waiting), TaskState::kParked);
  End(repels, stream);
  harness_.Run();
  EXPECT_EQ(NodeOf(waiting), "a1");
}

TEST_F(TermsTest, WhatWantsCompanyIsWokenByIt) {
  ConnectIn("a1", "a");
  ConnectIn("b1", "b");
  const JobId follows =
      harness_.SubmitOk(App("web", {About(TermKind::kAffinity, "zone", "cache")}));
  EXPECT_EQ(harness_.StateOf(follows), TaskState::kParked);
  state::SubmitJob cache;
  cache.spec = TurnHarness::SpecOf(App("cache"));
  cache.blob = std::make_shared<const std::string>("content");
  std::vector<state::Command> commands;
  commands.push_back({.principal = Operator(), .token = 0, .body = std::move(cache)});
  EXPECT_TRUE(harness_.Run(std::move(commands)).more_work) << "nothing else may happen for long";
  EXPECT_FALSE(harness_.Run().more_work);
  EXPECT_EQ(NodeOf(follows), NodeOf(JobId{follows.value + 1}));
}

TEST_F(TermsTest, WhatWaitsForAnEvenSpreadIsWokenWhenADomainIsClosed) {
  ConnectIn("a1", "a");
  ConnectIn("b1", "b");
  TurnHarness::Job filler;
  filler.cpu_milli = 4000;
  const JobId on_first = harness_.SubmitOk(filler);
  const std::string full = NodeOf(on_first);
  const JobId spread = harness_.SubmitOk(App("web", {About(TermKind::kSpread, "zone", "")}, 2));
  EXPECT_NE(NodeOf(spread, 0), "");
  EXPECT_EQ(harness_.StateOf(spread, 1), TaskState::kParked);
  // The empty zone is full of others. Without it the other is all there is.
  EXPECT_TRUE(harness_.Ask(state::SetCordon{.node = full, .cordoned = true}).status.ok());
  harness_.Run();
  EXPECT_EQ(NodeOf(spread, 1), NodeOf(spread, 0));
}

TEST_F(TermsTest, ATaskThatGrewKeepsItsRules) {
  const uint64_t stream = ConnectIn("a1", "a");
  TurnHarness::Job job = App("db", {About(TermKind::kAntiAffinity, "host", "db")});
  job.memory_factor_percent = 150;
  job.memory_limit_mib = 4096;
  const JobId grows = harness_.SubmitOk(job);
  harness_.ReportOutOfMemory(stream, harness_.TakeStart(stream));
  harness_.SitOut(grows);
  harness_.Run();
  ASSERT_EQ(NodeOf(grows), "a1");
  const JobId second = harness_.SubmitOk(App("db"));
  EXPECT_EQ(harness_.StateOf(second), TaskState::kParked) << "its rule holds for others";
  harness_.ReportExit(stream, harness_.TakeStart(stream), 0);
  harness_.Run();
  EXPECT_EQ(NodeOf(second), "a1");
}

TEST_F(TermsTest, ARuleAboutANamespaceThatIsNotToBeSeenIsRefused) {
  ConnectIn("a1", "a");
  const TurnHarness::Job job = App("web", {About(TermKind::kAntiAffinity, "host", "db", "secret")});
  const Reply reply = harness_.Submit(job, User("uid:7", {"default"}));
  EXPECT_EQ(reply.status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(reply.reason, Reason::kNotAllowed);
  EXPECT_EQ(reply.field, "job.groups[0].template.terms[0].namespaces");
  EXPECT_THAT(std::string(reply.status.message()), HasSubstr("secret"));
  EXPECT_TRUE(harness_.Submit(job).status.ok()) << "an operator sees all";
}

TEST_F(TermsTest, ARuleThatTheProfileWouldNotKeepIsRefused) {
  pipeline::ProfileOptions profile;
  profile.filters.disabled = {"TopologySpread"};
  TurnHarness bare(
      {}, [](PluginRegistry&) {}, profile);
  const auto refusal = [&](const state::TermSpec& term) {
    return bare.Submit(App("web", {term})).status;
  };
  const absl::Status spread = refusal(About(TermKind::kSpread, "zone", ""));
  EXPECT_EQ(spread.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(
      std::string(spread.message()),
      HasSubstr("it has no filter that keeps a required rule of spread; make it preferred"));
  state::TermSpec preferred = About(TermKind::kSpread, "zone", "");
  preferred.weight = 5;
  EXPECT_TRUE(refusal(preferred).ok());
  EXPECT_TRUE(refusal(About(TermKind::kAntiAffinity, "zone", "")).ok());
  EXPECT_TRUE(harness_.Submit(App("web", {About(TermKind::kSpread, "zone", "")})).status.ok());
}

}  // namespace
}  // namespace berth::scheduler
