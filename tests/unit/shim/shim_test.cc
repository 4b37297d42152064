// The shim itself, as a process, on real tasks.
#include <errno.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "shim/lease_file.h"
#include "shim/shim_protocol.h"
#include "tests/unit/shim/shim_runner.h"

namespace berth::shim {
namespace {

using testing::IsRunning;
using testing::ShimRunner;

TEST(ShimTest, HoldsTheExitCode) {
  ShimRunner runner;
  const StatusRecord end = runner.Run(runner.ShellSpec("exit 3"));
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_EQ(end.signal, 0);
  EXPECT_EQ(end.cause, EndCause::kItself);
  EXPECT_EQ(end.killed, 0u);
}

TEST(ShimTest, TellsASignalFromAnExitCode) {
  ShimRunner runner;
  const StatusRecord end = runner.Run(runner.ShellSpec("kill -SEGV $$"));
  EXPECT_EQ(end.signal, SIGSEGV);
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_EQ(end.cause, EndCause::kItself);
}

TEST(ShimTest, KeepsOutputAndErrorApartAndAppends) {
  ShimRunner runner;
  std::ofstream(runner.path("stdout")) << "before\n";
  runner.Run(runner.ShellSpec("echo out; echo err >&2"));
  EXPECT_EQ(runner.Output(), "before\nout\n");
  EXPECT_EQ(runner.ErrorOutput(), "err\n");
}

TEST(ShimTest, GivesTheTaskItsArgumentsEnvironmentDirectoryAndUmask) {
  ShimRunner runner;
  TaskSpec spec = runner.ShellSpec("");
  spec.arguments = {"sh", "-c", "echo \"$1|$GREETING|$PWD|$(umask)|$HOME\"", "sh", "a b"};
  spec.environment = {"PATH=/nowhere:/usr/bin:/bin", "GREETING=hello there"};
  spec.working_directory = "/usr";
  spec.umask = 027;
  runner.Run(spec);
  EXPECT_EQ(runner.Output(), "a b|hello there|/usr|0027|\n");
}

TEST(ShimTest, ReadsNothingFromTheAgentsStandardInput) {
  ShimRunner runner;
  runner.Run(runner.ShellSpec("cat; readlink /proc/self/fd/0; ls /proc/self/fd | wc -l"));
  // 0, 1, 2 and the directory that ls itself reads: no descriptor of the shim leaks into the task.
  EXPECT_EQ(runner.Output(), "/dev/null\n4\n");
}

TEST(ShimTest, ReportsTheStartBeforeTheEnd) {
  ShimRunner runner;
  runner.Start(runner.ShellSpec("read line < $FIFO; exit 5"));
  const StatusRecord start = runner.WaitForNotice();
  EXPECT_EQ(start.kind, StatusKind::kStart);
  EXPECT_EQ(start.step, StartStep::kStarted);
  EXPECT_EQ(start.shim_pid, runner.pid());
  EXPECT_TRUE(IsRunning(start.task_pid));
  EXPECT_TRUE(runner.Record(StatusKind::kShim).has_value());
  EXPECT_TRUE(runner.Record(StatusKind::kStart).has_value());
  EXPECT_FALSE(runner.Record(StatusKind::kEnd).has_value());
  EXPECT_FALSE(runner.LockIsFree());
  std::ofstream(runner.FifoPath()) << "go\n";
  EXPECT_EQ(runner.WaitForShim(), kShimDone);
  EXPECT_TRUE(runner.LockIsFree());
  const auto end = runner.Record(StatusKind::kEnd);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->exit_code, 5);
  EXPECT_EQ(end->task_pid, start.task_pid);
  EXPECT_GE(end->boot_ms, start.boot_ms);
}

TEST(ShimTest, EndsWithoutAReaderOfItsNotices) {
  // As under an agent that was killed: the write fails with EPIPE, and the task goes on.
  ShimRunner runner;
  runner.CloseNotices();
  EXPECT_EQ(runner.Run(runner.ShellSpec("exit 6")).exit_code, 6);
}

struct CannotStart {
  const char* name;
  void (*change)(TaskSpec& spec, ShimRunner& runner);
  StartStep step;
  int error;
};

class ShimCannotStartTest : public ::testing::TestWithParam<CannotStart> {};

TEST_P(ShimCannotStartTest, NamesTheStepAndTheError) {
  ShimRunner runner;
  TaskSpec spec = runner.ShellSpec("exit 0");
  GetParam().change(spec, runner);
  runner.Start(spec);
  const StatusRecord start = runner.WaitForNotice();
  EXPECT_EQ(start.step, GetParam().step);
  EXPECT_EQ(start.error, GetParam().error);
  EXPECT_EQ(runner.WaitForShim(), kShimDone);
  EXPECT_FALSE(runner.Record(StatusKind::kEnd).has_value());
  EXPECT_EQ(runner.Record(StatusKind::kStart)->error, GetParam().error);
}

void WriteProgram(const std::string& path, const std::string& text, mode_t mode) {
  std::ofstream(path) << text;
  ASSERT_EQ(chmod(path.c_str(), mode), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Reasons, ShimCannotStartTest,
    ::testing::Values(
        CannotStart{"NameNotInPath",
                    [](TaskSpec& s, ShimRunner&) { s.arguments = {"no-such-program"}; },
                    StartStep::kFindProgram, ENOENT},
        CannotStart{"EmptyName", [](TaskSpec& s, ShimRunner&) { s.arguments = {""}; },
                    StartStep::kFindProgram, ENOENT},
        CannotStart{"PathMissing", [](TaskSpec& s, ShimRunner&) { s.arguments = {"./nothing"}; },
                    StartStep::kExecute, ENOENT},
        CannotStart{"NotExecutable",
                    [](TaskSpec& s, ShimRunner& r) {
                      WriteProgram(r.path("plain"), "#!/bin/sh\n", 0644);
                      s.arguments = {r.path("plain")};
                    },
                    StartStep::kExecute, EACCES},
        CannotStart{"NotExecutableInPath",
                    [](TaskSpec& s, ShimRunner& r) {
                      WriteProgram(r.path("plain"), "#!/bin/sh\n", 0644);
                      s.arguments = {"plain"};
                      s.environment = {"PATH=" + r.path(".")};
                    },
                    StartStep::kExecute, EACCES},
        CannotStart{"NoInterpreterLine",
                    [](TaskSpec& s, ShimRunner& r) {
                      WriteProgram(r.path("odd"), "just text\n", 0755);
                      s.arguments = {r.path("odd")};
                    },
                    StartStep::kExecute, ENOEXEC},
        CannotStart{"InterpreterMissing",
                    [](TaskSpec& s, ShimRunner& r) {
                      WriteProgram(r.path("odd"), "#!/no/such/shell\n", 0755);
                      s.arguments = {r.path("odd")};
                    },
                    StartStep::kExecute, ENOENT},
        CannotStart{"DirectoryMissing",
                    [](TaskSpec& s, ShimRunner&) { s.working_directory = "/no/such/place"; },
                    StartStep::kWorkingDirectory, ENOENT},
        CannotStart{"DirectoryIsAFile",
                    [](TaskSpec& s, ShimRunner&) { s.working_directory = "/etc/passwd"; },
                    StartStep::kWorkingDirectory, ENOTDIR},
        CannotStart{"OutputCannotBeMade",
                    [](TaskSpec& s, ShimRunner&) { s.output_path = "/no/such/place/out"; },
                    StartStep::kOpenOutput, ENOENT},
        CannotStart{"CgroupMissing",
                    [](TaskSpec& s, ShimRunner&) { s.cgroup_procs = {"/no/cgroup.procs"}; },
                    StartStep::kJoinCgroup, ENOENT}),
    [](const auto& each) { return std::string(each.param.name); });

TEST(ShimTest, PrefersAnExecutableLaterInPathOverOneThatIsNot) {
  ShimRunner runner;
  ASSERT_EQ(mkdir(runner.path("first").c_str(), 0755), 0);
  ASSERT_EQ(mkdir(runner.path("second").c_str(), 0755), 0);
  WriteProgram(runner.path("first/tool"), "#!/bin/sh\nexit 1\n", 0644);
  WriteProgram(runner.path("second/tool"), "#!/bin/sh\nexit 6\n", 0755);
  TaskSpec spec = runner.ShellSpec("");
  spec.arguments = {"tool"};
  spec.environment = {"PATH=" + runner.path("first") + ":" + runner.path("second")};
  EXPECT_EQ(runner.Run(spec).exit_code, 6);
}

TEST(ShimTest, RefusesADamagedSpec) {
  ShimRunner runner;
  TaskSpec spec = runner.ShellSpec("exit 0");
  spec.arguments.clear();  // encodes, and is refused by the shim
  runner.Start(spec);
  EXPECT_EQ(runner.WaitForShim(), kShimBadSpec);
  EXPECT_FALSE(runner.Record(StatusKind::kShim).has_value());
}

TEST(ShimTest, StopsWithTermAndReportsHowTheTaskTookIt) {
  ShimRunner runner;
  runner.Start(runner.ShellSpec(
      "trap 'exit 9' TERM; echo ready > $FIFO; while :; do sleep 60 & wait $!; done"));
  EXPECT_EQ(runner.ReadFifo(), "ready\n");
  runner.Stop(60'000);
  EXPECT_EQ(runner.WaitForShim(), kShimDone);
  const StatusRecord end = *runner.Record(StatusKind::kEnd);
  EXPECT_EQ(end.cause, EndCause::kStopped);
  EXPECT_EQ(end.exit_code, 9);
  EXPECT_EQ(end.signal, 0);
}

TEST(ShimTest, KillsWhatIgnoresTermAfterTheGrace) {
  ShimRunner runner;
  runner.Start(runner.ShellSpec("trap '' TERM; echo ready > $FIFO; while :; do sleep 60; done"));
  EXPECT_EQ(runner.ReadFifo(), "ready\n");
  runner.Stop(100);
  EXPECT_EQ(runner.WaitForShim(), kShimDone);
  const StatusRecord end = *runner.Record(StatusKind::kEnd);
  EXPECT_EQ(end.cause, EndCause::kStopped);
  EXPECT_EQ(end.signal, SIGKILL);
  EXPECT_GE(end.boot_ms - runner.Record(StatusKind::kStart)->boot_ms, 100);
}

TEST(ShimTest, KillsAtOnceWithoutGrace) {
  ShimRunner runner;
  runner.Start(
      runner.ShellSpec("trap 'exit 9' TERM; echo ready > $FIFO; while :; do sleep 60; done"));
  EXPECT_EQ(runner.ReadFifo(), "ready\n");
  runner.Stop(0);
  EXPECT_EQ(runner.WaitForShim(), kShimDone);
  EXPECT_EQ(runner.Record(StatusKind::kEnd)->signal, SIGKILL);
}

TEST(ShimTest, ASecondStopBringsTheEndNearer) {
  ShimRunner runner;
  runner.Start(runner.ShellSpec("trap '' TERM; echo ready > $FIFO; while :; do sleep 60; done"));
  EXPECT_EQ(runner.ReadFifo(), "ready\n");
  runner.Stop(3'600'000);
  runner.Stop(0);
  EXPECT_EQ(runner.WaitForShim(), kShimDone);
  EXPECT_EQ(runner.Record(StatusKind::kEnd)->signal, SIGKILL);
}

TEST(ShimTest, TakesTheSpecsGraceFromAPlainKill) {
  ShimRunner runner;
  TaskSpec spec = runner.ShellSpec("trap '' TERM; echo ready > $FIFO; while :; do sleep 60; done");
  spec.grace_ms = 50;
  runner.Start(spec);
  EXPECT_EQ(runner.ReadFifo(), "ready\n");
  ASSERT_EQ(kill(runner.pid(), SIGTERM), 0);
  EXPECT_EQ(runner.WaitForShim(), kShimDone);
  EXPECT_EQ(runner.Record(StatusKind::kEnd)->signal, SIGKILL);
}

TEST(ShimTest, EndsATaskAtItsTimeLimit) {
  ShimRunner runner;
  TaskSpec spec = runner.ShellSpec("sleep 600");
  spec.time_limit_ms = 50;
  spec.grace_ms = 60'000;
  const StatusRecord end = runner.Run(spec);
  EXPECT_EQ(end.cause, EndCause::kTimeLimit);
  EXPECT_EQ(end.signal, SIGTERM);
  EXPECT_GE(end.boot_ms - runner.Record(StatusKind::kStart)->boot_ms, 50);
}

// The test is the agent that renews the lease, or does not.
class FencedShimTest : public ::testing::Test {
 protected:
  // A lease that ends soon, yet not before the shim has started the task.
  static constexpr int64_t kSoonMs = 2'000;

  int64_t Now() const { return clock_.MonotonicMs(); }
  void Write(const Lease& lease) { ASSERT_EQ(WriteLease(lease_.get(), lease), 0); }
  // Of a task that was accepted under the lease that lasts `until`.
  TaskSpec Fenced(const std::string& command, int64_t grace_ms, int64_t until) const {
    TaskSpec spec = runner_.ShellSpec(command);
    spec.lease_path = path_;
    spec.lease_until_ms = until;
    spec.grace_ms = grace_ms;
    return spec;
  }
  void ExpectNotStarted(int64_t until) {
    runner_.Start(Fenced("echo ran", 0, until));
    EXPECT_EQ(runner_.WaitForNotice().step, StartStep::kLeaseEnded);
    EXPECT_EQ(runner_.WaitForShim(), kShimDone);
    EXPECT_EQ(runner_.Record(StatusKind::kStart)->step, StartStep::kLeaseEnded);
    EXPECT_FALSE(runner_.Record(StatusKind::kEnd).has_value());
    EXPECT_EQ(runner_.Output(), "");
  }

  base::SystemClock clock_;
  ShimRunner runner_;
  const std::string path_ = runner_.path(kLeaseFileName);
  const base::UniqueFd lease_{OpenLease(path_.c_str())};
  const int64_t began_ = Now();
  const int64_t soon_ = began_ + kSoonMs;
  const int64_t never_ = began_ + 3'600'000;
};

TEST_F(FencedShimTest, EndsItsTaskWhenTheLeaseEnds) {
  Write({began_, soon_});
  const StatusRecord end = runner_.Run(Fenced("exec sleep 600", 3'600'000, soon_));
  EXPECT_EQ(end.cause, EndCause::kLeaseEnded);
  EXPECT_EQ(end.signal, SIGTERM);
  EXPECT_GE(end.boot_ms, soon_);
}

TEST_F(FencedShimTest, KillsItAfterItsGrace) {
  Write({began_, soon_});
  const StatusRecord end =
      runner_.Run(Fenced("trap '' TERM; while :; do sleep 60; done", 100, soon_));
  EXPECT_EQ(end.cause, EndCause::kLeaseEnded);
  EXPECT_EQ(end.signal, SIGKILL);
  EXPECT_GE(end.boot_ms, soon_ + 100);
}

TEST_F(FencedShimTest, GoesOnWhenTheLeaseIsRenewed) {
  Write({began_, soon_});
  runner_.Start(Fenced("read line < $FIFO; exit 5", 0, soon_));
  EXPECT_EQ(runner_.WaitForNotice().step, StartStep::kStarted);
  Write({began_, never_});
  while (Now() <= soon_) usleep(1000);
  std::ofstream(runner_.FifoPath()) << "go\n";
  EXPECT_EQ(runner_.WaitForShim(), kShimDone);
  EXPECT_EQ(runner_.Record(StatusKind::kEnd)->cause, EndCause::kItself);
  EXPECT_EQ(runner_.Record(StatusKind::kEnd)->exit_code, 5);
}

// As when the machine was suspended, or the shim stopped: by now, others may have its task.
TEST_F(FencedShimTest, EndsItsTaskWhenAnotherLeaseHasBegun) {
  Write({began_, soon_});
  runner_.Start(Fenced("trap '' TERM; while :; do sleep 60; done", 0, soon_));
  EXPECT_EQ(runner_.WaitForNotice().step, StartStep::kStarted);
  Write({soon_ + 1, never_});
  EXPECT_EQ(runner_.WaitForShim(), kShimDone);
  EXPECT_EQ(runner_.Record(StatusKind::kEnd)->cause, EndCause::kLeaseEnded);
}

TEST_F(FencedShimTest, ALeaseThatCannotBeReadIsNotRenewed) {
  Write({began_, never_});
  runner_.Start(Fenced("exec sleep 600", 3'600'000, soon_));
  EXPECT_EQ(runner_.WaitForNotice().step, StartStep::kStarted);
  ASSERT_EQ(unlink(path_.c_str()), 0);
  EXPECT_EQ(runner_.WaitForShim(), kShimDone);
  EXPECT_EQ(runner_.Record(StatusKind::kEnd)->cause, EndCause::kLeaseEnded);
}

TEST_F(FencedShimTest, DoesNotStartATaskWhoseLeaseHasEnded) {
  Write({began_ - 10, began_});
  ExpectNotStarted(began_);
}

TEST_F(FencedShimTest, DoesNotStartATaskUnderAnotherLease) {
  Write({began_, never_});
  ExpectNotStarted(began_ - 1);
}

TEST_F(FencedShimTest, DoesNotStartATaskWhenTheLeaseIsGone) {
  ASSERT_EQ(unlink(path_.c_str()), 0);
  ExpectNotStarted(began_);
}

TEST_F(FencedShimTest, StartsATaskThatWaitedWhileTheLeaseWasRenewed) {
  Write({began_ - 100, never_});
  EXPECT_EQ(runner_.Run(Fenced("exit 7", 0, began_ - 50)).exit_code, 7);
}

TEST_F(FencedShimTest, AStopThatCameFirstStaysTheCauseAndIsBroughtNearer) {
  Write({began_, soon_});
  runner_.Start(Fenced("trap '' TERM; echo ready > $FIFO; while :; do sleep 60; done", 50, soon_));
  EXPECT_EQ(runner_.ReadFifo(), "ready\n");
  runner_.Stop(3'600'000);
  EXPECT_EQ(runner_.WaitForShim(), kShimDone);
  EXPECT_EQ(runner_.Record(StatusKind::kEnd)->cause, EndCause::kStopped);
  EXPECT_EQ(runner_.Record(StatusKind::kEnd)->signal, SIGKILL);
}

TEST(ShimTest, KillsWhatTheMainProcessLeavesBehind) {
  ShimRunner runner;
  // Double-forked into a session of its own, deaf to TERM and HUP: what a daemon does.
  const StatusRecord end = runner.Run(runner.ShellSpec(
      "setsid sh -c \"trap '' TERM HUP; (sleep 600 & echo \\$! > $FIFO.pid; echo > $FIFO; wait)\" &"
      "read line < $FIFO; exit 4"));
  EXPECT_EQ(end.exit_code, 4);
  EXPECT_GE(end.killed, 1u);
  EXPECT_EQ(end.stuck, 0u);
  std::ifstream pid_file(runner.FifoPath() + ".pid");
  pid_t pid = 0;
  pid_file >> pid;
  ASSERT_GT(pid, 0);
  EXPECT_FALSE(IsRunning(pid));
}

TEST(ShimTest, ItsTaskDiesWithAShimThatIsKilled) {
  // The orphan becomes ours, so that its end can be waited for.
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  ShimRunner runner;
  runner.Start(runner.ShellSpec("exec sleep 600"));
  const StatusRecord start = runner.WaitForNotice();
  ASSERT_EQ(kill(runner.pid(), SIGKILL), 0);
  EXPECT_EQ(runner.WaitForShim(), -SIGKILL);
  int status = 0;
  ASSERT_EQ(waitpid(start.task_pid, &status, 0), start.task_pid);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_FALSE(runner.Record(StatusKind::kEnd).has_value());
  EXPECT_TRUE(runner.LockIsFree());
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST(ShimTest, AddsUpProcessorTimeAndPeakMemory) {
  ShimRunner runner;
  const StatusRecord end = runner.Run(
      runner.ShellSpec("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sh -c 'exit 0'"));
  EXPECT_GT(end.cpu_user_us + end.cpu_system_us, 1000);
  EXPECT_GT(end.memory_peak_bytes, 256 * 1024);
}

TEST(ShimTest, StaysUnderAMebibyte) {
  ShimRunner runner;
  runner.Start(runner.ShellSpec("read line < $FIFO"));
  runner.WaitForNotice();
  std::ifstream smaps("/proc/" + std::to_string(runner.pid()) + "/smaps_rollup");
  std::string word;
  long rss_kib = -1;
  while (smaps >> word) {
    if (word == "Rss:") smaps >> rss_kib;
  }
  EXPECT_GT(rss_kib, 0);
  EXPECT_LE(rss_kib, 1024);
  std::ofstream(runner.FifoPath()) << "go\n";
  EXPECT_EQ(runner.WaitForShim(), kShimDone);
}

TEST(ShimTest, RunsTheTaskAsItsUser) {
  if (geteuid() != 0) GTEST_SKIP() << "changing the user needs root";
  ShimRunner runner;
  TaskSpec spec = runner.ShellSpec("id -u; id -g; id -G; echo again >> /dev/stdout");
  spec.user = TaskUser{65534, 65533, {65533, 4242}};
  spec.working_directory = "/";
  EXPECT_EQ(runner.Run(spec).exit_code, 0);
  EXPECT_EQ(runner.Output(), "65534\n65533\n65533 4242\nagain\n");
  struct stat info = {};
  ASSERT_EQ(stat(runner.path("stdout").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 65534u);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST(ShimTest, EntersTheDirectoryAsTheUser) {
  if (geteuid() != 0) GTEST_SKIP() << "changing the user needs root";
  ShimRunner runner;
  ASSERT_EQ(mkdir(runner.path("private").c_str(), 0700), 0);
  TaskSpec spec = runner.ShellSpec("exit 0");
  spec.user = TaskUser{65534, 65534, {}};
  spec.working_directory = runner.path("private");
  runner.Start(spec);
  const StatusRecord start = runner.WaitForNotice();
  EXPECT_EQ(start.step, StartStep::kWorkingDirectory);
  EXPECT_EQ(start.error, EACCES);
  EXPECT_EQ(runner.WaitForShim(), kShimDone);
}

}  // namespace
}  // namespace berth::shim
