#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "base/sha256.h"
#include "tests/unit/api/server_harness.h"
#include "wire/message_buffer.h"

namespace berth::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class UnaryCallsTest : public ServerTest {
 protected:
  // The error of a call that has one.
  static wire::Refusal Error(const grpc::Status& status) {
    EXPECT_FALSE(status.ok());
    return wire::FromGrpcStatus(status);
  }
};

class SubmitJobTest : public UnaryCallsTest {
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
  EXPECT_EQ(submit.spec->blob, base::Sha256Hex(*submit.blob));
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
        .job = JobId{submit.spec->groups[0].needs.requests.builtin[0] + uint64_t{1}}});
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

// ---- reads ----

class ReadsTest : public UnaryCallsTest {
 protected:
  ReadsTest() {
    On<state::GetJob>([](const state::Command&, const state::GetJob& get) {
      scheduler::JobReply reply;
      reply.job = TestJob(get.job.value, 3);
      return Ok(reply, 8);
    });
  }
};

TEST_F(ReadsTest, AJobHasItsSpecificationFromTheBlob) {
  Start();
  v1::JobSpec kept = GoodJob();
  kept.set_description("what only the blob has");
  PutBlob("blob-of-j", kept.SerializeAsString());
  v1::GetJobRequest request;
  request.set_job_id("12");
  v1::GetJobResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(jobs_->GetJob(&context, request, &response).ok());
  EXPECT_EQ(response.job().id(), "12");
  EXPECT_EQ(response.job().spec().description(), "what only the blob has");
  EXPECT_EQ(response.job().spec().groups(0).template_().payload().command(0), "true");
  EXPECT_EQ(response.epoch(), 8u);
}

TEST_F(ReadsTest, AJobWhoseBlobIsGoneStillHasWhatTheStateHas) {
  Start();
  v1::GetJobRequest request;
  request.set_job_id("12");
  v1::GetJobResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(jobs_->GetJob(&context, request, &response).ok());
  EXPECT_EQ(response.job().spec().name(), "j");
}

TEST_F(ReadsTest, BadIdsAreRefusedByField) {
  Start();
  const auto field = [&](const grpc::Status& status) {
    const wire::Refusal error = Error(status);
    EXPECT_EQ(error.code, absl::StatusCode::kInvalidArgument);
    return error.violations.at(0).field;
  };
  {
    grpc::ClientContext context;
    v1::GetJobResponse response;
    v1::GetJobRequest request;
    request.set_job_id("twelve");
    EXPECT_EQ(field(jobs_->GetJob(&context, request, &response)), "job_id");
  }
  {
    grpc::ClientContext context;
    v1::GetTaskResponse response;
    v1::GetTaskRequest request;
    request.set_task_id("12.3#1");
    EXPECT_EQ(field(jobs_->GetTask(&context, request, &response)), "task_id");
  }
  {
    grpc::ClientContext context;
    v1::ExplainResponse response;
    v1::ExplainRequest request;
    EXPECT_EQ(field(jobs_->Explain(&context, request, &response)), "id");
    grpc::ClientContext again;
    request.set_id("12");
    request.set_top(51);
    EXPECT_EQ(field(jobs_->Explain(&again, request, &response)), "top");
  }
  {
    grpc::ClientContext context;
    v1::GetNodeResponse response;
    v1::GetNodeRequest request;
    request.set_name("Bad Name");
    EXPECT_EQ(field(nodes_->GetNode(&context, request, &response)), "name");
  }
  EXPECT_TRUE(loop_.taken().empty());
}

TEST_F(ReadsTest, ATaskComesWithItsAttemptsOldestFirst) {
  On<state::GetTask>([](const state::Command&, const state::GetTask& get) {
    scheduler::TaskReply reply;
    reply.task.job = get.object.job;
    reply.task.spec = TestSpec();
    reply.task.position = static_cast<uint32_t>(get.object.index);
    reply.task.row.state = state::TaskState::kRunning;
    reply.task.row.attempt.number = 3;
    reply.task.row.past.resize(2);
    reply.task.row.past[0].number = 1;
    reply.task.row.past[1].number = 2;
    return Ok(reply);
  });
  Start();
  grpc::ClientContext context;
  v1::GetTaskResponse response;
  v1::GetTaskRequest request;
  request.set_task_id("12.5");
  ASSERT_TRUE(jobs_->GetTask(&context, request, &response).ok());
  EXPECT_EQ(response.task().id(), "12.5");
  ASSERT_EQ(response.attempts_size(), 3);
  EXPECT_EQ(response.attempts(0).id(), "12.5#1");
  EXPECT_EQ(response.attempts(2).id(), "12.5#3");
}

// ---- lists ----

