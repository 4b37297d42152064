// Calls with one answer, but for submissions and what is in quarantine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sha256.h"
#include "tests/unit/api/server_harness.h"

namespace berth::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class UnaryCallsTest : public ServerTest {};

// ---- reads ----

class ReadsTest : public ServerTest {
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
  PutBlob(base::Sha256Hex("blob-of-j"), kept.SerializeAsString());
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

class ListsTest : public ServerTest {
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

}  // namespace
}  // namespace berth::api
