// Attempts in quarantine, as operators ask about them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/api/server_harness.h"

namespace berth::api {
namespace {

using ::testing::ElementsAre;

class ReconcileTest : public ServerTest {
 protected:
  grpc::Status Reconcile(const v1::ReconcileRequest& request) {
    grpc::ClientContext context;
    response_.Clear();
    return admin_stub_->Reconcile(&context, request, &response_);
  }
  static v1::ReconcileRequest RequestOf(v1::ReconcileAction action) {
    v1::ReconcileRequest request;
    request.set_action(action);
    return request;
  }
  state::SettleStrays Taken(size_t i) {
    return std::get<state::SettleStrays>(loop_.taken().at(i).body);
  }

  v1::ReconcileResponse response_;
};

TEST_F(ReconcileTest, EachAttemptHasItsResultAndPagesGoOnWhereTheLoopSays) {
  scheduler::SettleReply page;
  page.results.push_back({.stray = {},
                          .object = 1,
                          .reason = Reason::kNotFound,
                          .message = "9: nothing of it is in quarantine"});
  state::StrayView stray{.node = "n1",
                         .attempt = {.job = JobId{12}, .group = 1, .index = 3, .attempt = 2},
                         .started_unix_ms = 5,
                         .since_unix_ms = 7,
                         .job_known = true};
  stray.holding.task_id = "12.worker.3";
  stray.holding.job_name = "train";
  stray.holding.ns = "ada";
  stray.holding.requests.builtin = {1500, 64, 0, 0};
  stray.holding.device_ids = {"GPU-0"};
  stray.holding.device_share_milli = 500;
  page.results.push_back({.stray = stray, .reason = Reason::kTaskNotWaiting, .message = "why"});
  page.more = true;
  page.after = {"n1", stray.attempt};
  page.first_epoch = 40;
  On<state::SettleStrays>([page](const state::Command&, const state::SettleStrays& command) {
    scheduler::SettleReply reply = page;
    if (command.after) reply = {};
    return Ok(reply, 44);
  });
  Start();
  v1::ReconcileRequest request = RequestOf(v1::RECONCILE_ACTION_ADOPT);
  request.set_node("n1");
  request.add_ids("12.worker.3#2");
  request.add_ids("9");
  ASSERT_TRUE(Reconcile(request).ok());
  ASSERT_EQ(response_.results_size(), 2);
  EXPECT_EQ(response_.results(0).id(), "9");
  EXPECT_FALSE(response_.results(0).has_attempt());
  EXPECT_EQ(response_.results(0).reason(), v1::REASON_CODE_NOT_FOUND);
  EXPECT_EQ(response_.results(1).id(), "12.worker.3#2");
  EXPECT_EQ(response_.results(1).reason(), v1::REASON_CODE_TASK_NOT_WAITING);
  EXPECT_EQ(response_.results(1).message(), "why");
  const v1::QuarantinedAttempt& attempt = response_.results(1).attempt();
  EXPECT_EQ(attempt.node(), "n1");
  EXPECT_EQ(attempt.job_id(), "12");
  EXPECT_EQ(attempt.task_id(), "12.worker.3");
  EXPECT_EQ(attempt.attempt(), 2u);
  EXPECT_EQ(attempt.job_name(), "train");
  EXPECT_EQ(attempt.namespace_(), "ada");
  EXPECT_EQ(attempt.resources().cpu_milli(), 1500);
  EXPECT_THAT(attempt.device_ids(), ElementsAre("GPU-0"));
  EXPECT_EQ(attempt.device_share_milli(), 500);
  EXPECT_EQ(attempt.started_unix_ms(), 5);
  EXPECT_EQ(attempt.quarantined_unix_ms(), 7);
  EXPECT_TRUE(attempt.job_known());
  EXPECT_EQ(response_.epoch(), 44u);
  const state::SettleStrays first = Taken(0);
  EXPECT_EQ(first.action, state::StrayAction::kAdopt);
  EXPECT_EQ(first.node, "n1");
  ASSERT_EQ(first.objects.size(), 2u);
  EXPECT_EQ(first.objects[0].group, "worker");
  EXPECT_EQ(first.objects[0].attempt, 2u);
  EXPECT_EQ(first.page_size, 100);
  EXPECT_FALSE(first.after.has_value());

  request.set_page_token(response_.next_page_token());
  ASSERT_TRUE(Reconcile(request).ok());
  EXPECT_EQ(response_.next_page_token(), "");
  const state::SettleStrays second = Taken(1);
  ASSERT_TRUE(second.after.has_value());
  EXPECT_EQ(second.after->node, "n1");
  EXPECT_EQ(second.after->attempt, stray.attempt);
  EXPECT_EQ(second.first_epoch, 40u);
}

TEST_F(ReconcileTest, WhatIsWrongIsNamedBeforeTheLoop) {
  Start();
  const auto field = [&](const v1::ReconcileRequest& request) {
    const wire::Refusal error = Error(Reconcile(request));
    EXPECT_EQ(error.code, absl::StatusCode::kInvalidArgument);
    return error.violations.at(0).field;
  };
  EXPECT_EQ(field({}), "action");
  EXPECT_EQ(field(RequestOf(static_cast<v1::ReconcileAction>(9))), "action");
  EXPECT_EQ(field(RequestOf(v1::RECONCILE_ACTION_KILL)), "all");
  v1::ReconcileRequest request = RequestOf(v1::RECONCILE_ACTION_LIST);
  request.set_node("Not A Node");
  EXPECT_EQ(field(request), "node");
  request.set_node("n1");
  request.set_all(true);
  EXPECT_EQ(field(request), "all");
  request = RequestOf(v1::RECONCILE_ACTION_LIST);
  request.add_ids("12");
  request.add_ids("x");
  EXPECT_EQ(field(request), "ids[1]");
  for (int i = 0; i < 1000; ++i) request.add_ids("1");
  EXPECT_EQ(field(request), "ids");
  request.clear_ids();
  request.set_page_size(1001);
  EXPECT_EQ(field(request), "page_size");
  EXPECT_TRUE(loop_.taken().empty());
}

TEST_F(ReconcileTest, TheLoopHearsOfThoseWhoMayNot) {
  On<state::SettleStrays>([](const state::Command& command, const state::SettleStrays&) {
    EXPECT_FALSE(command.principal.is_operator);
    scheduler::Reply reply;
    reply.status = absl::PermissionDeniedError("no");
    reply.reason = Reason::kNotAllowed;
    return reply;
  });
  Start();
  grpc::ClientContext context;
  const grpc::Status status =
      anonymous_admin_->Reconcile(&context, RequestOf(v1::RECONCILE_ACTION_LIST), &response_);
  EXPECT_EQ(Error(status).reason, Reason::kNotAllowed);
  EXPECT_EQ(loop_.taken().size(), 1u);
}

}  // namespace
}  // namespace berth::api
