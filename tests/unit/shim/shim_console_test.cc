// Consoles, and commands beside a task, with the real shim.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "base/unique_fd.h"
#include "shim/shim_protocol.h"
#include "tests/unit/shim/shim_runner.h"

namespace berth::shim {
namespace {

using ::testing::HasSubstr;
using testing::ShimRunner;

// One who is attached.
class Attached {
 public:
  explicit Attached(const ShimRunner& runner)
      : socket_(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    runner.path(kConsoleFileName).copy(address.sun_path, sizeof(address.sun_path) - 1);
    connected_ =
        connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }
  bool connected() const { return connected_; }
  void Say(ConsoleMessage kind, const std::string& rest = "") const {
    const std::string message = std::string(1, static_cast<char>(kind)) + rest;
    EXPECT_EQ(send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(message.size()));
  }
  // Whether the shim takes no more for now.
  bool IsFull() const {
    const std::string message = "i" + std::string(kMostConsoleInput, 'x');
    return send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0;
  }
  void Resize(uint16_t rows, uint16_t columns) const {
    const uint16_t size[2] = {rows, columns};
    Say(ConsoleMessage::kWindow, {reinterpret_cast<const char*>(size), sizeof(size)});
  }

 private:
  base::UniqueFd socket_;
  bool connected_ = false;
};

TEST(ShimConsoleTest, AFileIsStandardInput) {
  ShimRunner runner;
  std::ofstream(runner.path("in")) << "from the file";
  TaskSpec spec = runner.ShellSpec("cat");
  spec.input_path = runner.path("in");
  runner.Run(spec);
  EXPECT_EQ(runner.Output(), "from the file");
}

TEST(ShimConsoleTest, AMissingInputFileIsTold) {
  ShimRunner runner;
  TaskSpec spec = runner.ShellSpec("cat");
  spec.input_path = runner.path("nothing");
  runner.Start(spec);
  const StatusRecord start = runner.WaitForNotice();
  EXPECT_EQ(start.step, StartStep::kOpenInput);
  EXPECT_EQ(start.error, ENOENT);
  EXPECT_EQ(runner.WaitForShim(), kShimDone);
}

TEST(ShimConsoleTest, ATerminalsOutputGoesToTheFileWhetherAnybodyIsAttachedOrNot) {
  ShimRunner runner;
  TaskSpec spec = runner.ShellSpec("tty > /dev/null && seq 20000; echo err >&2");
  spec.console = ConsoleKind::kTerminal;
  EXPECT_EQ(runner.Run(spec).exit_code, 0);
  const std::string output = runner.Output();
  EXPECT_THAT(output, HasSubstr("1\r\n2\r\n"));
  EXPECT_TRUE(output.ends_with("20000\r\nerr\r\n")) << output.substr(output.size() - 40);
}

TEST(ShimConsoleTest, ATerminalHasTheWindowOfTheSpecAndThenThatOfWhoIsAttached) {
  ShimRunner runner;
  TaskSpec spec = runner.ShellSpec(
      "stty size; trap 'stty size; exit 9' WINCH; echo > $FIFO;"
      " while :; do read a; done");
  spec.console = ConsoleKind::kTerminal;
  spec.rows = 31;
  spec.columns = 97;
  runner.Start(spec);
  runner.ReadFifo();
  const Attached attached(runner);
  ASSERT_TRUE(attached.connected());
  attached.Resize(40, 120);
  attached.Say(ConsoleMessage::kInput, "\n");
  EXPECT_EQ(runner.WaitForShim(), kShimDone);
  EXPECT_EQ(runner.Record(StatusKind::kEnd)->exit_code, 9);
  EXPECT_THAT(runner.Output(), HasSubstr("31 97\r\n"));
  EXPECT_THAT(runner.Output(), HasSubstr("40 120\r\n"));
}

TEST(ShimConsoleTest, CtrlCOnATerminalIsTheTasks) {
  ShimRunner runner;
  TaskSpec spec = runner.ShellSpec("trap 'exit 8' INT; echo > $FIFO; while :; do read a; done");
  spec.console = ConsoleKind::kTerminal;
  runner.Start(spec);
  runner.ReadFifo();
  const Attached attached(runner);
  attached.Say(ConsoleMessage::kInput, "\x03");
  EXPECT_EQ(runner.WaitForShim(), kShimDone);
  EXPECT_EQ(runner.Record(StatusKind::kEnd)->exit_code, 8);
}

TEST(ShimConsoleTest, APipeTakesWhatSeveralTypeUntilOneSaysThatItIsTheEnd) {
  ShimRunner runner;
  TaskSpec spec = runner.ShellSpec("echo > $FIFO; cat");
  spec.console = ConsoleKind::kPipe;
  runner.Start(spec);
  runner.ReadFifo();
  {
    const Attached first(runner);
    first.Say(ConsoleMessage::kInput, "one ");
  }
  const Attached second(runner);
  second.Say(ConsoleMessage::kInput, "two");
  second.Say(ConsoleMessage::kEnd);
  EXPECT_EQ(runner.WaitForShim(), kShimDone);
  EXPECT_EQ(runner.Output(), "one two");
}

TEST(ShimConsoleTest, WhoTypesFasterThanTheTaskReadsWaits) {
  ShimRunner runner;
  TaskSpec spec = runner.ShellSpec("echo > $FIFO; exec sleep 1000");
  spec.console = ConsoleKind::kPipe;
  runner.Start(spec);
  runner.ReadFifo();
  const Attached attached(runner);
  int messages = 0;
  while (!attached.IsFull() && messages < 10'000) ++messages;
  EXPECT_LT(messages, 10'000);
  runner.Stop(0);  // signals are heard all the same
  EXPECT_EQ(runner.WaitForShim(), kShimDone);
  EXPECT_EQ(runner.Record(StatusKind::kEnd)->cause, EndCause::kStopped);
}

TEST(ShimConsoleTest, OnlyTheOwnerMayOpenTheConsole) {
  ShimRunner runner;
  TaskSpec spec = runner.ShellSpec("echo > $FIFO; cat");
  spec.console = ConsoleKind::kPipe;
  runner.Start(spec);
  runner.ReadFifo();
  struct stat info = {};
  ASSERT_EQ(stat(runner.path(kConsoleFileName).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const Attached attached(runner);
  attached.Say(ConsoleMessage::kEnd);
  runner.WaitForShim();
}

TEST(ShimConsoleTest, ATimeLimitHoldsWithAConsole) {
  ShimRunner runner;
  TaskSpec spec = runner.ShellSpec("exec sleep 1000");
  spec.console = ConsoleKind::kTerminal;
  spec.time_limit_ms = 100;
  EXPECT_EQ(runner.Run(spec).cause, EndCause::kTimeLimit);
}

TEST(ShimConsoleTest, AShimWithAConsoleIsSmall) {
  ShimRunner runner;
  TaskSpec spec = runner.ShellSpec("seq 10000; echo > $FIFO; exec cat");
  spec.console = ConsoleKind::kTerminal;
  runner.Start(spec);
  runner.ReadFifo();
  std::ifstream status("/proc/" + std::to_string(runner.pid()) + "/status");
  long resident_kb = 0;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) resident_kb = std::stol(line.substr(6));
  }
  EXPECT_GT(resident_kb, 0);
  EXPECT_LE(resident_kb, 1024);
  runner.Stop(0);
  runner.WaitForShim();
}

}  // namespace
}  // namespace berth::shim
