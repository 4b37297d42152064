#include "wire/amounts.h"

#include <gtest/gtest.h>

#include <limits>

namespace berth::wire {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

class AmountsTest : public ::testing::Test {
 protected:
  std::string FirstFault() const {
    return violations_.empty() ? "" : violations_.list().front().field;
  }

  v1::Resources in_;
  Violations violations_;
};

TEST_F(AmountsTest, ARequestIsRoundedUpAndACapacityDown) {
  in_.set_cpu_milli(1500);
  in_.set_memory_bytes(kMiB + 1);
  in_.set_storage_bytes(3 * kMiB - 1);
  in_.set_bandwidth_bits_per_s(1'000'001);
  const state::Amounts request = RequestAmounts(in_, {}, FieldPath::Root(), violations_);
  EXPECT_EQ(request.builtin, (std::array<int32_t, 4>{1500, 2, 3, 2}));
  const state::Amounts capacity = CapacityAmounts(in_, FieldPath::Root(), violations_);
  EXPECT_EQ(capacity.builtin, (std::array<int32_t, 4>{1500, 1, 2, 1}));
  EXPECT_TRUE(violations_.empty()) << violations_.Summary();
}

TEST_F(AmountsTest, AbsentAmountsOfARequestAreTheDefaults) {
  const state::Amounts request = RequestAmounts(in_, {.cpu_milli = 250, .memory_bytes = 64 * kMiB},
                                                FieldPath::Root(), violations_);
  EXPECT_EQ(request.builtin, (std::array<int32_t, 4>{250, 64, 0, 0}));
}

TEST_F(AmountsTest, NoCpuIsARequestAndNoMemoryIsNot) {
  in_.set_cpu_milli(0);
  EXPECT_EQ(RequestAmounts(in_, {}, FieldPath::Root(), violations_).builtin[kCpu], 0);
  EXPECT_TRUE(violations_.empty());
  in_.set_memory_bytes(0);
  RequestAmounts(in_, {}, FieldPath("resources"), violations_);
  EXPECT_EQ(FirstFault(), "resources.memory_bytes");
}

TEST_F(AmountsTest, ANegativeAmountIsRefused) {
  in_.set_storage_bytes(-1);
  RequestAmounts(in_, {}, FieldPath::Root(), violations_);
  EXPECT_EQ(FirstFault(), "storage_bytes");
}

TEST_F(AmountsTest, TheLargestAmountThatRoundsToTooManyQuantaIsRefused) {
  in_.set_memory_bytes(int64_t{kMaxQuanta} * kMiB);
  EXPECT_EQ(RequestAmounts(in_, {}, FieldPath::Root(), violations_).builtin[kMemory], kMaxQuanta);
  EXPECT_TRUE(violations_.empty());
  in_.set_memory_bytes(int64_t{kMaxQuanta} * kMiB + 1);
  RequestAmounts(in_, {}, FieldPath::Root(), violations_);
  EXPECT_EQ(FirstFault(), "memory_bytes");
}

TEST_F(AmountsTest, TheLargestIntegerDoesNotOverflow) {
  in_.set_memory_bytes(std::numeric_limits<int64_t>::max());
  in_.set_cpu_milli(std::numeric_limits<int64_t>::min());
  RequestAmounts(in_, {}, FieldPath::Root(), violations_);
  EXPECT_EQ(violations_.list().size(), 2u);
}

TEST_F(AmountsTest, ExtendedResourcesComeInOrderOfNameAndZeroIsNothing) {
  (*in_.mutable_extended())["ports"] = 2;
  (*in_.mutable_extended())["fpga_slots"] = 1;
  (*in_.mutable_extended())["none"] = 0;
  const state::Amounts request = RequestAmounts(in_, {}, FieldPath::Root(), violations_);
  EXPECT_EQ(request.extended,
            (std::vector<std::pair<std::string, int32_t>>{{"fpga_slots", 1}, {"ports", 2}}));
}

TEST_F(AmountsTest, ExtendedResourcesWithOddNamesAreRefused) {
  (*in_.mutable_extended())["Upper"] = 1;
  RequestAmounts(in_, {}, FieldPath::Root(), violations_);
  EXPECT_EQ(FirstFault(), "extended[\"Upper\"]");
}

TEST_F(AmountsTest, ABuiltInResourceIsNotExtended) {
  (*in_.mutable_extended())["memory"] = 1;
  RequestAmounts(in_, {}, FieldPath::Root(), violations_);
  EXPECT_EQ(FirstFault(), "extended[\"memory\"]");
}

TEST_F(AmountsTest, DedicatedCpusAreANodesToTellAndNoRequestsToName) {
  in_.set_cpu_milli(1000);
  in_.set_memory_bytes(int64_t{1} << 30);
  (*in_.mutable_extended())[kDedicatedCpus] = 3;
  EXPECT_EQ(CapacityAmounts(in_, FieldPath::Root(), violations_).extended.at(0).second, 3);
  EXPECT_TRUE(violations_.empty());
  RequestAmounts(in_, {}, FieldPath::Root(), violations_);
  EXPECT_EQ(FirstFault(), "extended[\"dedicated-cpus\"]");
}

TEST_F(AmountsTest, MoreExtendedResourcesThanAClusterHoldsAreRefused) {
  for (int i = 0; i < 13; ++i) (*in_.mutable_extended())["r" + std::to_string(i)] = 1;
  RequestAmounts(in_, {}, FieldPath::Root(), violations_);
  EXPECT_EQ(FirstFault(), "extended");
}

TEST_F(AmountsTest, ANodeHasCpuAndMemory) {
  CapacityAmounts(in_, FieldPath("capacity"), violations_);
  ASSERT_EQ(violations_.list().size(), 2u);
  EXPECT_EQ(violations_.list()[0].field, "capacity.cpu_milli");
  EXPECT_EQ(violations_.list()[1].field, "capacity.memory_bytes");
}

TEST_F(AmountsTest, QuantaGoBackIntoUnits) {
  state::Amounts amounts;
  amounts.builtin = {1500, 1 << 20, 3, 10};
  amounts.extended = {{"ports", 7}};
  const v1::Resources out = ToResources(amounts);
  EXPECT_EQ(out.cpu_milli(), 1500);
  EXPECT_EQ(out.memory_bytes(), int64_t{1} << 40);
  EXPECT_EQ(out.storage_bytes(), 3 * kMiB);
  EXPECT_EQ(out.bandwidth_bits_per_s(), 10'000'000);
  EXPECT_EQ(out.extended().at("ports"), 7);
  EXPECT_EQ(RequestAmounts(out, {}, FieldPath::Root(), violations_), amounts);
}

}  // namespace
}  // namespace berth::wire
