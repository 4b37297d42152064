// The agent as a process, with real tasks, against a daemon in this process.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "agentd/attempt_store.h"
#include "agentd/cgroups/cgroup_tree.h"
#include "base/clock.h"
#include "base/small_file.h"
#include "base/unique_fd.h"
#include "berth/resources.h"
#include "shim/lease_file.h"
#include "shim/shim_protocol.h"
#include "tests/unit/agentd/agent_process.h"

namespace berth::agentd {
namespace {

using berth::testing::AgentProcess;
using berth::testing::FakeDaemon;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

constexpr AttemptKey kKey{12, 0, 3, 1};

class AgentProcessTest : public ::testing::Test {
 protected:
  // Runs a command to its end.
  v1::AttemptEnded Run(const v1::StartTask& task) {
    daemon().SendStart(task);
    return daemon().WaitForEnd(FromProto(task.key()));
  }
  v1::AttemptEnded Run(const std::string& command) { return Run(FakeDaemon::Task(kKey, command)); }

  // A task that says that it is there by making a fifo's reader wait, and ends with `code` once the
  // test writes to `go`.
  v1::StartTask Waiting(const AttemptKey& key, int code) {
    const std::string go = agent_.path("go-" + ToString(key));
    EXPECT_EQ(mkfifo(go.c_str(), 0666), 0);
    return FakeDaemon::Task(key, "read line < '" + go + "'; exit " + std::to_string(code));
  }
  void LetGo(const AttemptKey& key) { std::ofstream(agent_.path("go-" + ToString(key))) << "go\n"; }

  FakeDaemon& daemon() { return agent_.daemon(); }
  AttemptStore store() const { return {agent_.state_dir(), clock_}; }

