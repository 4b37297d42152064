#include "base/did_you_mean.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace berth::base {
namespace {

constexpr std::string_view kNames[] = {"memory", "cpu", "command", "tolerations", "name"};

TEST(DidYouMeanTest, FindsTheNameBehindATypingError) {
  EXPECT_EQ(ClosestName("memroy", kNames), "memory");   // two letters swapped
  EXPECT_EQ(ClosestName("Memory", kNames), "memory");   // case
  EXPECT_EQ(ClosestName("comand", kNames), "command");  // a letter less
  EXPECT_EQ(ClosestName("toleratoins", kNames), "tolerations");
  EXPECT_EQ(ClosestName("cpus", kNames), "cpu");  // a letter more
  EXPECT_EQ(ClosestName("cpo", kNames), "cpu");
}

TEST(DidYouMeanTest, DoesNotGuessWildly) {
  EXPECT_EQ(ClosestName("gpu_share", kNames), "");
  EXPECT_EQ(ClosestName("", kNames), "");
  EXPECT_EQ(ClosestName("xyu", kNames), "");
  EXPECT_EQ(ClosestName(std::string(100'000, 'm'), kNames), "");
  EXPECT_EQ(ClosestName("memory", {}), "");
}

TEST(DidYouMeanTest, IsReadyToEndAnErrorMessage) {
  EXPECT_EQ(DidYouMean("memroy", kNames), " (did you mean \"memory\"?)");
  EXPECT_EQ(DidYouMean("zzz", kNames), "");
}

}  // namespace
}  // namespace berth::base