class ListsTest : public UnaryCallsTest {
 protected:
  ListsTest() {
    // Jobs 1 to 25.
    On<state::ListJobs>([](const state::Command&, const state::ListJobs& list) {
      scheduler::JobsReply reply;
      reply.first_epoch = list.first_epoch != 0 ? list.first_epoch : 40;
      for (uint64_t id = list.after.value + 1; id <= 25; ++id) {
        if (reply.jobs.size() == static_cast<size_t>(list.page_size)) {
          reply.more = true;
          break;
        }
        reply.jobs.push_back(TestJob(id, id));
        reply.after = JobId{id};
      }
      return Ok(reply, 99);
    });
  }
  grpc::Status List() {
    grpc::ClientContext context;
    response_.Clear();
    return jobs_->ListJobs(&context, request_, &response_);
  }

  v1::ListJobsRequest request_;
  v1::ListJobsResponse response_;
};

TEST_F(ListsTest, PagesFollowOneAnotherAndNameTheFirstsEpoch) {
  Start();
  request_.set_page_size(10);
  std::vector<std::string> ids;
  int pages = 0;
  do {
    ASSERT_TRUE(List().ok());
    EXPECT_EQ(response_.epoch(), 40u);
    for (const v1::Job& job : response_.jobs()) ids.push_back(job.id());
    request_.set_page_token(response_.next_page_token());
    ++pages;
  } while (!response_.next_page_token().empty());
  EXPECT_EQ(pages, 3);
  ASSERT_EQ(ids.size(), 25u);
  for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(ids[i], std::to_string(i + 1));
  const auto taken = loop_.taken();
  EXPECT_EQ(std::get<state::ListJobs>(taken[0].body).first_epoch, 0u);
  EXPECT_EQ(std::get<state::ListJobs>(taken[1].body).first_epoch, 40u);
  EXPECT_EQ(std::get<state::ListJobs>(taken[1].body).after.value, 10u);
}

TEST_F(ListsTest, APageWithoutAMatchLeadsToTheNext) {
  On<state::ListJobs>([](const state::Command&, const state::ListJobs& list) {
    scheduler::JobsReply reply;
    reply.more = list.after.value == 0;
    reply.after = JobId{50'000};
    return Ok(reply, 99);
  });
  Start();
  ASSERT_TRUE(List().ok());
  EXPECT_EQ(response_.jobs_size(), 0);
  ASSERT_FALSE(response_.next_page_token().empty());
  request_.set_page_token(response_.next_page_token());
  ASSERT_TRUE(List().ok());
  EXPECT_TRUE(response_.next_page_token().empty());
  EXPECT_EQ(std::get<state::ListJobs>(loop_.taken().at(1).body).after.value, 50'000u);
}

TEST_F(ListsTest, ATokenIsOfItsListOnly) {
  Start();
  request_.set_page_size(10);
  ASSERT_TRUE(List().ok());
  request_.set_page_token(response_.next_page_token());
  request_.set_page_size(3);  // another size is the same list
  EXPECT_TRUE(List().ok());
  request_.set_newest_first(true);
  EXPECT_EQ(Error(List()).violations.at(0).field, "page_token");
  v1::ListTasksRequest tasks;
  tasks.set_page_token(request_.page_token());
  v1::ListTasksResponse response;
  grpc::ClientContext context;
  EXPECT_EQ(Error(jobs_->ListTasks(&context, tasks, &response)).violations.at(0).field,
            "page_token");
}

TEST_F(ListsTest, WhatIsWrongIsNamed) {
  Start();
  request_.set_page_size(1001);
  EXPECT_EQ(Error(List()).violations.at(0).field, "page_size");
  request_.set_page_size(-1);
  EXPECT_EQ(Error(List()).violations.at(0).field, "page_size");
  request_.set_page_size(0);
  request_.set_page_token("x");
  EXPECT_EQ(Error(List()).violations.at(0).field, "page_token");
  request_.clear_page_token();
  request_.add_states(v1::JOB_STATE_UNSPECIFIED);
  EXPECT_EQ(Error(List()).violations.at(0).field, "states[0]");
  request_.set_states(0, static_cast<v1::JobState>(77));
  EXPECT_EQ(Error(List()).violations.at(0).field, "states[0]");
  request_.clear_states();
  request_.set_namespace_("a b");
  EXPECT_EQ(Error(List()).violations.at(0).field, "namespace");
}

TEST_F(ListsTest, TasksGoOnAfterTheTaskThatTheLoopNames) {
  On<state::ListTasks>([](const state::Command&, const state::ListTasks& list) {
    scheduler::TasksReply reply;
    reply.first_epoch = 5;
    reply.more = !list.after.has_value();
    reply.after = {JobId{3}, 1, 44};
    return Ok(reply);
  });
  Start();
  v1::ListTasksRequest request;
  request.set_job_id("3");
  v1::ListTasksResponse response;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(jobs_->ListTasks(&context, request, &response).ok());
  }
  EXPECT_EQ(response.tasks_size(), 0);  // a page may be empty
  request.set_page_token(response.next_page_token());
  grpc::ClientContext context;
  ASSERT_TRUE(jobs_->ListTasks(&context, request, &response).ok());
  EXPECT_EQ(response.next_page_token(), "");
  const state::Command second = loop_.taken().at(1);
  EXPECT_EQ(std::get<state::ListTasks>(second.body).after, (TaskKey{JobId{3}, 1, 44}));
}

TEST_F(ListsTest, NodesGoOnAfterAName) {
  On<state::ListNodes>([](const state::Command&, const state::ListNodes& list) {
    auto spec = std::make_shared<state::NodeSpec>();
    spec->name = list.after.empty() ? "n1" : "n2";
    scheduler::NodesReply reply;
    reply.nodes.resize(1);
    reply.nodes[0].spec = spec;
    reply.more = list.after.empty();
    reply.first_epoch = 5;
    return Ok(reply);
  });
  Start();
  v1::ListNodesRequest request;
  request.set_page_size(1);
  v1::ListNodesResponse response;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(nodes_->ListNodes(&context, request, &response).ok());
  }
  request.set_page_token(response.next_page_token());
  grpc::ClientContext context;
  ASSERT_TRUE(nodes_->ListNodes(&context, request, &response).ok());
  EXPECT_EQ(response.nodes(0).name(), "n2");
  EXPECT_EQ(response.next_page_token(), "");
  EXPECT_EQ(std::get<state::ListNodes>(loop_.taken().at(1).body).after, "n1");
}

