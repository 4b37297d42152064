// What an agent finds of the attempts of an agent before it. The test is their shim: it holds the
// locks and writes the records.
#include "agentd/task_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "agentd/drivers/process_driver.h"
#include "base/clock.h"
#include "base/ipv4_subnet.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/agentd/few_descriptors.h"

namespace berth::agentd {
namespace {

using berth::testing::FewDescriptors;
using shim::StatusKind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Cgroups without a kernel: notes what it is told.
class NotedCgroups final : public Cgroups {
 public:
  std::string_view isolation() const override { return "cgroup-v1"; }
  CgroupPowers powers() const override { return {}; }
  absl::StatusOr<TaskCgroup> Take(const TaskLimits&) override { return TaskCgroup{}; }
  absl::StatusOr<TaskCgroup> Adopt(std::string_view name) override {
    adopted.emplace_back(name);
    TaskCgroup cgroup;
    cgroup.name = name;
    return cgroup;
  }
  void GiveBack(const TaskCgroup& cgroup, bool, uint32_t) override {
    if (!cgroup.name.empty()) given_back.push_back(cgroup.name);
  }
  CgroupUsage Usage(const TaskCgroup&) override { return {}; }
  std::vector<pid_t> Processes(const TaskCgroup&) override { return {}; }
  int Kill(const TaskCgroup& cgroup) override {
    if (!cgroup.name.empty()) killed.push_back(cgroup.name);
    return 0;
  }
  std::vector<std::string> RemoveLeftovers() override {
    ++cleanings;
    return {};
  }
  void Tidy() override {}

  std::vector<std::string> adopted;
  std::vector<std::string> given_back;
  std::vector<std::string> killed;
  int cleanings = 0;
};

class TaskRunnerTest : public ::testing::Test {
 protected:
  TaskRunnerTest() {
    EXPECT_TRUE(store_.Open().ok());
    EXPECT_TRUE(runner_.Open().ok());
  }
  ~TaskRunnerTest() override { users_.Stop(); }

  // Makes an attempt's directory; its status file is the caller's, as a shim's is.
  base::UniqueFd Attempt(const AttemptKey& key, const std::string& cgroup,
                         const AttemptKey& whose) {
    ProcessDriver::Prepared prepared;
    prepared.spec.arguments = {"true"};
    prepared.spec.output_path = store_.Paths(whose).output;
    prepared.spec.error_path = store_.Paths(whose).error;
    prepared.spec.kill_method = shim::KillMethod::kFreezerV1;
    prepared.spec.kill_directory = "/mount/berth/" + cgroup;
    auto status = store_.Write(key, prepared, v1::Payload(), {geteuid(), getegid(), false});
    EXPECT_TRUE(status.ok()) << status.status();
    return *std::move(status);
  }
  base::UniqueFd Attempt(const AttemptKey& key, const std::string& cgroup) {
    return Attempt(key, cgroup, key);
  }

  static void Note(const base::UniqueFd& status, StatusKind kind, pid_t shim_pid = getpid(),
                   uint32_t stuck = 0) {
    shim::StatusRecord record;
    record.kind = kind;
    record.shim_pid = shim_pid;
    record.stuck = stuck;
    shim::Seal(record);
    ASSERT_EQ(
        pwrite(status.get(), &record, sizeof(record), static_cast<off_t>(shim::SlotOffset(kind))),
        static_cast<ssize_t>(sizeof(record)));
  }

  // Runs the loop until something is reported that has not been seen.
  Event NextEvent() {
    RunUntil([&] { return seen_ < events_.size(); });
    return events_.at(seen_++);
  }

