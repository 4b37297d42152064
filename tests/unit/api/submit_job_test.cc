// Submissions, as their callers see them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "base/sha256.h"
#include "tests/unit/api/server_harness.h"

namespace berth::api {
namespace {

using ::testing::ElementsAre;
using ::testing::MatchesRegex;

class SubmitJobTest : public ServerTest {
 protected:
  SubmitJobTest() {
    request_.mutable_job()->CopyFrom(GoodJob());
    On<state::SubmitJob>([](const state::Command&, const state::SubmitJob& submit) {
      return Ok(scheduler::SubmitReply{.job = JobId{12},
                                       .tasks = submit.spec->task_count(),
                                       .warnings = {"careful"},
                                       .placeability = pipeline::Placeability::kNeverFits},
                9);
    });
  }
  grpc::Status Submit(v1::JobService::Stub& stub) {
    grpc::ClientContext context;
    response_.Clear();
    return stub.SubmitJob(&context, request_, &response_);
  }

  v1::SubmitJobRequest request_;
  v1::SubmitJobResponse response_;
};

TEST_F(SubmitJobTest, TheAnswerIsTheLoops) {
  Start();
  ASSERT_TRUE(Submit(*jobs_).ok());
  EXPECT_EQ(response_.job_id(), "12");
  EXPECT_EQ(response_.tasks(), 1);
  EXPECT_THAT(response_.warnings(), ElementsAre("careful"));
  EXPECT_EQ(response_.placeability(), v1::PLACEABILITY_NEVER_FITS);
  EXPECT_EQ(response_.epoch(), 9u);
  EXPECT_THAT(response_.defaults_applied(), ::testing::Contains("cpu=1"));
}

TEST_F(SubmitJobTest, TheCommandHasTheCallersPrincipalAndTheBlob) {
  Start();
  ASSERT_TRUE(Submit(*jobs_).ok());
  const state::Command command = loop_.taken().at(0);
  EXPECT_EQ(command.principal.name, "uid:" + std::to_string(::getuid()));
  EXPECT_TRUE(command.principal.is_operator);
  const auto& submit = std::get<state::SubmitJob>(command.body);
  EXPECT_TRUE(submit.run_as.verified);
  EXPECT_EQ(submit.run_as.uid, ::getuid());
  EXPECT_EQ(submit.run_as.gid, ::getgid());
  EXPECT_EQ(submit.spec->blob, base::Sha256Of(*submit.blob));
  EXPECT_EQ(submit.request_id, "");
  EXPECT_EQ(submit.body_hash, "");
}

TEST_F(SubmitJobTest, OverTcpTasksRunAsNobodyInParticular) {
  Start();
  ASSERT_TRUE(Submit(*anonymous_jobs_).ok());
  const state::Command command = loop_.taken().at(0);
  EXPECT_EQ(command.principal.name, "anonymous");
  EXPECT_FALSE(std::get<state::SubmitJob>(command.body).run_as.verified);
}

TEST_F(SubmitJobTest, OthersNamespacesAreRefusedBeforeTheLoop) {
  Start();
  request_.mutable_job()->set_namespace_("bob");
  const wire::Refusal error = Error(Submit(*anonymous_jobs_));
  EXPECT_EQ(error.code, absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(error.reason, Reason::kNotAllowed);
  EXPECT_EQ(error.violations.at(0).field, "namespace");
  EXPECT_TRUE(loop_.taken().empty());
  EXPECT_TRUE(Submit(*jobs_).ok());  // an operator may
}

TEST_F(SubmitJobTest, ARequestIdComesWithTheHashOfItsBody) {
  Start();
  request_.set_request_id("r1");
  ASSERT_TRUE(Submit(*jobs_).ok());
  ASSERT_TRUE(Submit(*jobs_).ok());
  request_.mutable_job()->set_priority(1);
  ASSERT_TRUE(Submit(*jobs_).ok());
  const auto taken = loop_.taken();
  const auto hash = [&](size_t i) {
    return std::get<state::SubmitJob>(taken.at(i).body).body_hash;
  };
  EXPECT_EQ(std::get<state::SubmitJob>(taken[0].body).request_id, "r1");
  EXPECT_EQ(hash(0).size(), 64u);
  EXPECT_EQ(hash(0), hash(1));
  EXPECT_NE(hash(0), hash(2));
}

TEST_F(SubmitJobTest, WhatIsWrongIsNamed) {
  Start();
  request_.clear_job();
  EXPECT_EQ(Error(Submit(*jobs_)).violations.at(0).field, "job");
  request_.mutable_job()->CopyFrom(GoodJob());
  request_.mutable_job()->set_priority(5000);
  const wire::Refusal error = Error(Submit(*jobs_));
  EXPECT_EQ(error.code, absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(error.reason, Reason::kInvalidField);
  EXPECT_EQ(error.violations.at(0).field, "priority");
  request_.mutable_job()->set_priority(0);
  request_.set_request_id(std::string(65, 'r'));
  EXPECT_EQ(Error(Submit(*jobs_)).violations.at(0).field, "request_id");
}

TEST_F(SubmitJobTest, TextThatIsNotUtf8IsNamedByItsField) {
  Start();
  request_.mutable_job()->mutable_groups(0)->mutable_template_()->mutable_payload()->add_command(
      "\xff\xfe");
  const wire::Refusal error = Error(Submit(*jobs_));
  EXPECT_EQ(error.code, absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(error.message, "job.groups[0].template.payload.command[1]: not valid UTF-8");
}

TEST_F(SubmitJobTest, ALoopsRefusalNamesTheFieldInTheJob) {
  On<state::SubmitJob>([](const state::Command&, const state::SubmitJob&) {
    scheduler::Reply reply;
    reply.status = absl::NotFoundError("profile \"x\": there is none of that name");
    reply.reason = Reason::kUnknownProfile;
    reply.field = "job.profile";
    return reply;
  });
  Start();
  const wire::Refusal error = Error(Submit(*jobs_));
  EXPECT_EQ(error.reason, Reason::kUnknownProfile);
  EXPECT_EQ(error.violations.at(0).field, "profile");
}

TEST_F(SubmitJobTest, AFullInboxSaysWhenToComeAgain) {
  Start();
  loop_.BeFull(1);
  const wire::Refusal error = Error(Submit(*jobs_));
  EXPECT_EQ(error.code, absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(error.reason, Reason::kInboxFull);
  EXPECT_GT(error.retry_after_ms, 0);
  EXPECT_TRUE(Submit(*jobs_).ok());
}

// gRPC drops an answer whose trailing metadata has more than 8 KiB.
TEST_F(SubmitJobTest, ManyFaultsWithLongPathsArriveAsFarAsTheyFit) {
  Start();
  v1::JobSpec& job = *request_.mutable_job();
  while (job.groups_size() < 4) *job.add_groups() = job.groups(0);
  for (int g = 0; g < 4; ++g) {
    job.mutable_groups(g)->set_name("group-" + std::to_string(g));
    for (int i = 0; i < 50; ++i) {
      job.mutable_groups(g)->mutable_template_()->add_tolerations()->set_key(std::string(75, ' '));
    }
  }
  const wire::Refusal error = Error(Submit(*jobs_));
  EXPECT_EQ(error.code, absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(error.reason, Reason::kInvalidField);
  ASSERT_GT(error.violations.size(), 5u);
  EXPECT_EQ(error.violations[0].field, "groups[0].template.tolerations[0].key");
  EXPECT_EQ(error.violations[1].field, "groups[0].template.tolerations[1].key");
  EXPECT_THAT(error.violations.back().description, MatchesRegex("and [0-9]+ more"));
}

TEST_F(SubmitJobTest, AMessageThatIsTooLargeIsRefused) {
  Start();
  request_.mutable_job()->set_description(std::string(5 << 20, 'x'));
  EXPECT_EQ(Submit(*jobs_).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(loop_.taken().empty());
}

TEST_F(SubmitJobTest, ALoopThatDiesLeavesNobodyWaiting) {
  Start();
  loop_.Hold();
  auto call = std::async(std::launch::async, [&] { return Submit(*jobs_); });
  loop_.AwaitTaken(1);
  loop_.Die();
  const wire::Refusal error = Error(call.get());
  EXPECT_EQ(error.code, absl::StatusCode::kUnavailable);
  EXPECT_EQ(error.reason, Reason::kShuttingDown);
}

TEST_F(SubmitJobTest, AnAnswerThatComesAfterTheCallerHasGoneIsDropped) {
  Start();
  loop_.Hold();
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext context;
    auto call = std::async(std::launch::async, [&] {
      v1::SubmitJobResponse response;
      return jobs_->SubmitJob(&context, request_, &response);
    });
    loop_.AwaitTaken(static_cast<size_t>(i) + 1);
    context.TryCancel();
    EXPECT_EQ(call.get().error_code(), grpc::StatusCode::CANCELLED);
  }
  loop_.LetGo();
  loop_.Settle();
  EXPECT_TRUE(Submit(*jobs_).ok());
}

TEST_F(SubmitJobTest, ManyAtOnceEachGetTheirOwnAnswer) {
  On<state::SubmitJob>([](const state::Command&, const state::SubmitJob& submit) {
    return Ok(scheduler::SubmitReply{
        .job = JobId{submit.spec->groups[0].needs->requests.builtin[0] + uint64_t{1}}});
  });
  Start();
  std::vector<std::future<void>> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.push_back(std::async(std::launch::async, [&, caller] {
      for (int i = 0; i < 50; ++i) {
        const int cpu = caller * 1000 + i;
        v1::SubmitJobRequest request = request_;
        request.mutable_job()
            ->mutable_groups(0)
            ->mutable_template_()
            ->mutable_resources()
            ->set_cpu_milli(cpu);
        v1::SubmitJobResponse response;
        grpc::ClientContext context;
        const grpc::Status status = jobs_->SubmitJob(&context, request, &response);
        ASSERT_TRUE(status.ok()) << status.error_message();
        ASSERT_EQ(response.job_id(), std::to_string(cpu + 1));
      }
    }));
  }
  for (auto& caller : callers) caller.get();
}

}  // namespace
}  // namespace berth::api