// ---- changes ----

TEST_F(UnaryCallsTest, CancelAnswersForEachIdInOrder) {
  On<state::Cancel>([](const state::Command&, const state::Cancel& cancel) {
    scheduler::CancelReply reply;
    for (const state::ObjectRef& object : cancel.objects) {
      reply.results.push_back(object.job.value == 404
                                  ? scheduler::CancelReply::Result{0, Reason::kNotFound}
                                  : scheduler::CancelReply::Result{5, Reason::kNone});
    }
    return Ok(reply);
  });
  Start();
  v1::CancelRequest request;
  request.add_ids("12");
  request.add_ids("404.1");
  request.set_message("no longer needed");
  request.set_request_id("r");
  v1::CancelResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(jobs_->Cancel(&context, request, &response).ok());
  ASSERT_EQ(response.results_size(), 2);
  EXPECT_EQ(response.results(0).id(), "12");
  EXPECT_EQ(response.results(0).tasks(), 5);
  EXPECT_EQ(response.results(1).id(), "404.1");
  EXPECT_EQ(response.results(1).reason(), v1::REASON_CODE_NOT_FOUND);
  EXPECT_FALSE(std::get<state::Cancel>(loop_.taken().at(0).body).body_hash.empty());
}

TEST_F(UnaryCallsTest, CancelNamesTheIdsThatAreNone) {
  Start();
  v1::CancelRequest request;
  v1::CancelResponse response;
  {
    grpc::ClientContext context;
    EXPECT_EQ(Error(jobs_->Cancel(&context, request, &response)).violations.at(0).field, "ids");
  }
  request.add_ids("1");
  request.add_ids("x");
  request.add_ids("1.2#3");
  {
    grpc::ClientContext context;
    const wire::Refusal error = Error(jobs_->Cancel(&context, request, &response));
    ASSERT_EQ(error.violations.size(), 2u);
    EXPECT_EQ(error.violations[0].field, "ids[1]");
    EXPECT_EQ(error.violations[1].field, "ids[2]");
  }
  request.clear_ids();
  for (int i = 0; i < 1001; ++i) request.add_ids("1");
  grpc::ClientContext context;
  EXPECT_EQ(Error(jobs_->Cancel(&context, request, &response)).violations.at(0).field, "ids");
}

TEST_F(UnaryCallsTest, OnlyOperatorsCordon) {
  On<state::SetCordon>([](const state::Command&, const state::SetCordon& set) {
    auto spec = std::make_shared<state::NodeSpec>();
    spec->name = set.node;
    scheduler::NodeReply reply;
    reply.node.spec = spec;
    reply.node.cordoned = set.cordoned;
    return Ok(reply);
  });
  Start();
  v1::SetCordonRequest request;
  request.set_name("n1");
  request.set_cordoned(true);
  v1::SetCordonResponse response;
  {
    grpc::ClientContext context;
    EXPECT_EQ(Error(anonymous_nodes_->SetCordon(&context, request, &response)).code,
              absl::StatusCode::kPermissionDenied);
  }
  EXPECT_TRUE(loop_.taken().empty());
  grpc::ClientContext context;
  ASSERT_TRUE(nodes_->SetCordon(&context, request, &response).ok());
  EXPECT_TRUE(response.node().cordoned());
}