  base::SystemClock clock_;
  AgentProcess agent_;
};

// ---- registering ----

TEST_F(AgentProcessTest, RegistersWhatTheNodeHas) {
  agent_.Set("inventory", "{cpu: 2, memory: 512Mi, labels: {zone: a}}");
  const v1::Hello hello = agent_.Start();
  EXPECT_EQ(hello.node(), "node-a");
  EXPECT_FALSE(hello.incarnation().empty());
  EXPECT_EQ(hello.inventory().capacity().cpu_milli(), 2000);
  EXPECT_EQ(hello.inventory().capacity().memory_bytes(), 512 << 20);
  // One CPU stays for those that share, where CPUs can be kept apart.
  EXPECT_EQ(hello.inventory().capacity().extended().count(kDedicatedCpus), 1u);
  EXPECT_LE(hello.inventory().capacity().extended().at(kDedicatedCpus), 2);
  EXPECT_EQ(hello.inventory().labels().at("zone"), "a");
  EXPECT_EQ(hello.inventory().labels().count("berth/kernel"), 1u);
  EXPECT_EQ(hello.inventory().isolation(), agent_.has_cgroups() ? "cgroup-v1" : "none");
  EXPECT_EQ(hello.attempts_size(), 0);
}

TEST_F(AgentProcessTest, TellsOfItsOwnAndItsTasksUse) {
  daemon().set_heartbeat_interval_ms(50);
  agent_.Start();
  const v1::Heartbeat first =
      daemon().WaitForHeartbeat([](const v1::Heartbeat& each) { return each.sequence() == 1; });
  EXPECT_GT(first.usage().memory_bytes(), 0);
  EXPECT_GT(first.boot_time_ms(), 0);
  if (!agent_.has_cgroups()) GTEST_SKIP() << "use of tasks needs cgroups";
  daemon().SendStart(FakeDaemon::Task(kKey, "i=0; while :; do i=$((i+1)); done"));
  const v1::Heartbeat heartbeat = daemon().WaitForHeartbeat([](const v1::Heartbeat& each) {
    return each.attempts_size() > 0 && each.attempts(0).usage().cpu_time_ms() > 0;
  });
  EXPECT_EQ(FromProto(heartbeat.attempts(0).key()), kKey);
  EXPECT_GT(heartbeat.attempts(0).usage().memory_bytes(), 0);
}

TEST_F(AgentProcessTest, RegistersAChangedInventoryAfterSighup) {
  agent_.Start();
  agent_.Set("inventory", "{cpu: 3}");
  agent_.WriteConfig();
  agent_.Signal(SIGHUP);
  // It is told in the session; a new session shows it too, and is easier to wait for.
  agent_.WaitForLog("agent.yaml again");
  daemon().Stop();
  daemon().Start();
  EXPECT_EQ(daemon().WaitForSession().inventory().capacity().cpu_milli(), 3000);
}

// ---- running ----

TEST_F(AgentProcessTest, RunsATaskAndTellsOfEachStep) {
  agent_.Start();
  const v1::AttemptEnded ended = Run("exit 3");
  EXPECT_EQ(ended.end(), v1::ATTEMPT_END_EXITED);
  EXPECT_EQ(ended.reason(), v1::REASON_CODE_EXITED);
  EXPECT_EQ(ended.exit_code(), 3);
  EXPECT_FALSE(ended.has_signal());
  EXPECT_GT(ended.usage().memory_peak_bytes(), 0);
  EXPECT_GT(ended.started_unix_ms(), 0);
  EXPECT_GE(ended.ended_unix_ms(), ended.started_unix_ms());
  const auto facts = daemon().Facts(kKey);
  ASSERT_EQ(facts.size(), 3u);
  EXPECT_TRUE(facts[0].has_accepted());
  EXPECT_GT(facts[1].started().pid(), 0);
  EXPECT_EQ(facts[1].started().isolation(), agent_.has_cgroups() ? "cgroup-v1" : "none");
  EXPECT_TRUE(facts[2].has_ended());
}

TEST_F(AgentProcessTest, TellsWhichSignalKilledATask) {
  agent_.Start();
  const v1::AttemptEnded ended = Run("kill -SEGV $$");
  EXPECT_EQ(ended.reason(), v1::REASON_CODE_KILLED_BY_SIGNAL);
  EXPECT_EQ(ended.signal(), SIGSEGV);
  EXPECT_FALSE(ended.has_exit_code());
}

TEST_F(AgentProcessTest, RunsManyAtOnce) {
  agent_.Start();
  std::vector<v1::StartTask> tasks;
  for (uint32_t i = 0; i < 200; ++i) {
    tasks.push_back(FakeDaemon::Task({7, 0, i, 1}, "exit " + std::to_string(i % 100)));
  }
  daemon().SendStarts(tasks);
  for (uint32_t i = 0; i < 200; ++i) {
    EXPECT_EQ(daemon().WaitForEnd({7, 0, i, 1}).exit_code(), static_cast<int>(i % 100));
  }
}

TEST_F(AgentProcessTest, WritesAScriptAndRunsIt) {
  agent_.Start();
  v1::StartTask task = FakeDaemon::Task(kKey, "");
  task.mutable_payload()->clear_command();
  task.mutable_payload()->set_script("#!/bin/sh\necho \"$0 says $1\"; pwd; exit 7\n");
  task.mutable_payload()->add_command("hello");
  task.mutable_payload()->clear_working_directory();
  EXPECT_EQ(Run(task).exit_code(), 7);
  EXPECT_EQ(daemon().ReadOutput(kKey, true).stdout_text,
            store().Paths(kKey).script + " says hello\n" + store().Paths(kKey).scratch + "\n");
}

TEST_F(AgentProcessTest, RunsATaskAsTheUserItIsOf) {
  if (geteuid() != 0) GTEST_SKIP() << "changing the user needs root";
  agent_.Start();
  v1::StartTask task = FakeDaemon::Task(kKey, "id -u; id -g; echo $HOME; touch mine; ls -n mine");
  task.mutable_run_as()->set_uid(65534);
  task.mutable_run_as()->set_gid(65534);
  task.mutable_payload()->clear_working_directory();
  EXPECT_EQ(Run(task).exit_code(), 0);
  const std::string output = daemon().ReadOutput(kKey, true).stdout_text;
  EXPECT_THAT(output, HasSubstr("65534\n65534\n"));
  EXPECT_THAT(output, HasSubstr("65534 65534 0"));
}

TEST_F(AgentProcessTest, RefusesATaskOfRootUnlessAllowed) {
  if (geteuid() != 0) GTEST_SKIP() << "only an agent of root can run tasks as root";
  agent_.Set("allowRoot", "false");
  agent_.Start();
  const v1::AttemptEnded ended = Run("exit 0");
  EXPECT_EQ(ended.end(), v1::ATTEMPT_END_COULD_NOT_START);
  EXPECT_EQ(ended.reason(), v1::REASON_CODE_USER_NOT_ALLOWED);
  EXPECT_THAT(ended.message(), HasSubstr("allowRoot"));
  EXPECT_THAT(store().List(), IsEmpty());
}

TEST_F(AgentProcessTest, NamesWhatIsMissing) {
  agent_.Start();
  v1::StartTask task = FakeDaemon::Task(kKey, "");
  task.mutable_payload()->clear_command();
  task.mutable_payload()->add_command("no-such-program");
  v1::AttemptEnded ended = Run(task);
  EXPECT_EQ(ended.end(), v1::ATTEMPT_END_COULD_NOT_START);
  EXPECT_EQ(ended.reason(), v1::REASON_CODE_PROGRAM_NOT_FOUND);
  EXPECT_THAT(ended.message(), HasSubstr("\"no-such-program\""));
  EXPECT_EQ(daemon().Facts(kKey).size(), 2u);  // accepted, and never started

  const AttemptKey other{13, 0, 0, 1};
  task = FakeDaemon::Task(other, "exit 0");
  task.mutable_payload()->set_working_directory("/no/such/place");
  ended = Run(task);
  EXPECT_EQ(ended.reason(), v1::REASON_CODE_WORKING_DIRECTORY_MISSING);
  EXPECT_THAT(ended.message(), HasSubstr("\"/no/such/place\" does not exist"));
  EXPECT_THAT(store().List(), IsEmpty());
}

TEST_F(AgentProcessTest, TellsATaskKilledAtItsMemoryLimit) {
  if (!agent_.has_cgroups()) GTEST_SKIP() << berth::testing::OwnCgroupRoot::kWhyNot;
  agent_.Start();
  v1::StartTask task =
      FakeDaemon::Task(kKey, "exec python3 -c 'x = bytearray(400 * 1024 * 1024); print(len(x))'");
  const v1::AttemptEnded ended = Run(task);
  EXPECT_EQ(ended.end(), v1::ATTEMPT_END_OUT_OF_MEMORY);
  EXPECT_EQ(ended.reason(), v1::REASON_CODE_OUT_OF_MEMORY);
  EXPECT_EQ(ended.signal(), SIGKILL);
  EXPECT_THAT(ended.message(), HasSubstr("64Mi"));
}

TEST_F(AgentProcessTest, LeavesNoProcessBehind) {
  agent_.Start();
  const std::string marker = agent_.path("marker");
  const std::string tail = "tail -f /dev/null " + marker;
  const v1::AttemptEnded ended = Run("setsid sh -c \"trap '' TERM HUP; " + tail + " & " + tail +
                                     "\" & (" + tail + " &); echo; read line < /dev/zero & exit 5");
  EXPECT_EQ(ended.exit_code(), 5);
  EXPECT_EQ(AgentProcess::CountProcesses(marker), 0);
}

TEST_F(AgentProcessTest, StopsATaskWithTheEndThatWasAskedFor) {
  agent_.Start();
  daemon().SendStart(FakeDaemon::Task(kKey, "trap 'exit 9' TERM; while :; do sleep 0.01; done"));
  daemon().WaitForStart(kKey);
  daemon().SendStop(kKey, v1::ATTEMPT_END_PREEMPTED);
  const v1::AttemptEnded ended = daemon().WaitForEnd(kKey);
  EXPECT_EQ(ended.end(), v1::ATTEMPT_END_PREEMPTED);
}

TEST_F(AgentProcessTest, EndsATaskAtItsTimeLimit) {
  agent_.Start();
  v1::StartTask task = FakeDaemon::Task(kKey, "exec sleep 600");
  task.set_time_limit_ms(50);
  const v1::AttemptEnded ended = Run(task);
  EXPECT_EQ(ended.end(), v1::ATTEMPT_END_TIMED_OUT);
  EXPECT_EQ(ended.reason(), v1::REASON_CODE_TIME_LIMIT_REACHED);
  EXPECT_EQ(ended.message(), "reached its time limit of 50ms");
}

TEST_F(AgentProcessTest, AFencedTaskRunsAsLongAsBerthdAnswersAndNoLonger) {
  constexpr int64_t kIntervalMs = 500;  // the lease is four of them
  daemon().set_heartbeat_interval_ms(kIntervalMs);
  agent_.Start();
  v1::StartTask kept = FakeDaemon::Task({13, 0, 0, 1}, "exec sleep 600");
  v1::StartTask fenced = FakeDaemon::Task(kKey, "exec sleep 600");
  fenced.set_on_partition(v1::ON_PARTITION_KILL);
  daemon().SendStarts({kept, fenced});
  daemon().WaitForStart(FromProto(kept.key()));
  const auto pid = static_cast<pid_t>(daemon().WaitForStart(kKey).pid());
  daemon().WaitForHeartbeat([](const v1::Heartbeat& each) { return each.sequence() >= 8; });
  EXPECT_EQ(daemon().Facts(kKey).size(), 2u) << "accepted, started";

  daemon().Stop();
  AgentProcess::WaitUntil([&] { return kill(pid, 0) != 0; });
  daemon().Start();
  const v1::AttemptEnded ended = daemon().WaitForEnd(kKey);
  EXPECT_EQ(ended.end(), v1::ATTEMPT_END_LOST);
  EXPECT_EQ(ended.reason(), v1::REASON_CODE_NODE_LOST);
  EXPECT_EQ(daemon().Facts(FromProto(kept.key())).size(), 2u);
}

TEST_F(AgentProcessTest, TheLeaseGoesOnUnderTheNextAgent) {
  agent_.Start();
  const std::string path = agent_.state_dir() + "/" + shim::kLeaseFileName;
  AgentProcess::WaitUntil([&] { return shim::ReadLease(path.c_str()).until_ms != 0; });
  agent_.Kill();
  const shim::Lease before = shim::ReadLease(path.c_str());
  agent_.Start();
  AgentProcess::WaitUntil([&] { return shim::ReadLease(path.c_str()).until_ms > before.until_ms; });
  EXPECT_EQ(shim::ReadLease(path.c_str()).since_ms, before.since_ms);
}

// ---- output ----

TEST_F(AgentProcessTest, ServesOutputOfEachStreamApart) {
  agent_.Start();
  Run("echo out; echo err >&2");
  const FakeDaemon::Output output = daemon().ReadOutput(kKey, false);
  EXPECT_EQ(output.stdout_text, "out\n");
  EXPECT_EQ(output.stderr_text, "err\n");
  EXPECT_EQ(output.error, "");
  EXPECT_EQ(daemon().ReadOutput(kKey, false, 2).stdout_text, "t\n");
}

TEST_F(AgentProcessTest, ServesMuchOutputWhole) {
  agent_.Start();
  Run("i=0; while [ $i -lt 20000 ]; do echo \"line $i of a long output\"; i=$((i+1)); done");
  std::ostringstream expected;
  for (int i = 0; i < 20000; ++i) expected << "line " << i << " of a long output\n";
  EXPECT_EQ(daemon().ReadOutput(kKey, true).stdout_text, expected.str());
}

TEST_F(AgentProcessTest, FollowsOutputUntilTheAttemptEnds) {
  agent_.Start();
  const std::string go = agent_.path("go");
  ASSERT_EQ(mkfifo(go.c_str(), 0666), 0);
  daemon().SendStart(
      FakeDaemon::Task(kKey, "echo one; read line < '" + go + "'; echo two; exit 0"));
  std::string seen;
  daemon().FollowOutput(kKey, [&](const v1::OutputChunk& chunk) {
    EXPECT_EQ(chunk.offset(), static_cast<int64_t>(seen.size()));
    seen += chunk.data();
    if (seen == "one\n") std::ofstream(go) << "go\n";
    return true;
  });
  EXPECT_EQ(seen, "one\ntwo\n");
  EXPECT_EQ(daemon().WaitForEnd(kKey).exit_code(), 0);
}

TEST_F(AgentProcessTest, StopsServingWhenNobodyReadsAnyMore) {
  agent_.Start();
  daemon().SendStart(FakeDaemon::Task(kKey, "echo hello; exec sleep 600"));
  int pieces = 0;
  daemon().FollowOutput(kKey, [&](const v1::OutputChunk&) {
    ++pieces;
    return false;
  });
  EXPECT_EQ(pieces, 1);
  // The next one is served all the same.
  EXPECT_EQ(daemon().ReadOutput(kKey, false).stdout_text, "hello\n");
}

TEST_F(AgentProcessTest, AnAttemptWithoutOutputHasNone) {
  agent_.Start();
  Run("exit 0");
  const FakeDaemon::Output output = daemon().ReadOutput(kKey, true);
  EXPECT_EQ(output.stdout_text + output.stderr_text + output.error, "");
  daemon().SendForget(kKey);
  EXPECT_EQ(daemon().ReadOutput(kKey, false).error, "");
}

TEST_F(AgentProcessTest, SaysThatOutputIsGoneByAge) {
  agent_.Start();
  Run("echo hello");
  daemon().SendForget(kKey);
  Run(FakeDaemon::Task({13, 0, 0, 1}, "exit 0"));  // directives are taken in order
  agent_.Terminate();
  // As if it had ended on a day long gone.
  for (const auto& day : fs::directory_iterator(agent_.state_dir() + "/output")) {
    fs::rename(day.path(), agent_.state_dir() + "/output/1");
  }
  agent_.Start();
  AgentProcess::WaitUntil([&] { return !fs::exists(agent_.state_dir() + "/output/1"); });
  const FakeDaemon::Output output = daemon().ReadOutput(kKey, false);
  EXPECT_EQ(output.reason, v1::REASON_CODE_OUTPUT_UNAVAILABLE);
  EXPECT_THAT(output.error, HasSubstr("7 days"));
}

// ---- what must survive ----

TEST_F(AgentProcessTest, TasksGoOnWithoutTheirAgentAndTheirEndsArrive) {
  agent_.Start();
  const AttemptKey ends_meanwhile{1, 0, 0, 1}, ends_later{2, 0, 0, 1};
  daemon().SendStart(Waiting(ends_meanwhile, 5));
  daemon().SendStart(Waiting(ends_later, 6));
  daemon().WaitForStart(ends_meanwhile);
  const int64_t pid = daemon().WaitForStart(ends_later).pid();
  agent_.Kill();
  LetGo(ends_meanwhile);
  const std::string gone = "/proc/" + std::to_string(daemon().WaitForStart(ends_meanwhile).pid());
  AgentProcess::WaitUntil([&] { return !fs::exists(gone); });
  EXPECT_EQ(kill(static_cast<pid_t>(pid), 0), 0);

  const v1::Hello hello = agent_.Start();
  EXPECT_EQ(hello.cluster_id(), "cluster-1");
  EXPECT_EQ(hello.directive_sequence(), 2u);
  EXPECT_EQ(daemon().WaitForEnd(ends_meanwhile).exit_code(), 5);
  LetGo(ends_later);
  EXPECT_EQ(daemon().WaitForEnd(ends_later).exit_code(), 6);
  EXPECT_EQ(daemon().Facts(ends_later).size(), 3u);
}

TEST_F(AgentProcessTest, StopsATaskThatAnEarlierAgentStarted) {
  agent_.Start();
  daemon().SendStart(FakeDaemon::Task(kKey, "exec sleep 600"));
  daemon().WaitForStart(kKey);
  agent_.Kill();
  agent_.Start();
  daemon().SendStop(kKey);
  EXPECT_EQ(daemon().WaitForEnd(kKey).end(), v1::ATTEMPT_END_CANCELLED);
}

TEST_F(AgentProcessTest, KeepsTheEndThatWasAskedForAcrossKillNine) {
  agent_.Start();
  daemon().SendStart(FakeDaemon::Task(kKey, "trap '' TERM; echo; while :; do sleep 0.01; done"));
  daemon().FollowOutput(kKey, [](const v1::OutputChunk&) { return false; });
  daemon().SendStop(kKey, v1::ATTEMPT_END_DRAINED);
  // A fact that comes after the stop shows that the stop was taken in.
  Run(FakeDaemon::Task({99, 0, 0, 1}, "exit 0"));
  agent_.Kill();
  const v1::Hello hello = agent_.Start();
  ASSERT_GE(hello.attempts_size(), 1);
  EXPECT_EQ(hello.attempts(0).phase(), v1::ATTEMPT_PHASE_STOPPING);
  // Another stop may hurry it; why it ends stays as it was.
  daemon().SendStop(kKey, v1::ATTEMPT_END_CANCELLED, 0);
  const v1::AttemptEnded ended = daemon().WaitForEnd(kKey);
  EXPECT_EQ(ended.end(), v1::ATTEMPT_END_DRAINED);
  EXPECT_EQ(ended.signal(), SIGKILL);
}

TEST_F(AgentProcessTest, KeepsFactsWhileBerthdIsAway) {
  agent_.Start();
  daemon().SendStart(Waiting(kKey, 8));
  daemon().WaitForStart(kKey);
  daemon().Stop();
  LetGo(kKey);
  const std::string status = store().Directory(kKey) + "/status";
  // Tidied: its end is journalled.
  AgentProcess::WaitUntil([&] { return !fs::exists(status); });
  agent_.Kill();
  daemon().Start();
  agent_.Start();
  EXPECT_EQ(daemon().WaitForEnd(kKey).exit_code(), 8);
}

TEST_F(AgentProcessTest, SendsFactsAgainThatWereNotAcknowledged) {
  agent_.Start();
  daemon().set_acknowledge(false);
  daemon().SendStart(FakeDaemon::Task(kKey, "exit 4"));
  daemon().WaitForIgnoredFacts(3);
  daemon().Stop();
  daemon().set_acknowledge(true);
  daemon().Start();
  EXPECT_EQ(daemon().WaitForEnd(kKey).exit_code(), 4);
  EXPECT_EQ(daemon().Facts(kKey).size(), 3u);
}

TEST_F(AgentProcessTest, TellsOfManyEndsWithMuchToSayAfterBerthdWasAway) {
  agent_.Start();
  daemon().set_acknowledge(false);
  constexpr uint32_t kTasks = 60;
  std::vector<v1::StartTask> tasks;
  for (uint32_t i = 0; i < kTasks; ++i) {
    v1::StartTask task = FakeDaemon::Task({7, 0, i, 1}, "");
    task.mutable_payload()->clear_command();
    task.mutable_payload()->add_command(std::string(100 << 10, 'p'));
    (*task.mutable_payload()->mutable_environment())["PATH"] = "/" + std::string(100 << 10, 'd');
    tasks.push_back(task);
  }
  daemon().SendStarts(tasks);
  daemon().WaitForIgnoredFacts(2 * kTasks);
  daemon().Stop();
  daemon().set_acknowledge(true);
  daemon().Start();
  for (uint32_t i = 0; i < kTasks; ++i) {
    const v1::AttemptEnded ended = daemon().WaitForEnd({7, 0, i, 1});
    EXPECT_EQ(ended.reason(), v1::REASON_CODE_PROGRAM_NOT_FOUND);
    EXPECT_THAT(ended.message(), HasSubstr("is in none of the directories of PATH (/ddd"));
    EXPECT_LE(ended.message().size(), 1024u);
  }
}

TEST_F(AgentProcessTest, KeepsOutputWithinBoundsWhileBerthdIsAway) {
  agent_.Start();
  const std::string go = agent_.path("go");
  ASSERT_EQ(mkfifo(go.c_str(), 0666), 0);
  daemon().SendStart(FakeDaemon::Task(
      kKey, "read line < '" + go + "'; head -c 140000000 /dev/zero; exec sleep 600"));
  daemon().WaitForStart(kKey);
  daemon().Stop();
  std::ofstream(go) << "go\n";
  const std::string output = store().Paths(kKey).output;
  AgentProcess::WaitUntil([&] {
    struct stat info = {};
    return stat(output.c_str(), &info) == 0 && info.st_size == 140'000'000 &&
           int64_t{info.st_blocks} * 512 <= 2 * AttemptStore::kKeepOutputBytes;
  });
}

TEST_F(AgentProcessTest, RunsEachTaskExactlyOnceHoweverOftenItIsKilled) {
  agent_.Start();
  constexpr uint32_t kTasks = 120;
  const std::string runs = agent_.path("runs");
  std::vector<v1::StartTask> tasks;
  for (uint32_t i = 0; i < kTasks; ++i) {
    tasks.push_back(FakeDaemon::Task({7, 0, i, 1}, "echo " + std::to_string(i) + " >> '" + runs +
                                                       "'; sleep 0.0" + std::to_string(i % 10) +
                                                       "; exit " + std::to_string(i % 100)));
  }
  daemon().SendStarts(tasks);
  // Killed each time as soon as it has done something more; a pause would be a guess.
  for (uint32_t round = 0; round < 8; ++round) {
    daemon().WaitForStart({7, 0, round * 12, 1});
    agent_.Kill();
    agent_.Start();
  }
  for (uint32_t i = 0; i < kTasks; ++i) {
    EXPECT_EQ(daemon().WaitForEnd({7, 0, i, 1}).exit_code(), static_cast<int>(i % 100)) << i;
    EXPECT_EQ(daemon().Facts({7, 0, i, 1}).size(), 3u) << i;
  }
  std::map<uint32_t, int> times;
  std::ifstream in(runs);
  for (uint32_t index; in >> index;) ++times[index];
  EXPECT_EQ(times.size(), kTasks);
  for (const auto& [index, count] : times) EXPECT_EQ(count, 1) << index;
}

TEST_F(AgentProcessTest, LosesATaskWhoseShimWasKilled) {
  agent_.Start();
  const std::string marker = agent_.path("marker");
  daemon().SendStart(
      FakeDaemon::Task(kKey, "(setsid tail -f /dev/null " + marker + " &); echo; exec sleep 600"));
  daemon().FollowOutput(kKey, [](const v1::OutputChunk&) { return false; });
  const base::UniqueFd status(
      open((store().Directory(kKey) + "/status").c_str(), O_RDONLY | O_CLOEXEC));
  shim::StatusRecord note;
  ASSERT_EQ(pread(status.get(), &note, sizeof(note), 0), static_cast<ssize_t>(sizeof(note)));
  ASSERT_EQ(kill(note.shim_pid, SIGKILL), 0);
  const v1::AttemptEnded ended = daemon().WaitForEnd(kKey);
  EXPECT_EQ(ended.end(), v1::ATTEMPT_END_LOST);
  EXPECT_THAT(ended.message(), HasSubstr("was killed by signal 9"));
  if (!agent_.has_cgroups()) return;
  // A signal takes its time.
  AgentProcess::WaitUntil([&] { return AgentProcess::CountProcesses(marker) == 0; });
}

TEST_F(AgentProcessTest, LeavesATaskAloneWhoseSpecificationLiesInAnothersDirectory) {
  agent_.Start();
  const AttemptKey live{2, 0, 0, 1};
  daemon().SendStart(FakeDaemon::Task(kKey, "exec sleep 600"));
  daemon().SendStart(Waiting(live, 6));
  daemon().WaitForStart(kKey);
  daemon().WaitForStart(live);
  agent_.Kill();
  const base::UniqueFd status(
      open((store().Directory(kKey) + "/status").c_str(), O_RDONLY | O_CLOEXEC));
  shim::StatusRecord note;
  ASSERT_EQ(pread(status.get(), &note, sizeof(note), 0), static_cast<ssize_t>(sizeof(note)));
  ASSERT_EQ(kill(note.shim_pid, SIGKILL), 0);
  AgentProcess::WaitUntil([&] { return flock(status.get(), LOCK_EX | LOCK_NB) == 0; });
  ASSERT_EQ(flock(status.get(), LOCK_UN), 0);
  fs::copy_file(store().Directory(live) + "/spec", store().Directory(kKey) + "/spec",
                fs::copy_options::overwrite_existing);
  agent_.Start();
  EXPECT_EQ(daemon().WaitForEnd(kKey).end(), v1::ATTEMPT_END_LOST);
  LetGo(live);
  EXPECT_EQ(daemon().WaitForEnd(live).exit_code(), 6);
}

TEST_F(AgentProcessTest, LeavesItsTasksRunningWhenItIsTold) {
  agent_.Start();
  daemon().SendStart(Waiting(kKey, 2));
  const int64_t pid = daemon().WaitForStart(kKey).pid();
  EXPECT_EQ(agent_.Terminate(), 0);
  EXPECT_THAT(agent_.Log(), HasSubstr("1 attempts go on under their shims"));
  EXPECT_EQ(kill(static_cast<pid_t>(pid), 0), 0);
  agent_.Start();
  LetGo(kKey);
  EXPECT_EQ(daemon().WaitForEnd(kKey).exit_code(), 2);
}

TEST_F(AgentProcessTest, KillsWhatAnAgentWithAnotherJournalHadStarted) {
  agent_.Start();
  const std::string marker = agent_.path("marker");
  daemon().SendStart(FakeDaemon::Task(kKey, "exec tail -f /dev/null " + marker));
  daemon().WaitForStart(kKey);
  agent_.Kill();
  fs::remove(agent_.state_dir() + "/journal");
  // Another agent's sequences begin anew, and this daemon is not made for that: only look.
  daemon().Stop();
  daemon().Start();
  daemon().set_acknowledge(false);
  const v1::Hello hello = agent_.Start();
  EXPECT_EQ(hello.attempts_size(), 0);
  AgentProcess::WaitUntil([&] { return AgentProcess::CountProcesses(marker) == 0; });
  EXPECT_THAT(agent_.Log(), HasSubstr("the journal does not know it: killed"));
}

// ---- refusing to start ----

TEST_F(AgentProcessTest, IsAloneInItsStateDirectory) {
  agent_.Start();
  AgentProcess second;
  second.Set("stateDir", agent_.state_dir());
  EXPECT_EQ(second.StartAndWait(), 1);
  EXPECT_THAT(second.Log(),
              HasSubstr(agent_.state_dir() + " is in use by another berth-agent (pid"));
}

TEST_F(AgentProcessTest, IsAloneInItsCgroupRoot) {
  if (!agent_.has_cgroups()) GTEST_SKIP() << berth::testing::OwnCgroupRoot::kWhyNot;
  agent_.Set("cgroupRoot", "berth-test-shared-" + std::to_string(getpid()));
  agent_.Start();
  {
    AgentProcess second;
    second.Set("cgroupRoot", "berth-test-shared-" + std::to_string(getpid()));
    EXPECT_EQ(second.StartAndWait(), 1);
    EXPECT_THAT(second.Log(), HasSubstr("cgroupRoot"));
  }
  agent_.Terminate();
  CgroupTree tree;
  const CgroupV1Mounts mounts = ParseCgroupMounts(*base::ReadSmallFile("/proc/self/mountinfo")).v1;
  for (const std::string& mount :
       {mounts.freezer, mounts.cpu, mounts.cpuacct, mounts.memory, mounts.pids}) {
    EXPECT_TRUE(
        tree.RemoveDirectory(mount + "/berth-test-shared-" + std::to_string(getpid())).ok());
  }
}

TEST_F(AgentProcessTest, RefusesADamagedJournalAndSaysWhatToDo) {
  agent_.Start();
  Run("exit 0");
  agent_.Terminate();
  const std::string path = agent_.state_dir() + "/journal";
  std::string contents = *base::ReadSmallFile(path);
  contents[40] = static_cast<char>(contents[40] ^ 1);
  std::ofstream(path, std::ios::binary) << contents;
  EXPECT_EQ(agent_.StartAndWait(), 1);
  EXPECT_THAT(agent_.Log(), HasSubstr("journal " + path + " is damaged at byte 0"));
  EXPECT_THAT(agent_.Log(), HasSubstr("mv " + path));
}

TEST_F(AgentProcessTest, SaysWhenItsShimIsNotThere) {
  agent_.Set("shim", "/no/such/shim");
  EXPECT_EQ(agent_.StartAndWait(), 1);
  EXPECT_THAT(agent_.Log(), HasSubstr("the shim /no/such/shim is not there"));
}

TEST_F(AgentProcessTest, StaysAwayFromADaemonOfAnotherCluster) {
  agent_.Start();
  Run("exit 0");  // it has joined cluster-1
  agent_.Terminate();
  daemon().Stop();
  daemon().set_cluster_id("cluster-2");
  daemon().Start();
  agent_.Start();
  agent_.WaitForLog("of cluster \"cluster-2\"");
  EXPECT_THAT(agent_.Log(), HasSubstr("belongs to cluster \"cluster-1\""));
}

}  // namespace
}  // namespace berth::agentd
