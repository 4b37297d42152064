// A server with a loop that the test writes, and clients of it.
#pragma once

#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/server.h"
#include "berth/v1/admin.grpc.pb.h"
#include "berth/v1/scheduler.grpc.pb.h"
#include "tests/support/fake_data_source.h"
#include "tests/support/fake_loop_port.h"
#include "tests/support/fake_output_tails.h"
#include "tests/support/temp_dir.h"
#include "wire/refusal.h"

namespace berth::api {

inline std::shared_ptr<const state::JobSpec> TestSpec(const std::string& name = "j",
                                                      const std::string& ns = "default") {
  auto spec = std::make_shared<state::JobSpec>();
  spec->name = name;
  spec->ns = ns;
  spec->queue = "default";
  spec->profile = "default";
  spec->blob = base::Sha256Of("blob-of-" + name);
  spec->groups.resize(1);
  spec->groups[0].ranges = {{0, 99, 1}};
  spec->groups[0].in_array = true;
  return spec;
}

inline state::JobView TestJob(uint64_t id, uint64_t epoch) {
  state::JobView job;
  job.id = JobId{id};
  job.spec = TestSpec();
  job.epoch = epoch;
  return job;
}

inline std::shared_ptr<const state::ChangeBatch> TestBatch(uint64_t epoch,
                                                           std::vector<state::Change> changes) {
  auto batch = std::make_shared<state::ChangeBatch>();
  batch->epoch = epoch;
  batch->changes = std::move(changes);
  return batch;
}

inline v1::JobSpec GoodJob() {
  v1::JobSpec job;
  job.add_groups()->mutable_template_()->mutable_payload()->add_command("true");
  return job;
}

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    options_.socket.path = folder_.path() + "/d.sock";
    options_.insecure_listen = "127.0.0.1:0";
  }
  // Before what a test's answers use is gone.
  void TearDown() override {
    if (server_ != nullptr) server_->Stop(std::chrono::milliseconds(0));
    loop_.Settle();
  }

  // The error of a call that has one.
  static wire::Refusal Error(const grpc::Status& status) {
    EXPECT_FALSE(status.ok());
    return wire::FromGrpcStatus(status);
  }

  // Answers commands of one sort. Before Start.
  template <typename Command>
  void On(std::function<scheduler::Reply(const state::Command&, const Command&)> answer) {
    answers_[state::CommandBody(Command{}).index()] = [answer](const state::Command& command) {
      return answer(command, std::get<Command>(command.body));
    };
  }
  static scheduler::Reply Ok(scheduler::ReplyBody body, uint64_t epoch = 7) {
    scheduler::Reply reply;
    reply.epoch = epoch;
    reply.body = std::move(body);
    return reply;
  }

  void Start() {
    loop_.set_script([this](const state::Command& command) {
      const auto answer = answers_.find(command.body.index());
      if (answer != answers_.end()) return answer->second(command);
      scheduler::Reply reply;
      reply.status = absl::InternalError("the test has no answer for this");
      return reply;
    });
    auto server =
        Server::Start(options_, {.loop = loop_,
                                 .authorizer = authorizer_,
                                 .data = outputs_,
                                 .blobs = [this](const std::string& hash) { return BlobOf(hash); },
                                 .admin = admin_,
                                 .services = {},
                                 .tails = &tails_});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    unix_ = grpc::CreateChannel("unix:" + options_.socket.path, grpc::InsecureChannelCredentials());
    tcp_ = grpc::CreateChannel(server_->tcp_address(), grpc::InsecureChannelCredentials());
    jobs_ = v1::JobService::NewStub(unix_);
    nodes_ = v1::NodeService::NewStub(unix_);
    admin_stub_ = v1::AdminService::NewStub(unix_);
    anonymous_jobs_ = v1::JobService::NewStub(tcp_);
    anonymous_nodes_ = v1::NodeService::NewStub(tcp_);
    anonymous_admin_ = v1::AdminService::NewStub(tcp_);
  }

  absl::StatusOr<std::shared_ptr<const std::string>> BlobOf(const std::string& hash) {
    base::MutexLock lock(blobs_mutex_);
    const auto found = blobs_.find(hash);
    if (found == blobs_.end()) return absl::NotFoundError("blob " + hash + ": there is none");
    return found->second;
  }
  void PutBlob(const std::string& hash, std::string content) {
    base::MutexLock lock(blobs_mutex_);
    blobs_[hash] = std::make_shared<const std::string>(std::move(content));
  }

  berth::testing::TempDir folder_;
  berth::testing::FakeLoopPort loop_;
  berth::testing::FakeDataSource outputs_;
  berth::testing::FakeOutputTails tails_;
  Authorizer authorizer_{{.operator_uid = ::getuid(), .insecure_tcp = true}};
  AdminParts admin_;
  ServerOptions options_;
  std::map<size_t, std::function<scheduler::Reply(const state::Command&)>> answers_;
  base::Mutex blobs_mutex_;
  std::map<std::string, std::shared_ptr<const std::string>> blobs_ BERTH_GUARDED_BY(blobs_mutex_);
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> unix_;
  std::shared_ptr<grpc::Channel> tcp_;
  std::unique_ptr<v1::JobService::Stub> jobs_;
  std::unique_ptr<v1::NodeService::Stub> nodes_;
  std::unique_ptr<v1::AdminService::Stub> admin_stub_;
  std::unique_ptr<v1::JobService::Stub> anonymous_jobs_;
  std::unique_ptr<v1::NodeService::Stub> anonymous_nodes_;
  std::unique_ptr<v1::AdminService::Stub> anonymous_admin_;
};

}  // namespace berth::api
