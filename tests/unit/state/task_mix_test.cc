#include "state/task_mix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "berth/resources.h"

namespace berth::state {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kDay = 86'400'000;
constexpr int64_t kWeek = 7 * kDay;

class TaskMixTest : public ::testing::Test {
 protected:
  // A job of one group that was submitted then.
  void Add(int64_t at_ms, uint32_t tasks, int32_t cpu_milli, std::vector<DeviceNeedSpec> devices) {
    GroupSpec group{.ranges = {{0, tasks - 1, 1}}};
    group.needs.Edit().requests.builtin[kCpu] = cpu_milli;
    group.needs.Edit().devices = std::move(devices);
    JobSpec spec;
    spec.groups.push_back(std::move(group));
    auto row = std::make_unique<JobRow>();
    row->id = {next_++};
    row->queued_at_ms = at_ms;
    row->spec = std::make_shared<const JobSpec>(std::move(spec));
    jobs_.emplace(row->id, std::move(row));
  }
  static DeviceNeedSpec Gpus(int32_t count, int32_t share_milli = 1000) {
    return {.kind = "gpu", .count = count, .share_milli = share_milli, .models = {}};
  }

  JobTable jobs_;
  uint64_t next_ = 1;
};

TEST_F(TaskMixTest, CountsTasksThatAreAlikeTogether) {
  Add(10, 200, 4000, {Gpus(1)});
  Add(20, 50, 8000, {Gpus(1, 500)});
  Add(30, 100, 4000, {Gpus(1)});
  Add(40, 30, 1000, {});
  Add(50, 20, 2000, {});
  const TaskMix mix = CountTaskMix(jobs_, 1, kWeek);
  EXPECT_EQ(mix.tasks, 400);
  EXPECT_THAT(mix.Of("gpu"), ElementsAre(MixedTask{4000, 1, 1000, 300}, MixedTask{8000, 1, 500, 50},
                                         MixedTask{.weight = 50}));
}

TEST_F(TaskMixTest, CountsTheDayBeforeAndWhatCameBefore) {
  Add(kDay - 1, 1, 1000, {});
  Add(kDay, 1, 2000, {});
  EXPECT_EQ(DayOf(kDay - 1), 0);
  EXPECT_EQ(DayOf(kDay), 1);
  EXPECT_EQ(CountTaskMix(jobs_, 0, kWeek).tasks, 0);
  EXPECT_EQ(CountTaskMix(jobs_, 1, kWeek).tasks, 1);
  EXPECT_EQ(CountTaskMix(jobs_, 2, kWeek).tasks, 2);
  EXPECT_EQ(CountTaskMix(jobs_, 20, kWeek).tasks, 0);
}

TEST_F(TaskMixTest, CountsTheLastTenThousand) {
  Add(1, 5000, 1000, {Gpus(8)});
  Add(2, 4000, 2000, {Gpus(1)});
  Add(3, 4000, 3000, {Gpus(2)});
  const TaskMix mix = CountTaskMix(jobs_, 1, kWeek);
  EXPECT_EQ(mix.tasks, 10'000);
  EXPECT_THAT(mix.Of("gpu"),
              ElementsAre(MixedTask{2000, 1, 1000, 4000}, MixedTask{3000, 2, 1000, 4000},
                          MixedTask{1000, 8, 1000, 2000}));
}

TEST_F(TaskMixTest, SaysNothingOfFewTasksAndOfKindsThatNobodyAskedFor) {
  Add(1, 99, 1000, {Gpus(1)});
  EXPECT_THAT(CountTaskMix(jobs_, 1, kWeek).Of("gpu"), IsEmpty());
  Add(2, 1, 1000, {});
  EXPECT_THAT(CountTaskMix(jobs_, 1, kWeek).Of("gpu"), SizeIs(2));
  EXPECT_THAT(CountTaskMix(jobs_, 1, kWeek).Of("tpu"), IsEmpty());
}

TEST_F(TaskMixTest, OfManySortsTheMostCommonStand) {
  for (uint32_t i = 1; i <= 400; ++i) Add(1, i <= 200 ? 1 : 2, static_cast<int32_t>(i), {Gpus(1)});
  Add(1, 7, 1000, {});
  const std::vector<MixedTask> mix = CountTaskMix(jobs_, 1, kWeek).Of("gpu");
  ASSERT_THAT(mix, SizeIs(kMostMixedTasks));
  EXPECT_EQ(mix[0].cpu_milli, 201);
  EXPECT_EQ(mix[199].weight, 2);
  EXPECT_EQ(mix[200], (MixedTask{1, 1, 1000, 1}));
  EXPECT_EQ(mix.back(), (MixedTask{.weight = 7}));
}

}  // namespace
}  // namespace berth::state
