// The threads around the turn: what is released, when, and what is not.
#include "scheduler/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/sha256.h"
#include "builtin.h"
#include "scheduler/recovery.h"
#include "store/journal.h"
#include "store/memory_store.h"
#include "store/recover.h"
#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

constexpr auto kDeadline = std::chrono::seconds(20);

class RecordingLink final : public agents::AgentLink {
 public:
  void Deliver(std::vector<state::AgentEffect> effects) override {
    base::MutexLock lock(mutex_);
    for (auto& effect : effects) effects_.push_back(std::move(effect));
    changed_.NotifyAll();
  }

  // Waits for the first directive that starts something.
  state::StartTask AwaitStart() {
    const auto until = std::chrono::steady_clock::now() + kDeadline;
    base::MutexLock lock(mutex_);
    for (;;) {
      for (auto& effect : effects_) {
        auto* sent = std::get_if<state::SendDirectives>(&effect);
        if (sent == nullptr) continue;
        for (auto& directive : sent->directives) {
          if (auto* start = std::get_if<state::StartTask>(&directive)) return *start;
        }
      }
      if (!changed_.WaitUntil(mutex_, until)) return {};
    }
  }

  size_t size() {
    base::MutexLock lock(mutex_);
    return effects_.size();
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<state::AgentEffect> effects_ BERTH_GUARDED_BY(mutex_);
};

// A daemon's core on a disk that outlives it.
class LoopTest : public ::testing::Test {
 protected:
  LoopTest() { plugins::RegisterBuiltinPlugins(registry_); }
  ~LoopTest() override { Crash(); }

  void StartUp(const LoopOptions& options = {}) {
    store_ = std::make_unique<store::MemoryStore>(disk_);
    // Specifications are kept as blobs; here the blob's address says how many tasks there are.
    store::SpecDecoders decoders;
    decoders.job = [](std::string_view blob) -> absl::StatusOr<state::JobSpec> {
      return Spec(static_cast<uint32_t>(std::stoul(std::string(blob))));
    };
    decoders.node = [](std::string_view) -> absl::StatusOr<state::NodeSpec> {
      return TurnHarness::Hello("n", 0).node;
    };
    auto recovered = store::Recover(*store_, decoders);
    ASSERT_TRUE(recovered.ok()) << recovered.status();
    auto state = BuildState(*std::move(recovered), {.profiles = {"default"}, .new_seed = 1});
    ASSERT_TRUE(state.ok()) << state.status();
    auto turn = Turn::Create({}, *std::move(state), registry_, {pipeline::ProfileOptions{}});
    ASSERT_TRUE(turn.ok()) << turn.status();
    link_ = std::make_unique<RecordingLink>();
    fatal_ = std::promise<absl::Status>();
    loop_ = std::make_unique<Loop>(options, *std::move(turn), *store_, clock_,
                                   [this](absl::Status status) { fatal_.set_value(status); });
    loop_->set_agent_link(link_.get());
    loop_->Start();
  }

  void Crash() {
    loop_.reset();
    store_.reset();
  }

  static state::JobSpec Spec(uint32_t tasks) {
    state::JobSpec spec;
    spec.ns = "default";
    spec.name = "test";
    spec.queue = "default";
    spec.profile = "default";
    spec.groups.resize(1);
    spec.groups[0].ranges = {{0, tasks - 1, 1}};
    spec.groups[0].needs.Edit().requests.builtin = {100, 64, 0, 0};
    return spec;
  }

  // SHA-256 of "3" and of "1": blobs are checked against their addresses when they are read.
  state::SubmitJob Submission(uint32_t tasks) {
    state::SubmitJob submit;
    const std::string content = std::to_string(tasks);
    auto spec = std::make_shared<state::JobSpec>(Spec(tasks));
    spec->blob = base::Sha256Of(content);
    submit.spec = std::move(spec);
    submit.blob = std::make_shared<const std::string>(content);
    return submit;
  }

  std::future<Reply> Ask(state::CommandBody body,
                         state::CommandClass command_class = state::CommandClass::kOperators) {
    auto promise = std::make_shared<std::promise<Reply>>();
    auto future = promise->get_future();
    state::Command command;
    command.principal = Operator();
    command.body = std::move(body);
    const auto status = loop_->Post(command_class, std::move(command), [promise](Reply reply) {
      promise->set_value(std::move(reply));
    });
    EXPECT_TRUE(status.ok()) << status;
    return future;
  }

