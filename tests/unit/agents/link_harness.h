// The agents' link behind a real server, with a loop that the test writes, and agents of it.
#pragma once

#include <grpcpp/create_channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agents/grpc_agent_link.h"
#include "berth/v1/agent.grpc.pb.h"
#include "tests/support/fake_agent_sink.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_output_tails.h"
#include "tests/support/temp_dir.h"
#include "wire/refusal.h"

namespace berth::agents {

// An agent as the wire sees it: what the test tells it to say.
class TestAgent {
 public:
  explicit TestAgent(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(v1::AgentService::NewStub(channel)), stream_(stub_->Connect(&context_)) {}
  ~TestAgent() {
    if (ended_) return;
    context_.TryCancel();
    v1::DaemonMessage message;
    while (stream_->Read(&message)) {
    }
    stream_->Finish();
  }

  static v1::Hello GoodHello(const std::string& node = "n7") {
    v1::Hello hello;
    hello.set_node(node);
    hello.set_incarnation("inc-" + node);
    hello.mutable_inventory()->mutable_capacity()->set_cpu_milli(4000);
    hello.mutable_inventory()->mutable_capacity()->set_memory_bytes(int64_t{8} << 30);
    hello.set_version("0.1.0");
    hello.set_protocol_min(1);
    hello.set_protocol_max(1);
    return hello;
  }
  // Until the stream has been taken up.
  void AwaitOpen() { stream_->WaitForInitialMetadata(); }
  bool Say(const v1::AgentMessage& message) { return stream_->Write(message); }
  bool SayHello(const v1::Hello& hello = GoodHello()) {
    v1::AgentMessage message;
    *message.mutable_hello() = hello;
    return Say(message);
  }
  bool SayHeartbeat(uint64_t sequence) {
    v1::AgentMessage message;
    message.mutable_heartbeat()->set_sequence(sequence);
    return Say(message);
  }
  bool SayFact(uint64_t sequence) {
    v1::AgentMessage message;
    v1::Fact& fact = *message.mutable_facts()->add_facts();
    fact.set_sequence(sequence);
    fact.mutable_accepted();
    return Say(message);
  }
  v1::DaemonMessage Hear() {
    v1::DaemonMessage message;
    EXPECT_TRUE(stream_->Read(&message));
    return message;
  }
  // How the stream ended, once it has.
  wire::Refusal End() {
    v1::DaemonMessage message;
    while (stream_->Read(&message)) {
    }
    ended_ = true;
    return wire::FromGrpcStatus(stream_->Finish());
  }
  void HangUp() { context_.TryCancel(); }
  void SayNoMore() { stream_->WritesDone(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<v1::AgentService::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::AgentMessage, v1::DaemonMessage>> stream_;
  bool ended_ = false;
};

class LinkTest : public ::testing::Test {
 protected:
  LinkTest() {
    grpc::ServerBuilder builder;
    const std::string address = "unix:" + folder_.path() + "/a.sock";
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.RegisterService(&link_);
    server_ = builder.BuildAndStart();
    channel_ = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  }
  ~LinkTest() override {
    server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
    sink_.Settle();  // what it was still to deliver goes to the link
  }

  // What the loop would do.
  void Deliver(state::AgentEffect effect) {
    std::vector<state::AgentEffect> effects;
    effects.push_back(std::move(effect));
    sink_.OnReleasingThread([this, effects] { link_.Deliver(effects); });
  }
  void Welcome(uint64_t stream) {
    Deliver(state::WelcomeAgent{.stream = stream, .header = header_, .lease_ms = 40'000});
  }
  // An agent whose Hello the loop has, and the number of its stream.
  std::pair<std::unique_ptr<TestAgent>, uint64_t> Connected() {
    const size_t before = sink_.taken();
    auto agent = std::make_unique<TestAgent>(channel_);
    EXPECT_TRUE(agent->SayHello());
    const uint64_t stream = sink_.AwaitOne<state::OpenSession>(before).stream;
    Welcome(stream);
    EXPECT_TRUE(agent->Hear().has_welcome());
    return {std::move(agent), stream};
  }

  const state::SessionHeader header_ = {
      .cluster_id = "c-1", .generation = 2, .term = 3, .session = 4, .incarnation = "inc-n7"};
  berth::testing::TempDir folder_;
  berth::testing::FakeAgentSink sink_;
  base::Mutex mutex_;
  bool refuse_ BERTH_GUARDED_BY(mutex_) = false;
  std::map<std::string, std::string> blobs_ BERTH_GUARDED_BY(mutex_);
  berth::testing::FakeOutputTails tails_;
  berth::testing::FakeClock clock_;
  GrpcAgentLink link_{
      sink_,
      [this](const grpc::CallbackServerContext&) -> absl::StatusOr<state::Principal> {
        base::MutexLock lock(mutex_);
        if (refuse_) return absl::PermissionDeniedError("uid:1000 may not be an agent");
        state::Principal principal;
        principal.name = "uid:0";
        return principal;
      },
      [this](const std::string& hash) -> absl::StatusOr<std::shared_ptr<const std::string>> {
        base::MutexLock lock(mutex_);
        const auto found = blobs_.find(hash);
        if (found == blobs_.end()) return absl::NotFoundError("blob " + hash + ": none");
        return std::make_shared<const std::string>(found->second);
      },
      LinkParts{.tails = &tails_, .clock = &clock_}};
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace berth::agents
