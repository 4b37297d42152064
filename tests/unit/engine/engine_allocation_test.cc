// That a placement allocates nothing once its shape is known. In a program of its own: it counts
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

void* operator new(std::size_t size, std::align_val_t alignment) {
  ++allocations;
  const auto line = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(line, (size + line - 1) / line * line)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace berth::engine {
namespace {

using testing::NodeBuilder;
using testing::PipelineHarness;
using testing::TaskBuilder;

class EngineAllocationTest : public ::testing::Test {
 protected:
  EngineAllocationTest() {
    harness_.cluster.AddMany(
        "n", 1000,
        NodeBuilder("").Label("zone", "a").Taint("slow", "", TaintEffect::kPreferNoSchedule));
    harness_.cluster.AddMany("g", 10, NodeBuilder("").Gpus(8).Taint("gpu", "true"));
  }

  int64_t AllocationsOf(const TaskBuilder& task) {
    const TaskRequirements& needs = harness_.cluster.Needs(task);
    // Warms up: the shape's columns, and the lists of what has changed.
    const Slot first = harness_.Place(needs).slot;
    EXPECT_NE(first, kNoSlot);
    for (int i = 0; i < 2; ++i) {
      harness_.cluster.table().SetCordoned(first, i == 0);
      EXPECT_NE(harness_.Place(needs).slot, kNoSlot);
    }
    const int64_t before = allocations;
    harness_.cluster.table().SetCordoned(first, true);
    EXPECT_NE(harness_.Place(needs).slot, kNoSlot);
    return allocations - before;
  }

  PipelineHarness harness_;
};

TEST_F(EngineAllocationTest, APlainTaskAllocatesNothing) {
  EXPECT_EQ(AllocationsOf(TaskBuilder().Cpu(1).Memory("1Gi").Tolerates("team")), 0);
}

TEST_F(EngineAllocationTest, ATaskWithConditionsAllocatesNothing) {
  EXPECT_EQ(AllocationsOf(TaskBuilder()
                              .Cpu(1)
                              .Selects("zone", "a")
                              .Requires({testing::Exists("zone"), testing::NotIn("zone", {"b"})})
                              .Prefers(5, {testing::In("zone", {"a"})})),
            0);
}

TEST_F(EngineAllocationTest, DevicesAllocateOnlyForTheirReservation) {
  // The choice among one node's devices, whatever the number of nodes.
  EXPECT_LT(AllocationsOf(TaskBuilder().Gpus(2).Tolerates("gpu")), 200);
}

TEST_F(EngineAllocationTest, DevicesThatPluginsScoreAllocateNoMoreForMoreNodes) {
  pipeline::ProfileOptions options;
  options.scores.enabled = {{"FragmentationGradient", 2}, {"Random", 1}, {"GpuPacking", 1}};
  PipelineHarness harness(options);
  harness.cluster.AddMany("g", 100, NodeBuilder("").Gpus(4, "T4").Gpus(4).Linked({0, 1, 4, 5}));
  const TaskRequirements& needs = harness.cluster.Needs(TaskBuilder().Gpus(2));
  const auto allocations_for = [&](Slot changed) {
    for (Slot slot = 0; slot < changed; ++slot) harness.cluster.table().SetCordoned(slot, false);
    const int64_t before = allocations;
    EXPECT_NE(harness.Place(needs).slot, kNoSlot);
    return allocations - before;
  };
  // What is as long as the list of changes has grown to it.
  for (int i = 0; i < 2; ++i) allocations_for(30);
  EXPECT_EQ(allocations_for(30), allocations_for(1));
}

}  // namespace
}  // namespace berth::engine
