// That a placement allocates nothing once its scratch is warm. In a program of its own: it counts
// every allocation of the process.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/support/pipeline_harness.h"

namespace {

std::atomic<int64_t> allocations = 0;

void* Allocate(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return Allocate(size); }
void* operator new[](std::size_t size) { return Allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace berth::pipeline {
namespace {

using testing::NodeBuilder;
using testing::PipelineHarness;
using testing::TaskBuilder;

class PlacementAllocationTest : public ::testing::Test {
 protected:
  PlacementAllocationTest() {
    harness_.cluster.AddMany(
        "n", 1000,
        NodeBuilder("").Label("zone", "a").Taint("slow", "", TaintEffect::kPreferNoSchedule));
    harness_.cluster.AddMany("g", 10, NodeBuilder("").Gpus(8).Taint("gpu", "true"));
  }

  int64_t AllocationsOf(const TaskBuilder& task) {
    const TaskRequirements& needs = harness_.cluster.Needs(task);
    EXPECT_NE(harness_.Place(needs).slot, kNoSlot);  // warms up
    const int64_t before = allocations;
    EXPECT_NE(harness_.Place(needs).slot, kNoSlot);
    return allocations - before;
  }

  PipelineHarness harness_;
};

TEST_F(PlacementAllocationTest, APlainTaskAllocatesNothing) {
  EXPECT_EQ(AllocationsOf(TaskBuilder().Cpu(1).Memory("1Gi").Tolerates("team")), 0);
}

TEST_F(PlacementAllocationTest, ATaskWithConditionsAllocatesNothing) {
  EXPECT_EQ(AllocationsOf(TaskBuilder()
                              .Cpu(1)
                              .Selects("zone", "a")
                              .Requires({testing::Exists("zone"), testing::NotIn("zone", {"b"})})
                              .Prefers(5, {testing::In("zone", {"a"})})),
            0);
}

TEST_F(PlacementAllocationTest, DevicesAllocateOnlyForTheirReservation) {
  // The choice among one node's devices, whatever the number of nodes.
  EXPECT_LT(AllocationsOf(TaskBuilder().Gpus(2).Tolerates("gpu")), 200);
}

}  // namespace
}  // namespace berth::pipeline
