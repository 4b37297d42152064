#include "agentd/checks/task_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <thread>

#include "agentd/checks/beside_commands.h"
#include "agentd/checks/node_health.h"
#include "base/unique_fd.h"
#include "shim/shim_protocol.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/agentd/run_loop.h"

namespace berth::agentd {
namespace {

using berth::testing::RunUntil;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr AttemptKey kKey{1, 0, 0, 1};

// Listens on a free port of the loopback address.
class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    EXPECT_EQ(listen(fd_.get(), 16), 0);
  }
  ~Listener() { Close(); }

  // Answers each connection with `text`, until Close().
  void Answer(const std::string& text) {
    thread_ = std::thread([this, text] {
      for (;;) {
        const base::UniqueFd peer(accept(fd_.get(), nullptr, nullptr));
        if (!peer.valid()) return;
        char request[1024];
        if (read(peer.get(), request, sizeof(request)) <= 0) continue;
        if (write(peer.get(), text.data(), text.size()) < 0) return;
      }
    });
  }
  void Close() {
    if (fd_.valid()) shutdown(fd_.get(), SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    fd_.reset();
  }
  [[nodiscard]] int port() const { return port_; }

 private:
  base::UniqueFd fd_;
  int port_ = 0;
  std::thread thread_;
};

// Commands that the test ends.
class FakeCommands final : public TaskCommands {
 public:
  uint64_t Run(const AttemptKey&, const std::vector<std::string>& arguments, int64_t,
               CommandRunner::Done done) override {
    asked.push_back(arguments);
    CommandResult result;
    result.exit_code = exit_code;
    result.output = "all is lost\n";
    loop.Post([done = std::move(done), result] { done(result); });
    return 1;
  }
  void Cancel(uint64_t) override {}

  explicit FakeCommands(EventLoop& on) : loop(on) {}
  EventLoop& loop;
  int exit_code = 0;
  std::vector<std::vector<std::string>> asked;
};

class TaskChecksTest : public ::testing::Test {
 protected:
  v1::HealthCheck Http(int port) {
    v1::HealthCheck check;
    check.mutable_http()->set_port(port);
    check.set_failures(1);
    return check;
  }
  v1::HealthCheck Tcp(int port) {
    v1::HealthCheck check;
    check.set_tcp_port(port);
    check.set_failures(1);
    return check;
  }
  void WatchReadiness(const v1::HealthCheck& check) {
    v1::StartTask start;
    *start.mutable_readiness_check() = check;
    checks_.Watch(kKey, start, "");
  }
  void WatchHealth(const v1::HealthCheck& check) {
    v1::StartTask start;
    *start.mutable_health_check() = check;
    checks_.Watch(kKey, start, "");
  }
  bool AwaitReady(std::vector<bool> said) {
    return RunUntil(loop_, clock_, [&] { return ready_ == said; });
  }

  base::SystemClock clock_;
  EventLoop loop_{clock_};
  FakeCommands commands_{loop_};
  std::vector<bool> ready_;
  std::vector<TaskCondemned> condemned_;
  TaskChecks checks_{loop_, clock_, commands_, [this](Event event) {
                       if (auto* ready = std::get_if<TaskReadiness>(&event)) {
                         ready_.push_back(ready->ready);
                       } else {
                         condemned_.push_back(std::get<TaskCondemned>(event));
                       }
                     }};
};

TEST_F(TaskChecksTest, APortThatTakesConnectionsIsGood) {
  Listener listener;
  WatchReadiness(Tcp(listener.port()));
  EXPECT_TRUE(AwaitReady({true}));
  EXPECT_THAT(condemned_, ::testing::IsEmpty());
}

TEST_F(TaskChecksTest, SaysWhenThatChanges) {
  auto listener = std::make_unique<Listener>();
  v1::HealthCheck check = Tcp(listener->port());
  check.set_period_ms(1);  // no more often than each second
  WatchReadiness(check);
  ASSERT_TRUE(AwaitReady({true}));
  listener.reset();
  EXPECT_TRUE(AwaitReady({true, false}));
}

TEST_F(TaskChecksTest, AnHttpAnswerIsGoodByItsStatus) {
  Listener listener;
  listener.Answer("HTTP/1.1 204 No Content\r\n\r\n");
  WatchReadiness(Http(listener.port()));
  EXPECT_TRUE(AwaitReady({true}));
}

TEST_F(TaskChecksTest, AHealthCheckThatFailsForGoodEndsTheAttempt) {
  Listener listener;
  listener.Answer("HTTP/1.1 503 Service Unavailable\r\n\r\n");
  v1::HealthCheck check = Http(listener.port());
  check.set_failures(2);
  check.set_period_ms(1);
  WatchHealth(check);
  ASSERT_TRUE(RunUntil(loop_, clock_, [&] { return !condemned_.empty(); }));
  EXPECT_EQ(condemned_[0].end, v1::ATTEMPT_END_UNHEALTHY);
  EXPECT_EQ(condemned_[0].reason, v1::REASON_CODE_HEALTH_CHECK_FAILED);
  EXPECT_THAT(condemned_[0].message, HasSubstr("the answer has status 503 (2 times in a row)"));
}

TEST_F(TaskChecksTest, WhatDoesNotAnswerIsBad) {
  Listener listener;  // takes connections and says nothing
  v1::HealthCheck check = Http(listener.port());
  check.set_timeout_ms(100);
  WatchHealth(check);
  ASSERT_TRUE(RunUntil(loop_, clock_, [&] { return !condemned_.empty(); }));
  EXPECT_THAT(condemned_[0].message, HasSubstr("no answer in 100 ms"));
}

TEST_F(TaskChecksTest, WhatIsNoHttpIsBad) {
  Listener listener;
  listener.Answer("SSH-2.0-OpenSSH\r\n");
  WatchHealth(Http(listener.port()));
  ASSERT_TRUE(RunUntil(loop_, clock_, [&] { return !condemned_.empty(); }));
  EXPECT_THAT(condemned_[0].message, HasSubstr("not HTTP"));
}

TEST_F(TaskChecksTest, ACommandIsGoodByItsExitCode) {
  v1::HealthCheck check;
  check.mutable_command()->add_command("./alive");
  check.mutable_command()->add_command("now");
  check.set_failures(1);
  WatchReadiness(check);
  ASSERT_TRUE(AwaitReady({true}));
  EXPECT_THAT(commands_.asked.at(0), ElementsAre("./alive", "now"));
  commands_.exit_code = 3;
  WatchHealth(check);
  ASSERT_TRUE(RunUntil(loop_, clock_, [&] { return !condemned_.empty(); }));
  EXPECT_THAT(condemned_[0].message,
              HasSubstr("command \"./alive\": exited with 3: all is lost (1 time)"));
}

TEST_F(TaskChecksTest, AsksNothingAfterUnwatch) {
  Listener listener;
  WatchReadiness(Tcp(listener.port()));
  checks_.Unwatch(kKey);
  bool later = false;
  loop_.At(clock_.MonotonicMs() + 50, [&] { later = true; });
  ASSERT_TRUE(RunUntil(loop_, clock_, [&] { return later; }));
  EXPECT_TRUE(ready_.empty());
}

// Beside an attempt whose files are there, under a script that stands in for the shim.
class BesideCommandsTest : public ::testing::Test {
 protected:
  BesideCommandsTest() {
    EXPECT_TRUE(store_.Open().ok());
    ProcessDriver::Prepared prepared;
    prepared.spec.arguments = {"true"};
    prepared.spec.output_path = store_.Paths(kKey).output;
    prepared.spec.error_path = store_.Paths(kKey).error;
    const auto status = store_.Write(kKey, prepared, v1::Payload(), {geteuid(), getegid(), false});
    EXPECT_TRUE(status.ok()) << status.status();
    shim::StatusRecord start;
    start.kind = shim::StatusKind::kStart;
    shim::Seal(start);
    EXPECT_EQ(pwrite(status->get(), &start, sizeof(start),
                     static_cast<off_t>(shim::SlotOffset(start.kind))),
              static_cast<ssize_t>(sizeof(start)));
  }

