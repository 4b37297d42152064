// Commands, files, consoles and connections, with the real agent, shim and berth-files.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "agentd/channels/channel_hub.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/unique_fd.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/agentd/agent_process.h"

namespace berth::agentd {
namespace {

using berth::testing::AgentProcess;
using berth::testing::FakeDaemon;
using ::testing::HasSubstr;

constexpr AttemptKey kKey{12, 0, 3, 1};

// All that came over a channel.
struct Heard {
  std::string out;
  std::string err;
  std::string data;
  std::string error;
  v1::ReasonCode reason = v1::REASON_CODE_UNSPECIFIED;
  int exit_code = -1;
  int64_t written = -1;
  bool open = false;
  v1::Console console = v1::CONSOLE_UNSPECIFIED;
  v1::PathInfo path;

  void Take(const v1::DataFromAgent& frame) {
    (frame.output().is_stderr() ? err : out) += frame.output().data();
    data += frame.data();
    if (!frame.error().empty()) error = frame.error();
    if (frame.reason() != 0) reason = frame.reason();
    if (frame.has_command_ended()) exit_code = frame.command_ended().exit_code();
    if (frame.has_written_bytes()) written = frame.written_bytes();
    if (frame.has_path()) path = frame.path();
    if (frame.open()) {
      open = true;
      console = frame.console();
    }
  }
};

class ChannelsTest : public ::testing::Test {
 protected:
  // Starts a task that says "ready" and goes on.
  void StartTask(const std::function<void(v1::StartTask&)>& change = nullptr,
                 const std::string& command = "exec sleep 1000") {
    agent_.Start();
    v1::StartTask task = FakeDaemon::Task(kKey, command);
    task.mutable_payload()->clear_working_directory();
    (*task.mutable_payload()->mutable_environment())["COLOUR"] = "green";
    if (change) change(task);
    daemon().SendStart(task);
    daemon().WaitForStart(kKey);
  }

  static v1::OpenData Exec(const std::string& script, bool terminal = false) {
    v1::OpenData open;
    v1::ExecCommand& exec = *open.mutable_exec();
    *exec.mutable_key() = ToProto(kKey);
    for (const char* word : {"sh", "-c"}) exec.add_command(word);
    exec.add_command(script);
    exec.set_terminal(terminal);
    return open;
  }

  // Says `input` and its end, and hears all there is.
  Heard Ask(const v1::OpenData& open, const std::string& input = "") {
    Heard heard;
    daemon().Converse(open, [&](FakeDaemon::DataStream& stream) {
      // What it hears may have to be read before it takes more.
      std::thread writer([&] {
        constexpr size_t kPiece = 64 << 10;
        v1::DataFromDaemon frame;
        bool takes = true;
        for (size_t at = 0; takes && at < input.size(); at += kPiece) {
          frame.set_data(input.substr(at, kPiece));
          takes = stream.Write(frame);
        }
        frame.clear_data();
        frame.set_end_of_input(true);
        stream.Write(frame);
      });
      for (v1::DataFromAgent message; stream.Read(&message);) heard.Take(message);
      writer.join();
    });
    return heard;
  }

  FakeDaemon& daemon() { return agent_.daemon(); }

