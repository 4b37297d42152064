#include "base/check.h"

#include <gtest/gtest.h>

#include <string>

namespace berth::base {
namespace {

TEST(CheckTest, EvaluatesTheMessageOnlyOnFailure) {
  int evaluated = 0;
  const auto message = [&evaluated] {
    ++evaluated;
    return "never";
  };
  BERTH_CHECK(evaluated == 0) << message();
  EXPECT_EQ(evaluated, 0);
}

TEST(CheckTest, EvaluatesTheConditionOnce) {
  int evaluated = 0;
  BERTH_CHECK(++evaluated == 1);
  EXPECT_EQ(evaluated, 1);
}

TEST(CheckTest, IsOneStatement) {
  bool reached = false;
  if (reached)
    BERTH_CHECK(false);
  else
    reached = true;
  EXPECT_TRUE(reached);
}

TEST(CheckDeathTest, NamesPlaceConditionAndMessage) {
  const std::string node = "node-a";
  EXPECT_DEATH(BERTH_CHECK(1 + 1 == 3) << "node " << node << ", slot " << 7 << ", up " << true,
               "^tests/unit/base/check_test.cc:[0-9]+: check failed: 1 \\+ 1 == 3: "
               "node node-a, slot 7, up true\n$");
}

TEST(CheckDeathTest, WorksWithoutAMessage) {
  EXPECT_DEATH(BERTH_CHECK(false), "check_test.cc:[0-9]+: check failed: false\n$");
}

}  // namespace
}  // namespace berth::base
