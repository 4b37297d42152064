#include "agentd/link/agent_link.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"
#include "berth/v1/agent.grpc.pb.h"
#include "tests/support/temp_dir.h"

namespace berth::agentd {
namespace {

// A berthd that takes up streams, or does not even do that, and says nothing.
class SilentDaemon final : public v1::AgentService::Service {
 public:
  explicit SilentDaemon(bool takes_up) : takes_up_(takes_up) {}

  grpc::Status Connect(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::DaemonMessage, v1::AgentMessage>* stream) override {
    if (takes_up_) stream->SendInitialMetadata();
    v1::AgentMessage message;
    int hellos = 0;
    while (stream->Read(&message)) hellos += message.has_hello() ? 1 : 0;
    base::MutexLock lock(mutex_);
    ++streams_;
    hellos_ += hellos;
    return grpc::Status::OK;
  }

  // Streams that have ended, and what was said on them.
  int streams() {
    base::MutexLock lock(mutex_);
    return streams_;
  }
  int hellos() {
    base::MutexLock lock(mutex_);
    return hellos_;
  }

 private:
  const bool takes_up_;
  base::Mutex mutex_;
  int streams_ BERTH_GUARDED_BY(mutex_) = 0;
  int hellos_ BERTH_GUARDED_BY(mutex_) = 0;
};

class AgentLinkTest : public ::testing::Test {
 protected:
  // Until the link has given up at least so many streams, and that many were taken up.
  void RunUntil(SilentDaemon& daemon, int downs, int ups) {
    const std::string address = "unix:" + folder_.path() + "/d.sock";
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.RegisterService(&daemon);
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    ASSERT_NE(server, nullptr);
    EventLoop loop(clock_);
    std::unique_ptr<AgentLink> link;
    AgentLink::Callbacks callbacks;
    callbacks.on_up = [&](uint64_t number) {
      ++ups_;
      v1::AgentMessage message;
      message.mutable_hello()->set_node("n1");
      link->Send(number, std::move(message));
    };
    callbacks.on_message = [](uint64_t, const v1::DaemonMessage&) {};
    callbacks.on_down = [&](uint64_t) {
      if (++downs_ >= downs && ups_ >= ups) loop.Stop();
    };
    link = std::make_unique<AgentLink>(loop, clock_, MakeChannel(address), address,
                                       Backoff(1, 2, 7), std::move(callbacks), 300);
    link->Start();
    loop.Run();
    link.reset();
    server->Shutdown();
  }

  berth::testing::TempDir folder_;
  base::SystemClock clock_;
  int ups_ = 0;
  int downs_ = 0;
};

TEST_F(AgentLinkTest, SaysNothingBeforeBerthdHasTakenUpTheStream) {
  SilentDaemon daemon(false);
  RunUntil(daemon, 2, 0);
  EXPECT_EQ(ups_, 0);
  EXPECT_GE(daemon.streams(), 2);
  EXPECT_EQ(daemon.hellos(), 0);
}

TEST_F(AgentLinkTest, AStreamOnWhichBerthdSaysNothingIsGivenUp) {
  SilentDaemon daemon(true);
  RunUntil(daemon, 2, 2);
  EXPECT_GE(daemon.streams(), 2);
}

}  // namespace
}  // namespace berth::agentd