  AgentProcess agent_;
};

TEST_F(ChannelsTest, ACommandHasTheTasksEnvironmentAndItsOwnStreamsAndCode) {
  StartTask();
  const Heard heard = Ask(Exec("echo $COLOUR $BERTH_ATTEMPT; cat; echo oops >&2; exit 3"), "typed");
  EXPECT_TRUE(heard.open);
  EXPECT_EQ(heard.out, "green 1\ntyped");
  EXPECT_EQ(heard.err, "oops\n");
  EXPECT_EQ(heard.exit_code, 3);
  EXPECT_EQ(heard.error, "");
}

TEST_F(ChannelsTest, ACommandThatIsKilledHasTheCodeOfItsSignal) {
  StartTask();
  EXPECT_EQ(Ask(Exec("kill -TERM $$")).exit_code, 128 + SIGTERM);
}

TEST_F(ChannelsTest, MuchGoesThroughBothWaysUnchanged) {
  StartTask();
  std::string data;
  for (int i = 0; data.size() < (8u << 20); ++i) data += std::to_string(i) + ",";
  const Heard heard = Ask(Exec("cat"), data);
  EXPECT_TRUE(heard.out == data) << heard.out.size() << " of " << data.size() << " bytes";
  EXPECT_EQ(heard.exit_code, 0);
}

TEST_F(ChannelsTest, ACommandOnATerminalHasItsWindowAndOneStream) {
  StartTask();
  v1::OpenData open = Exec("stty size; tty >/dev/null && echo yes >&2", true);
  open.mutable_exec()->mutable_window()->set_rows(31);
  open.mutable_exec()->mutable_window()->set_columns(97);
  const Heard heard = Ask(open);
  EXPECT_THAT(heard.out, HasSubstr("31 97\r\n"));
  EXPECT_THAT(heard.out, HasSubstr("yes\r\n"));
  EXPECT_EQ(heard.err, "");
}

TEST_F(ChannelsTest, ACommandThatCannotBeStartedIsExplained) {
  StartTask();
  v1::OpenData open = Exec("");
  open.mutable_exec()->clear_command();
  open.mutable_exec()->add_command("no-such-program");
  const Heard heard = Ask(open);
  EXPECT_EQ(heard.reason, v1::REASON_CODE_PROGRAM_NOT_FOUND);
  EXPECT_THAT(heard.error, HasSubstr("no-such-program"));
}

TEST_F(ChannelsTest, OfATaskThatDoesNotRunNothingIsRun) {
  agent_.Start();
  EXPECT_EQ(Ask(Exec("true")).reason, v1::REASON_CODE_TASK_NOT_RUNNING);
}

TEST_F(ChannelsTest, ACommandGoesWithItsCallAlsoWhenItReadsNothing) {
  StartTask();
  const std::string mark = "mark-" + std::to_string(getpid());
  daemon().Converse(
      Exec("setsid sh -c 'sleep 999; : " + mark + "' & exec sleep 998"),
      [&](FakeDaemon::DataStream& stream) {
        v1::DataFromAgent message;
        while (stream.Read(&message) && !message.open()) {
        }
        AgentProcess::WaitUntil([&] { return AgentProcess::CountProcesses(mark) > 0; });
        // More than any pipe takes: the agent waits for the command, and hears nothing
        // any more.
        v1::DataFromDaemon frame;
        frame.set_data(std::string(64 << 10, 'x'));
        for (int i = 0; i < 3; ++i) stream.Write(frame);
      });
  AgentProcess::WaitUntil([&] { return AgentProcess::CountProcesses(mark) == 0; });
}

TEST_F(ChannelsTest, ACommandGoesWithItsTask) {
  StartTask();
  Heard heard;
  daemon().Converse(Exec("echo there; exec sleep 999"), [&](FakeDaemon::DataStream& stream) {
    for (v1::DataFromAgent message; stream.Read(&message);) {
      heard.Take(message);
      if (heard.out == "there\n" && heard.exit_code < 0) {
        daemon().SendStop(kKey, v1::ATTEMPT_END_CANCELLED, 0);
      }
    }
  });
  EXPECT_EQ(heard.exit_code, 128 + SIGKILL);
  daemon().WaitForEnd(kKey);
}

TEST_F(ChannelsTest, HowACommandEndedIsToldAlsoWhenItsTasksEndWasToldFirst) {
  StartTask();
  Heard heard;
  daemon().Converse(Exec("echo $PPID; exec sleep 999"), [&](FakeDaemon::DataStream& stream) {
    v1::DataFromAgent message;
    while (stream.Read(&message)) {
      heard.Take(message);
      if (heard.out.find('\n') != std::string::npos) break;
    }
    const pid_t shim = std::stoi(heard.out);
    ASSERT_EQ(kill(shim, SIGSTOP), 0);
    daemon().SendStop(kKey, v1::ATTEMPT_END_CANCELLED, 0);
    daemon().WaitForEnd(kKey);
    ASSERT_EQ(kill(shim, SIGCONT), 0);
    while (stream.Read(&message)) heard.Take(message);
  });
  EXPECT_EQ(heard.exit_code, 128 + SIGKILL) << heard.error;
}

TEST_F(ChannelsTest, ACommandGoesWithItsAgent) {
  StartTask();
  const std::string mark = "mark-agent-" + std::to_string(getpid());
  daemon().Converse(Exec("sleep 999; : " + mark), [&](FakeDaemon::DataStream& stream) {
    v1::DataFromAgent message;
    while (stream.Read(&message) && !message.open()) {
    }
    agent_.Kill();
    while (stream.Read(&message)) {
    }
  });
  AgentProcess::WaitUntil([&] { return AgentProcess::CountProcesses(mark) == 0; });
}

TEST_F(ChannelsTest, AFileIsWrittenAndReadInTheTasksDirectory) {
  StartTask();
  v1::OpenData write;
  *write.mutable_write_path()->mutable_key() = ToProto(kKey);
  write.mutable_write_path()->set_path("made");
  write.mutable_write_path()->set_mode(0640);
  const std::string data(3'000'000, 'y');
  const Heard written = Ask(write, data);
  EXPECT_EQ(written.written, 3'000'000) << written.error;
  EXPECT_TRUE(written.open);
  v1::OpenData read;
  *read.mutable_read_path()->mutable_key() = ToProto(kKey);
  read.mutable_read_path()->set_path("made");
  const Heard heard = Ask(read);
  EXPECT_EQ(heard.path.size_bytes(), 3'000'000);
  EXPECT_EQ(heard.path.mode(), 0640);
  EXPECT_FALSE(heard.path.archive());
  EXPECT_TRUE(heard.data == data);

  // With a name, a folder is one to put it into, and another path what it says.
  ASSERT_EQ(Ask(Exec("mkdir folder")).exit_code, 0);
  write.mutable_write_path()->set_name("named");
  for (const char* path : {"folder", "folder/", "other"}) {
    write.mutable_write_path()->set_path(path);
    EXPECT_EQ(Ask(write, "text").error, "");
  }
  EXPECT_EQ(Ask(Exec("ls folder; cat folder/named other")).out, "named\ntexttext");
  write.mutable_write_path()->set_path("no-folder/");
  EXPECT_THAT(Ask(write, "text").error, HasSubstr("no-folder/: is no folder"));
  write.mutable_write_path()->set_name("../up");
  EXPECT_THAT(Ask(write, "text").error, HasSubstr("usage"));

  read.mutable_read_path()->set_path("nothing");
  const Heard missing = Ask(read);
  EXPECT_EQ(missing.reason, v1::REASON_CODE_NOT_FOUND);
  EXPECT_THAT(missing.error, HasSubstr("nothing"));
}

TEST_F(ChannelsTest, AFolderComesAsAnArchiveAndGoesBack) {
  StartTask();
  ASSERT_EQ(Ask(Exec("mkdir -p a/b && echo text > a/b/c && ln -s b a/link")).exit_code, 0);
  v1::OpenData read;
  *read.mutable_read_path()->mutable_key() = ToProto(kKey);
  read.mutable_read_path()->set_path("a");
  const Heard heard = Ask(read);
  EXPECT_TRUE(heard.path.archive());
  v1::OpenData write;
  *write.mutable_write_path()->mutable_key() = ToProto(kKey);
  write.mutable_write_path()->set_path("copy");
  write.mutable_write_path()->set_archive(true);
  EXPECT_GT(Ask(write, heard.data).written, 0);
  EXPECT_EQ(Ask(Exec("cat copy/b/c; readlink copy/link")).out, "text\nb\n");
}

TEST_F(ChannelsTest, AnArchiveWritesNothingOutsideItsFolder) {
  StartTask();
  // Made by tar -P: paths that climb out, and a link to climb through.
  ASSERT_EQ(Ask(Exec("mkdir in && cd in && echo evil > ../../escaped-src; ln -s /tmp out;"
                     " tar -cPf ../evil.tar ../../escaped-src out && rm ../../escaped-src"))
                .exit_code,
            0);
  v1::OpenData read;
  *read.mutable_read_path()->mutable_key() = ToProto(kKey);
  read.mutable_read_path()->set_path("evil.tar");
  const std::string archive = Ask(read).data;
  v1::OpenData write;
  *write.mutable_write_path()->mutable_key() = ToProto(kKey);
  write.mutable_write_path()->set_path("target");
  write.mutable_write_path()->set_archive(true);
  EXPECT_NE(Ask(write, archive).error, "");
  EXPECT_EQ(Ask(Exec("ls ../escaped-src 2>/dev/null")).out, "");
}

TEST_F(ChannelsTest, WhoIsAttachedTypesAndSeesWhatTheTaskWrites) {
  StartTask([](v1::StartTask& task) { task.mutable_payload()->set_console(v1::CONSOLE_PIPE); },
            "echo ready; cat; exit 5");
  v1::OpenData attach;
  *attach.mutable_attach()->mutable_key() = ToProto(kKey);
  attach.mutable_attach()->set_tail_bytes(1 << 20);
  const Heard heard = Ask(attach, "typed");
  EXPECT_EQ(heard.error, "");
  EXPECT_EQ(heard.console, v1::CONSOLE_PIPE);
  EXPECT_EQ(heard.out, "ready\ntyped");
  EXPECT_EQ(daemon().WaitForEnd(kKey).exit_code(), 5);
}

TEST_F(ChannelsTest, AConsoleIsFoundAgainByTheNextAgent) {
  StartTask([](v1::StartTask& task) { task.mutable_payload()->set_console(v1::CONSOLE_TERMINAL); },
            "read a; echo got $a; exit 6");
  agent_.Kill();
  agent_.Start();
  v1::OpenData attach;
  *attach.mutable_attach()->mutable_key() = ToProto(kKey);
  const Heard heard = Ask(attach, "hello\n");
  EXPECT_EQ(heard.console, v1::CONSOLE_TERMINAL);
  EXPECT_THAT(heard.out, HasSubstr("got hello\r\n"));
  EXPECT_EQ(daemon().WaitForEnd(kKey).exit_code(), 6);
}

TEST_F(ChannelsTest, ATaskWithoutAConsoleSaysSo) {
  StartTask();
  v1::OpenData attach;
  *attach.mutable_attach()->mutable_key() = ToProto(kKey);
  EXPECT_EQ(Ask(attach).reason, v1::REASON_CODE_NO_CONSOLE);
}

TEST_F(ChannelsTest, StandardInputAndFilesOfTheSubmissionAreThere) {
  agent_.Start();
  v1::StartTask task = FakeDaemon::Task(kKey, "cat; ./go; ls -l go | cut -c1-4");
  task.mutable_payload()->clear_working_directory();
  task.mutable_payload()->set_stdin_data("from the job\n");
  v1::PayloadFile& file = *task.mutable_payload()->add_files();
  file.set_name("go");
  file.set_data("#!/bin/sh\necho went\n");
  file.set_executable(true);
  daemon().SendStart(task);
  EXPECT_EQ(daemon().WaitForEnd(kKey).exit_code(), 0);
  EXPECT_EQ(daemon().ReadOutput(kKey, false).stdout_text, "from the job\nwent\n-rwx\n");
}

TEST_F(ChannelsTest, AConnectionIsForwarded) {
  StartTask();
  const base::UniqueFd listener(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  v1::OpenData open;
  *open.mutable_forward()->mutable_key() = ToProto(kKey);
  open.mutable_forward()->set_port(ntohs(address.sin_port));
  const Heard refused = Ask(open);
  EXPECT_EQ(refused.reason, v1::REASON_CODE_NETWORK_FAILED);
  EXPECT_THAT(refused.error, HasSubstr("nothing answers"));

  ASSERT_EQ(listen(listener.get(), 1), 0);
  Heard heard;
  daemon().Converse(open, [&](FakeDaemon::DataStream& stream) {
    const base::UniqueFd accepted(accept(listener.get(), nullptr, nullptr));
    v1::DataFromDaemon frame;
    frame.set_data("ping");
    stream.Write(frame);
    char buffer[4] = {};
    EXPECT_EQ(recv(accepted.get(), buffer, sizeof(buffer), MSG_WAITALL), 4);
    EXPECT_EQ(std::string(buffer, 4), "ping");
    EXPECT_EQ(send(accepted.get(), "pong", 4, 0), 4);
    shutdown(accepted.get(), SHUT_RDWR);
    for (v1::DataFromAgent message; stream.Read(&message);) heard.Take(message);
  });
  EXPECT_TRUE(heard.open);
  EXPECT_EQ(heard.data, "pong");
}

// ---- the hub alone ----

// The other end of its channels: hears each to its end.
class DataListener final : public v1::AgentService::Service {
 public:
  grpc::Status Data(grpc::ServerContext*, FakeDaemon::DataStream* stream) override {
    for (v1::DataFromAgent message; stream->Read(&message);) {
      if (message.error().empty()) continue;
      base::MutexLock lock(mutex_);
      errors_.push_back(message);
    }
    return grpc::Status::OK;
  }
  std::vector<v1::DataFromAgent> errors() {
    base::MutexLock lock(mutex_);
    return errors_;
  }

 private:
  base::Mutex mutex_;
  std::vector<v1::DataFromAgent> errors_ BERTH_GUARDED_BY(mutex_);
};

// Goes on until its call is ended.
class EndlessServer final : public ChannelServer {
 public:
  EndlessServer(DataCall& call, std::atomic<int>& alive) : call_(call), alive_(alive) { ++alive_; }
  ~EndlessServer() override { --alive_; }

  void Begin() override { call_.ReadOn(); }
  void OnRoom() override {}
  void OnFrame(v1::DataFromDaemon) override {}
  void OnGone() override {}
  [[nodiscard]] bool done() const override { return true; }

 private:
  DataCall& call_;
  std::atomic<int>& alive_;
};

class ChannelHubTest : public ::testing::Test {
 protected:
  static constexpr int kMost = 3;

  ChannelHubTest() {
    const std::string address = "unix:" + dir_.path() + "/hub.sock";
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.RegisterService(&daemon_);
    server_ = builder.BuildAndStart();
    hub_ = std::make_unique<ChannelHub>(
        clock_, grpc::CreateChannel(address, grpc::InsecureChannelCredentials()), kMost);
  }
  ~ChannelHubTest() override {
    hub_->Stop();
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }

  void Open() {
    hub_->Open("token", [this](DataCall& call) {
      calls_.push_back(&call);
      return std::make_unique<EndlessServer>(call, served_);
    });
  }
  void EndFirst() {
    hub_->Post([this] { calls_.front()->End(); });
  }
  void AwaitServed(int count) {
    AgentProcess::WaitUntil([&] { return served_ == count; });
  }
  void AwaitErrors(size_t count) {
    AgentProcess::WaitUntil([&] { return daemon_.errors().size() == count; });
  }

  berth::testing::TempDir dir_;
  base::SystemClock clock_;
  DataListener daemon_;
  std::unique_ptr<grpc::Server> server_;
  std::atomic<int> served_ = 0;
  std::vector<DataCall*> calls_;  // the hub's thread's
  std::unique_ptr<ChannelHub> hub_;
};

TEST_F(ChannelHubTest, ServesSoManyAtOnceAndOneMoreWhenOneHasEnded) {
  for (int i = 0; i < kMost; ++i) Open();
  AwaitServed(kMost);
  for (int i = 0; i < 2; ++i) Open();
  AwaitErrors(2);
  EXPECT_EQ(daemon_.errors()[0].reason(), v1::REASON_CODE_INBOX_FULL);
  EXPECT_THAT(daemon_.errors()[0].error(), HasSubstr("serves 3 commands"));
  EXPECT_EQ(served_, kMost);

  EndFirst();
  AwaitServed(kMost - 1);
  Open();
  AwaitServed(kMost);
  Open();
  AwaitErrors(3);
}

}  // namespace
}  // namespace berth::agentd
