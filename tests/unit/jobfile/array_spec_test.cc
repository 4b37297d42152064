#include "jobfile/array_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace berth::jobfile {
namespace {

using ::testing::HasSubstr;

TEST(ArraySpecTest, ReadsRangesAndWritesThemBack) {
  const std::vector<std::pair<std::string, int64_t>> cases = {
      {"0-99", 100}, {"7", 1},         {"1,3,5-8", 6},          {"0-10:2", 6},
      {"0-10:3", 4}, {"0-99%10", 100}, {"0-999999", 1'000'000}, {"2147483646", 1},
      {"0,1,2", 3},  {"5-5", 1},       {"0-4:2,5-9:2%3", 6},    {"0-2147483646:2148", 999'760}};
  for (const auto& [text, tasks] : cases) {
    const auto array = ParseArraySpec(text);
    ASSERT_TRUE(array.ok()) << text << ": " << array.status();
    EXPECT_EQ(CountTasks(*array), tasks) << text;
    const auto again = ParseArraySpec(FormatArraySpec(*array));
    ASSERT_TRUE(again.ok()) << FormatArraySpec(*array);
    EXPECT_EQ(again->SerializeAsString(), array->SerializeAsString()) << text;
  }
  EXPECT_EQ(FormatArraySpec(ParseArraySpec("1,3,5-8:2%4").value()), "1,3,5-8:2%4");
  EXPECT_EQ(FormatArraySpec(ParseArraySpec("1_000-2_000").value()), "1000-2000");
}

TEST(ArraySpecTest, KeepsWhatWasAskedFor) {
  const v1::ArraySpec array = ParseArraySpec("3,5-9:2%10").value();
  ASSERT_EQ(array.ranges_size(), 2);
  EXPECT_EQ(array.ranges(0).first(), 3);
  EXPECT_EQ(array.ranges(0).last(), 3);
  EXPECT_EQ(array.ranges(1).first(), 5);
  EXPECT_EQ(array.ranges(1).last(), 9);
  EXPECT_EQ(array.ranges(1).step(), 2);
  EXPECT_EQ(array.max_running(), 10);
}

TEST(ArraySpecTest, SaysWhatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "names no index"},
      {"%3", "names no index"},
      {"9-0", "descends"},
      {"0-5,5-9", "overlaps or precedes"},
      {"0-5,3", "overlaps or precedes"},
      {"3,1", "overlaps or precedes"},
      {"0-1000000", "more than 1000000 tasks"},
      {"0-999999,1000000", "more than 1000000 tasks"},
      {"2147483647", "index above 2147483646"},
      {"2147483648", "index above 2147483646"},
      {"99999999999999999999", "index above 2147483646"},
      {"0-10:0", "step of 1 or more"},
      {"0-10:", "step of 1 or more"},
      {"0-10:-1", "step of 1 or more"},
      {"5:2", "a step but no range"},
      {"0-9%0", "a number of 1 or more after %"},
      {"0-9%", "a number of 1 or more after %"},
      {"0-9%2%3", "a number of 1 or more after %"},
      {"0-9%2147483648", "a number of 1 or more after %"},
      {"-1", "is not a range"},
      {"-1-5", "is not a range"},
      {"0--5", "is not a range"},
      {"0-", "is not a range"},
      {"a-b", "is not a range"},
      {"1 - 3", "is not a range"},
      {"0-9,", "ends in a comma"},
      {"0,,1", "is not a range"},
      {",", "ends in a comma"},
      {"1.5", "is not a range"},
      {"0x10", "is not a range"},
      {std::string("0\0-9", 4), "is not a range"}};
  for (const auto& [text, why] : cases) {
    const auto array = ParseArraySpec(text);
    ASSERT_FALSE(array.ok()) << text;
    EXPECT_EQ(array.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(base::S(array.status().message()), HasSubstr(why)) << text;
  }
}

TEST(ArraySpecTest, RefusesMoreRangesThanTheWireAllows) {
  std::string text = "0";
  for (int i = 1; i < kMaxIndexRanges; ++i) text += "," + std::to_string(2 * i);
  EXPECT_TRUE(ParseArraySpec(text).ok());
  EXPECT_THAT(base::S(ParseArraySpec(text + ",1000").status().message()),
              HasSubstr("more than 64 ranges"));
}

TEST(ArraySpecTest, QuotesHostileTextBoundedAndHarmless) {
  const auto array = ParseArraySpec(std::string(1'000'000, '\x1b'));
  EXPECT_LT(array.status().message().size(), 300u);
  EXPECT_EQ(base::S(array.status().message()).find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace berth::jobfile