  void RunUntil(const std::function<bool()>& ready) {
    bool late = false;
    loop_.At(clock_.MonotonicMs() + 60'000, [&late] { late = true; });
    loop_.set_end_of_turn([&] {
      if (late || ready()) loop_.Stop();
    });
    if (!ready()) loop_.Run();
    loop_.set_end_of_turn(nullptr);
    ASSERT_FALSE(late) << "waited in vain";
  }

  const AttemptKey key_{12, 0, 3, 1};
  const AttemptKey other_{13, 0, 0, 1};
  base::SystemClock clock_;
  berth::testing::TempDir dir_;
  AttemptStore store_{dir_.path(), clock_};
  EventLoop loop_{clock_};
  NotedCgroups cgroups_;
  UserDirectory users_{clock_, [this](EventLoop::Callback work) { loop_.Post(std::move(work)); }};
  ProcessDriver driver_{ProcessDriver::Node{}};
  CommandRunner commands_{loop_, clock_};
  TaskHooks hooks_{commands_, {}, {}};
  TaskNetworks networks_{*base::ParseIpv4Subnet("100.127.0.0/20"), dir_.path(),
                         [this](EventLoop::Callback work) { loop_.Post(std::move(work)); }};
  std::vector<Event> events_;
  size_t seen_ = 0;
  std::vector<AttemptKey> ended_;
  TaskRunner runner_{
      {loop_, clock_, cgroups_, users_, driver_, store_, hooks_, networks_, "/no/shim"},
      [this](Event event) { events_.push_back(std::move(event)); },
      [this](const AttemptKey& key) { ended_.push_back(key); }};
};

TEST_F(TaskRunnerTest, FindsALiveAttemptAndItsCgroup) {
  const base::UniqueFd status = Attempt(key_, "task-5");
  Note(status, StatusKind::kShim);
  Note(status, StatusKind::kStart);
  runner_.Inspect(key_, {});
  EXPECT_EQ(std::get<TaskStarted>(NextEvent()).key, key_);
  EXPECT_THAT(cgroups_.adopted, ElementsAre("task-5"));
  EXPECT_THAT(cgroups_.given_back, IsEmpty());
  EXPECT_EQ(runner_.running(), 1u);
}

TEST_F(TaskRunnerTest, WhatItsLeaseDidNotLetStartIsLostAndNotAFailure) {
  base::UniqueFd status = Attempt(key_, "task-5");
  Note(status, StatusKind::kShim);
  shim::StatusRecord start;
  start.kind = StatusKind::kStart;
  start.step = shim::StartStep::kLeaseEnded;
  shim::Seal(start);
  ASSERT_EQ(pwrite(status.get(), &start, sizeof(start),
                   static_cast<off_t>(shim::SlotOffset(StatusKind::kStart))),
            static_cast<ssize_t>(sizeof(start)));
  status.reset();
  runner_.Inspect(key_, {});
  const auto lost = std::get<TaskLost>(NextEvent());
  EXPECT_EQ(lost.key, key_);
  EXPECT_EQ(lost.reason, v1::REASON_CODE_NODE_LOST);
}

TEST_F(TaskRunnerTest, LeavesTheCgroupOfALiveAttemptToIt) {
  const base::UniqueFd live = Attempt(other_, "task-5");
  Note(live, StatusKind::kShim);
  Note(live, StatusKind::kStart);
  // One whose directory has the specification of the other, and one that had its cgroup before.
  base::UniqueFd lost = Attempt(key_, "task-5", other_);
  Note(lost, StatusKind::kShim);
  Note(lost, StatusKind::kStart);
  lost.reset();
  const AttemptKey before{14, 0, 0, 1};
  base::UniqueFd ended = Attempt(before, "task-5");
  for (const auto kind : {StatusKind::kShim, StatusKind::kStart, StatusKind::kEnd}) {
    Note(ended, kind);
  }
  ended.reset();
  const AttemptKey never{15, 0, 0, 1};
  Attempt(never, "task-5").reset();

  for (const AttemptKey& key : {key_, before, never, other_}) runner_.Inspect(key, {});
  runner_.CleanUp([](const AttemptKey&) { return true; }, [] {});
  EXPECT_EQ(std::get<TaskStarted>(NextEvent()).key, key_);
  EXPECT_EQ(std::get<TaskLost>(NextEvent()).key, key_);
  EXPECT_EQ(std::get<TaskStarted>(NextEvent()).key, before);
  EXPECT_EQ(std::get<TaskEnded>(NextEvent()).key, before);
  EXPECT_EQ(std::get<TaskNeverStarted>(NextEvent()).key, never);
  EXPECT_EQ(std::get<TaskStarted>(NextEvent()).key, other_);
  EXPECT_THAT(cgroups_.adopted, ElementsAre("task-5"));
  EXPECT_THAT(cgroups_.given_back, IsEmpty());
  EXPECT_THAT(cgroups_.killed, IsEmpty());
  EXPECT_EQ(cgroups_.cleanings, 1);
}

TEST_F(TaskRunnerTest, EmptiesTheCgroupOfAnAttemptThatMayHaveLeftSomething) {
  base::UniqueFd lost = Attempt(key_, "task-5");
  Note(lost, StatusKind::kShim);
  Note(lost, StatusKind::kStart);
  lost.reset();
  base::UniqueFd stuck = Attempt(other_, "task-6");
  Note(stuck, StatusKind::kShim);
  Note(stuck, StatusKind::kEnd, getpid(), 1);
  stuck.reset();
  runner_.Inspect(key_, {});
  runner_.Inspect(other_, {});
  EXPECT_THAT(cgroups_.killed, ElementsAre("task-5"));
  EXPECT_THAT(cgroups_.given_back, ElementsAre("task-5", "task-6"));
}

// With no descriptor for the status file, with none after it, for the spec is read and closed.
class ShortOfDescriptorsTest : public TaskRunnerTest,
                               public ::testing::WithParamInterface<rlim_t> {};

TEST_P(ShortOfDescriptorsTest, NeitherEndsNorStartsWhatMayRun) {
  const base::UniqueFd status = Attempt(key_, "task-5");
  Note(status, StatusKind::kShim);
  Note(status, StatusKind::kStart);
  {
    const FewDescriptors few(GetParam());
    runner_.Inspect(key_, {});
    runner_.CleanUp([](const AttemptKey&) { return true; }, [] {});
  }
  EXPECT_THAT(events_, IsEmpty());
  EXPECT_THAT(cgroups_.killed, IsEmpty());
  EXPECT_EQ(cgroups_.cleanings, GetParam() == 0 ? 0 : 1) << "nobody knows whose is whose yet";
  EXPECT_EQ(std::get<TaskStarted>(NextEvent()).key, key_);
  EXPECT_EQ(cgroups_.cleanings, 1);
  EXPECT_THAT(cgroups_.adopted, ElementsAre("task-5"));
}

TEST_P(ShortOfDescriptorsTest, StopsItWhenItIsFound) {
  const base::UniqueFd status = Attempt(key_, "task-5");
  pid_t pid = -1;
  char* const arguments[] = {const_cast<char*>("sleep"), const_cast<char*>("600"), nullptr};
  ASSERT_EQ(posix_spawnp(&pid, "sleep", nullptr, nullptr, arguments, environ), 0);
  Note(status, StatusKind::kShim, pid);
  {
    const FewDescriptors few(GetParam());
    runner_.Inspect(key_, {});
    runner_.Stop(key_, 0);
  }
  EXPECT_EQ(std::get<TaskLost>(NextEvent()).key, key_) << "the signal has ended it";
  EXPECT_NE(kill(pid, 0), 0);
}

INSTANTIATE_TEST_SUITE_P(Free, ShortOfDescriptorsTest, ::testing::Values(0, 1));

TEST_F(TaskRunnerTest, KeepsWhatEndedWithoutItsAgentWhenDescriptorsAreShort) {
  base::UniqueFd status = Attempt(key_, "task-5");
  for (const auto kind : {StatusKind::kShim, StatusKind::kStart, StatusKind::kEnd}) {
    Note(status, kind);
  }
  status.reset();
  {
    const FewDescriptors few(0);
    runner_.Inspect(key_, {});
  }
  EXPECT_THAT(events_, IsEmpty());
  EXPECT_TRUE(std::holds_alternative<TaskStarted>(NextEvent()));
  EXPECT_TRUE(std::holds_alternative<TaskEnded>(NextEvent()));
}

TEST_F(TaskRunnerTest, WhatHasNoDirectoryWasNeverStarted) {
  runner_.Inspect(key_, {});
  EXPECT_EQ(std::get<TaskNeverStarted>(NextEvent()).key, key_);
}

TEST_F(TaskRunnerTest, RemovesWhatNoJournalKnowsOnceItsShimHasGone) {
  base::UniqueFd status = Attempt(key_, "task-5");
  bool is_clean = false;
  runner_.CleanUp([](const AttemptKey&) { return false; }, [&] { is_clean = true; });
  EXPECT_THAT(store_.List(), ElementsAre(key_));
  EXPECT_FALSE(is_clean);
  status.reset();
  RunUntil([&] { return is_clean; });
  EXPECT_THAT(store_.List(), IsEmpty());
}

TEST_F(TaskRunnerTest, IsCleanAtOnceWhenTheJournalKnowsEverything) {
  const base::UniqueFd status = Attempt(key_, "task-5");
  bool is_clean = false;
  runner_.CleanUp([](const AttemptKey&) { return true; }, [&] { is_clean = true; });
  EXPECT_TRUE(is_clean);
}

}  // namespace
}  // namespace berth::agentd