// ---- what is not served yet ----

TEST_F(UnaryCallsTest, CallsThatAreNotServedYetSaySoByName) {
  Start();
  const auto refused = [&](const grpc::Status& status, const std::string& name) {
    const wire::Refusal error = Error(status);
    EXPECT_EQ(error.code, absl::StatusCode::kUnimplemented);
    EXPECT_EQ(error.reason, Reason::kFieldNotHonoured);
    EXPECT_THAT(error.message, HasSubstr(name + ": "));
  };
  {
    grpc::ClientContext context;
    v1::PlanResponse response;
    refused(jobs_->Plan(&context, {}, &response), "Plan");
  }
  {
    grpc::ClientContext context;
    auto stream = jobs_->Exec(&context);
    v1::ExecResponse response;
    EXPECT_FALSE(stream->Read(&response));
    refused(stream->Finish(), "Exec");
  }
  {
    grpc::ClientContext context;
    auto stream = jobs_->ReadFile(&context, {});
    v1::FileChunk chunk;
    EXPECT_FALSE(stream->Read(&chunk));
    refused(stream->Finish(), "ReadFile");
  }
  {
    grpc::ClientContext context;
    v1::WriteFileResponse response;
    auto stream = jobs_->WriteFile(&context, &response);
    refused(stream->Finish(), "WriteFile");
  }
  {
    grpc::ClientContext context;
    v1::ListClusterResourcesResponse response;
    refused(nodes_->ListClusterResources(&context, {}, &response), "ListClusterResources");
  }
}

// ---- administration ----

TEST_F(UnaryCallsTest, EverybodyMayAskForTheVersion) {
  admin_.version = "0.1.0";
  admin_.build = "g++ 12, release";
  admin_.cluster_id = "c-1";
  scheduler::LoopSnapshot snapshot;
  snapshot.generation = 2;
  snapshot.term = 5;
  snapshot.epoch = 78;
  snapshot.durable_epoch = 77;
  loop_.set_snapshot(snapshot);
  Start();
  grpc::ClientContext context;
  v1::GetVersionResponse response;
  ASSERT_TRUE(anonymous_admin_->GetVersion(&context, {}, &response).ok());
  EXPECT_EQ(response.version(), "0.1.0");
  EXPECT_EQ(response.cluster_id(), "c-1");
  EXPECT_EQ(response.generation(), 2u);
  EXPECT_EQ(response.term(), 5u);
  EXPECT_EQ(response.epoch(), 77u);
  EXPECT_EQ(response.build(), "g++ 12, release");
}

TEST_F(UnaryCallsTest, TheConfigurationIsForOperators) {
  admin_.config = [] { return std::string("dataDir: /var/lib/berth\n"); };
  Start();
  v1::GetConfigResponse response;
  {
    grpc::ClientContext context;
    EXPECT_EQ(Error(anonymous_admin_->GetConfig(&context, {}, &response)).code,
              absl::StatusCode::kPermissionDenied);
  }
  grpc::ClientContext context;
  ASSERT_TRUE(admin_stub_->GetConfig(&context, {}, &response).ok());
  EXPECT_EQ(response.yaml(), "dataDir: /var/lib/berth\n");
}

TEST_F(UnaryCallsTest, AReloadAnswersWithWhatTakesARestartOrWithTheError) {
  base::Mutex mutex;
  absl::StatusOr<std::vector<std::string>> outcome = std::vector<std::string>{"listen"};
  admin_.reload = [&](const state::Principal& who) {
    EXPECT_TRUE(who.is_operator);
    base::MutexLock lock(mutex);
    return outcome;
  };
  Start();
  v1::ReloadConfigResponse response;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(admin_stub_->ReloadConfig(&context, {}, &response).ok());
    EXPECT_THAT(response.needs_restart(), ElementsAre("listen"));
  }
  {
    base::MutexLock lock(mutex);
    outcome = absl::InvalidArgumentError("berthd.yaml:3: unknown key");
  }
  {
    grpc::ClientContext context;
    const wire::Refusal error = Error(admin_stub_->ReloadConfig(&context, {}, &response));
    EXPECT_EQ(error.code, absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(error.message, "berthd.yaml:3: unknown key");
  }
  grpc::ClientContext context;
  EXPECT_EQ(Error(anonymous_admin_->ReloadConfig(&context, {}, &response)).code,
            absl::StatusCode::kPermissionDenied);
}

// ---- attempts in quarantine ----

class ReconcileTest : public UnaryCallsTest {
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