  // What became of `command`, which ends when the agent lets go of the shim's control socket.
  CommandResult Run(const std::string& command, int64_t timeout_ms) {
    const std::string script = dir_.path() + "/shim";
    std::ofstream(script) << "#!/bin/sh\n" << command << " &\nread line <&3\nkill $!\n";
    EXPECT_EQ(chmod(script.c_str(), 0755), 0);
    BesideCommands commands(
        {loop_, clock_, store_, script, [this](const AttemptKey&) { return guest_; },
         [](const shim::StatusRecord&, const std::string&) { return CannotStart{}; }});
    std::optional<CommandResult> result;
    commands.Run(kKey, {"anything"}, timeout_ms,
                 [&](CommandResult got) { result = std::move(got); });
    EXPECT_TRUE(RunUntil(loop_, clock_, [&] { return result.has_value(); }));
    return result.value_or(CommandResult{});
  }

  base::SystemClock clock_;
  berth::testing::TempDir dir_;
  AttemptStore store_{dir_.path(), clock_};
  EventLoop loop_{clock_};
  const std::shared_ptr<void> guest_ = std::make_shared<int>(0);
};

TEST_F(BesideCommandsTest, WhatWritesWithoutEndIsKilledLongBeforeItsTimeIsOver) {
  const CommandResult result = Run("yes", 24 * 3600 * 1000);
  EXPECT_EQ(result.wrote_more_than, BesideCommands::kMostWritten);
  EXPECT_FALSE(result.timed_out);
  EXPECT_FALSE(result.good());
  EXPECT_EQ(result.output.size(), CommandRunner::kMostOutput);
  EXPECT_EQ(Describe(result), "wrote more than 1Mi of output and was killed: y");
}

TEST_F(BesideCommandsTest, WhatTakesTooLongIsKilled) {
  const CommandResult result = Run("sleep 1000", 50);
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.wrote_more_than, 0);
  EXPECT_EQ(Describe(result), "took too long and was killed");
}

TEST(HealthTaintsTest, SayWhatIsWrong) {
  v1::NodeInventory inventory;
  AddHealthTaints("", inventory);
  EXPECT_EQ(inventory.taints_size(), 0);
  v1::Device& gpu = *inventory.add_devices();
  gpu.set_id("GPU-1");
  gpu.set_unhealthy(true);
  AddHealthTaints("exited with 1:\nno disk", inventory);
  ASSERT_EQ(inventory.taints_size(), 2);
  EXPECT_EQ(inventory.taints(0).key(), kUnhealthyTaint);
  EXPECT_EQ(inventory.taints(0).value(), "exited with 1: no disk");
  EXPECT_EQ(inventory.taints(0).effect(), v1::TAINT_EFFECT_NO_SCHEDULE);
  EXPECT_EQ(inventory.taints(1).value(), "GPU-1");
  EXPECT_EQ(inventory.taints(1).effect(), v1::TAINT_EFFECT_PREFER_NO_SCHEDULE);
}

}  // namespace
}  // namespace berth::agentd
