// The mix of tasks that profiles go by: counted once a day, from the jobs that there are.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/recovered_state.h"
#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

constexpr int64_t kDay = 86'400'000;

class TaskMixTest : public ::testing::Test {
 protected:
  TaskMixTest() { Connect(*loop_); }

  // A node with four GPUs.
  void Connect(TurnHarness& loop) {
    state::OpenSession hello = TurnHarness::Hello("n", loop.next_stream++, 64'000, 1 << 18);
    for (int i = 0; i < 4; ++i) {
      hello.node.devices.push_back(
          {.id = "GPU-" + std::to_string(i), .kind = "gpu", .memory_mib = 40'000});
    }
    EXPECT_TRUE(loop.Ask(hello).status.ok());
  }
  static state::SubmitJob JobOf(uint32_t tasks, int32_t share_milli, int32_t memory_mib) {
    auto spec = std::make_shared<state::JobSpec>(*TurnHarness::SpecOf({.tasks = tasks}));
    spec->groups[0].needs.Edit().requests.builtin = {100, memory_mib, 0, 0};
    spec->groups[0].needs.Edit().devices = {
        {.kind = "gpu", .count = 1, .share_milli = share_milli, .models = {}}};
    state::SubmitJob submit;
    submit.spec = std::move(spec);
    submit.blob = std::make_shared<const std::string>("content");
    submit.body_hash = "h";
    return submit;
  }
  // They count from when they are submitted, and no node has the memory for them.
  static JobId Submit(TurnHarness& loop, uint32_t tasks, int32_t share_milli) {
    const Reply reply = loop.Ask(JobOf(tasks, share_milli, 1 << 20));
    EXPECT_TRUE(reply.status.ok()) << reply.status;
    return std::get<SubmitReply>(reply.body).job;
  }
  // What FragmentationGradient gives the node for a share, were it submitted now.
  static int32_t Score(TurnHarness& loop) {
    const auto plan = loop.Get<PlanReply>(state::PlanJob{.spec = JobOf(1, 300, 10).spec, .top = 1});
    const state::Decision& decision = *plan.tasks.at(0).decision;
    for (size_t i = 0; i < decision.sheet->plugins.size(); ++i) {
      if (decision.sheet->plugins[i] == "FragmentationGradient") return decision.scores[i];
    }
    ADD_FAILURE() << "no such score";
    return 0;
  }

  std::unique_ptr<TurnHarness> loop_ = std::make_unique<TurnHarness>();
};

TEST_F(TaskMixTest, ANewDayCountsTheTasksOfTheLast) {
  Submit(*loop_, 500, 300);
  const int32_t before = Score(*loop_);
  loop_->now_ms = kDay - 1;
  EXPECT_EQ(Score(*loop_), before);
  EXPECT_EQ(loop_->turn().task_mix().tasks, 0);
  loop_->now_ms = kDay;
  const int32_t after = Score(*loop_);
  EXPECT_EQ(loop_->turn().task_mix().day, 1);
  EXPECT_EQ(loop_->turn().task_mix().tasks, 500);
  EXPECT_NE(after, before);
}

TEST_F(TaskMixTest, TasksOfTheDayDoNotCountYet) {
  loop_->now_ms = kDay + 1;
  Submit(*loop_, 500, 300);
  const int32_t before = Score(*loop_);
  loop_->now_ms = 2 * kDay - 1;
  EXPECT_EQ(Score(*loop_), before);
  loop_->now_ms = 2 * kDay;
  EXPECT_NE(Score(*loop_), before);
}

TEST_F(TaskMixTest, ARestartCountsTheSame) {
  Submit(*loop_, 200, 700);
  loop_->now_ms = kDay + 1000;
  Submit(*loop_, 700, 100);  // of this day
  const int32_t score = Score(*loop_);
  const state::TaskMix mix = loop_->turn().task_mix();
  ASSERT_EQ(mix.tasks, 200);

  TurnHarness again({}, testing::Recovered(loop_->turn().state(), /*restored=*/false));
  again.now_ms = loop_->now_ms + 5000;
  EXPECT_EQ(again.turn().task_mix().sorts, mix.sorts) << "before its first turn";
  Connect(again);
  EXPECT_EQ(again.turn().task_mix().sorts, mix.sorts);
  EXPECT_EQ(again.turn().task_mix().day, mix.day);
  EXPECT_EQ(Score(again), score);
}

TEST_F(TaskMixTest, ExplanationsTellWhichCountItIs) {
  const JobId job = Submit(*loop_, 500, 300);
  loop_->now_ms = 3 * kDay;
  const auto reply = loop_->Get<ExplainReply>(state::Explain{{.job = job}});
  EXPECT_EQ(reply.task_mix_tasks, 500);
  EXPECT_EQ(reply.task_mix_day, 3);
}

}  // namespace
}  // namespace berth::scheduler
