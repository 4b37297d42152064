#include "queue/scheduling_queue.h"

#include <gtest/gtest.h>

namespace berth::queue {
namespace {

QueuedEntry Entry(int64_t key, uint64_t job) { return {.key = key, .job = JobId{job}, .group = 0}; }

TEST(SchedulingQueueTest, TakesTheLowestKeyOverAllShapes) {
  SchedulingQueue queue;
  queue.Add(1, Entry(5, 1));
  queue.Add(2, Entry(3, 2));
  queue.Add(1, Entry(4, 3));
  EXPECT_EQ(queue.Front()->entry, Entry(3, 2));
  queue.Remove(2, Entry(3, 2));
  EXPECT_EQ(queue.Front()->entry, Entry(4, 3));
}

TEST(SchedulingQueueTest, EqualKeysGoInOrderOfSubmission) {
  SchedulingQueue queue;
  queue.Add(2, Entry(0, 9));
  queue.Add(1, Entry(0, 7));
  EXPECT_EQ(queue.Front()->entry.job.value, 7u);
}

TEST(SchedulingQueueTest, AParkedShapeLetsOthersPass) {
  SchedulingQueue queue;
  queue.Add(1, Entry(1, 1));
  queue.Add(2, Entry(2, 2));
  queue.Park(1);
  EXPECT_EQ(queue.Front()->shape, 2u);
  // What comes later and is alike waits with it.
  queue.Add(1, Entry(0, 3));
  EXPECT_EQ(queue.Front()->shape, 2u);
}

TEST(SchedulingQueueTest, WakingPutsEveryShapeBackInItsPlace) {
  SchedulingQueue queue;
  queue.Add(1, Entry(1, 1));
  queue.Add(2, Entry(2, 2));
  queue.Park(1);
  queue.Park(2);
  EXPECT_EQ(queue.Front(), std::nullopt);
  EXPECT_EQ(queue.WakeAll(), (std::vector<state::ShapeId>{1, 2}));
  EXPECT_EQ(queue.Front()->entry, Entry(1, 1));
  EXPECT_EQ(queue.parked_shapes(), 0u);
}

TEST(SchedulingQueueTest, AShapeWithoutEntriesIsForgotten) {
  SchedulingQueue queue;
  queue.Add(1, Entry(1, 1));
  queue.Park(1);
  queue.Remove(1, Entry(1, 1));
  EXPECT_FALSE(queue.IsParked(1));
  queue.Remove(1, Entry(1, 1));  // twice is harmless
  queue.Add(1, Entry(2, 2));
  EXPECT_EQ(queue.Front()->entry, Entry(2, 2));
}

TEST(SchedulingQueueTest, SaysWhoIsBefore) {
  SchedulingQueue queue;
  queue.Add(1, Entry(1, 1));
  queue.Add(2, Entry(2, 2));
  queue.Add(1, Entry(3, 3));
  queue.Park(1);
  EXPECT_EQ(queue.Before(1, Entry(3, 3))->size(), 2u);
  EXPECT_EQ(queue.Before(1, Entry(9, 9)), std::nullopt);
}

}  // namespace
}  // namespace berth::queue