  absl::Status Replace(std::vector<pipeline::ProfileOptions> profiles) {
    return loop_->ReplaceProfiles({.principal = Operator(), .profiles = std::move(profiles)});
  }

  Reply Get(state::CommandBody body) {
    auto future = Ask(std::move(body));
    EXPECT_EQ(future.wait_for(kDeadline), std::future_status::ready);
    return future.get();
  }

  PluginRegistry registry_;
  base::SystemClock clock_;
  std::shared_ptr<store::MemoryDisk> disk_ = std::make_shared<store::MemoryDisk>();
  std::unique_ptr<store::MemoryStore> store_;
  std::unique_ptr<RecordingLink> link_;
  std::unique_ptr<Loop> loop_;
  std::promise<absl::Status> fatal_;
};

TEST_F(LoopTest, RepliesWhenTheCommitIsDone) {
  StartUp();
  const Reply reply = Get(Submission(3));
  ASSERT_TRUE(reply.status.ok());
  EXPECT_EQ(std::get<SubmitReply>(reply.body).job.value, 1u);
  EXPECT_GE(store_->head().epoch, 1u);
}

TEST_F(LoopTest, NothingIsReleasedWhileTheCommitStandsStill) {
  StartUp();
  Get(TurnHarness::Hello("n", 1));
  Get(state::ListNodes{});  // by now the welcome has been delivered
  const size_t before = link_->size();
  disk_->HoldCommits();
  auto submitted = Ask(Submission(1), state::CommandClass::kSubmissions);
  disk_->AwaitHeldCommits(1);
  // A read of what is not durable yet waits for it too.
  auto read = Ask(state::GetJob{JobId{1}});
  EXPECT_EQ(submitted.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  EXPECT_EQ(read.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  EXPECT_EQ(link_->size(), before);
  disk_->ReleaseCommits();
  EXPECT_TRUE(submitted.get().status.ok());
  EXPECT_TRUE(read.get().status.ok());
  EXPECT_EQ(link_->AwaitStart().attempt.job.value, 1u);
}

TEST_F(LoopTest, AFailedCommitIsFatalAndReleasesNothing) {
  StartUp();
  Get(TurnHarness::Hello("n", 1));
  Get(state::ListNodes{});  // by now the welcome has been delivered
  const size_t before = link_->size();
  disk_->FailNextSync(absl::DataLossError("the disk said no"));
  auto submitted = Ask(Submission(1), state::CommandClass::kSubmissions);
  auto fatal = fatal_.get_future();
  ASSERT_EQ(fatal.wait_for(kDeadline), std::future_status::ready);
  EXPECT_EQ(fatal.get().code(), absl::StatusCode::kDataLoss);
  loop_->Stop();
  // The reply was dropped, never given.
  EXPECT_THROW(submitted.get(), std::future_error);
  EXPECT_EQ(link_->size(), before);
  state::Command late;
  late.body = state::GetJob{JobId{1}};
  EXPECT_EQ(loop_->Post(state::CommandClass::kOperators, late, [](const Reply&) {}).code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(LoopTest, WhatWasAcknowledgedIsThereAfterACrash) {
  StartUp();
  Get(Submission(3));
  Get(TurnHarness::Hello("n", 1));
  ASSERT_EQ(link_->AwaitStart().attempt.job.value, 1u);
  const uint64_t first_term = loop_->snapshot()->term;
  Crash();

  StartUp();
  const Reply reply = Get(state::GetJob{JobId{1}});
  ASSERT_TRUE(reply.status.ok()) << reply.status;
  const auto& counts = std::get<JobReply>(reply.body).job.counts;
  EXPECT_EQ(counts[static_cast<size_t>(state::TaskState::kBound)], 3);
  EXPECT_EQ(loop_->snapshot()->term, first_term + 1);
  // The next id goes on where the last one was.
  EXPECT_EQ(std::get<SubmitReply>(Get(Submission(1)).body).job.value, 2u);
}

TEST_F(LoopTest, AFullInboxPushesBackAndTakesNothing) {
  LoopOptions options;
  options.inbox_capacity = {16, 16, 2};
  StartUp(options);
  disk_->HoldCommits();
  std::vector<std::future<Reply>> taken;
  taken.push_back(Ask(Submission(1), state::CommandClass::kSubmissions));
  disk_->AwaitHeldCommits(1);
  // One more turn may be outstanding; whatever the loop still takes, the inbox fills behind it.
  absl::Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) {
    state::Command command;
    command.principal = Operator();
    command.body = Submission(1);
    auto promise = std::make_shared<std::promise<Reply>>();
    auto future = promise->get_future();
    status = loop_->Post(state::CommandClass::kSubmissions, std::move(command),
                         [promise](Reply reply) { promise->set_value(std::move(reply)); });
    if (status.ok()) taken.push_back(std::move(future));
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  // Operators are not held up by submitters.
  auto read = Ask(state::ListNodes{});
  disk_->ReleaseCommits();
  EXPECT_TRUE(read.get().status.ok());
  for (auto& future : taken) EXPECT_TRUE(future.get().status.ok());
  const Reply jobs = Get(state::ListJobs{});
  EXPECT_EQ(std::get<JobsReply>(jobs.body).jobs.size(), taken.size());
}

TEST_F(LoopTest, StopFinishesWhatWasTaken) {
  StartUp();
  std::vector<std::future<Reply>> taken;
  for (int i = 0; i < 50; ++i) {
    taken.push_back(Ask(Submission(1), state::CommandClass::kSubmissions));
  }
  loop_->Stop();
  for (auto& future : taken) {
    ASSERT_EQ(future.wait_for(std::chrono::seconds(0)), std::future_status::ready);
    EXPECT_TRUE(future.get().status.ok());
  }
}

class CountingSink final : public WatchSink {
 public:
  void OnChanges(const std::shared_ptr<const state::ChangeBatch>& batch) override {
    base::MutexLock lock(mutex_);
    epochs_.push_back(batch->epoch);
  }
  std::vector<uint64_t> epochs() {
    base::MutexLock lock(mutex_);
    return epochs_;
  }

 private:
  base::Mutex mutex_;
  std::vector<uint64_t> epochs_ BERTH_GUARDED_BY(mutex_);
};

TEST_F(LoopTest, WatchersGetEveryEpochInOrder) {
  StartUp();
  auto sink = std::make_shared<CountingSink>();
  const uint64_t id = loop_->watches().Subscribe(sink);
  for (int i = 0; i < 20; ++i) Get(Submission(1));
  loop_->Stop();
  loop_->watches().Unsubscribe(id);
  const auto epochs = sink->epochs();
  ASSERT_GE(epochs.size(), 20u);
  for (size_t i = 1; i < epochs.size(); ++i) EXPECT_EQ(epochs[i], epochs[i - 1] + 1);
}

TEST_F(LoopTest, AProfileThatJobsUseCannotBeTakenAway) {
  StartUp();
  Get(Submission(1));
  pipeline::ProfileOptions other;
  other.name = "other";
  EXPECT_EQ(Replace({other}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Replace({pipeline::ProfileOptions{}, other}).ok());
  pipeline::ProfileOptions wrong;
  wrong.filters.enabled = {"NoSuchPlugin"};
  EXPECT_EQ(Replace({wrong}).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(LoopTest, AChangeOfProfilesIsOnDiskWithItsAuditRecordWhenItIsAnswered) {
  StartUp();
  Get(Submission(1));
  const uint64_t before = store_->head().epoch;
  pipeline::ProfileOptions other;
  other.name = "other";
  EXPECT_TRUE(Replace({pipeline::ProfileOptions{}, other}).ok());
  EXPECT_FALSE(Replace({other}).ok());
  std::vector<std::string> audits;
  std::set<uint64_t> epochs;
  ASSERT_TRUE(
      store::ReadAudit(*store_, {before + 1, 0},
                       [&](const store::JournalPosition& at, const state::AuditView& audit) {
                         audits.push_back(audit.principal + " " + audit.action + " " +
                                          audit.object + " " + audit.outcome);
                         epochs.insert(at.epoch);
                         return true;
                       })
          .ok());
  EXPECT_THAT(audits, ::testing::ElementsAre("uid:0 replace_profiles profiles default, other ok",
                                             "uid:0 replace_profiles profiles other refused"));
  EXPECT_EQ(epochs.size(), 2u);
}

TEST_F(LoopTest, WhoWaitsForProfilesIsToldWhenTheCommitFails) {
  StartUp();
  Get(Submission(1));
  disk_->FailNextSync(absl::DataLossError("the disk said no"));
  EXPECT_EQ(Replace({pipeline::ProfileOptions{}}).code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace berth::scheduler
