#include "cli/selector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace berth::cli {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> Ids(const std::vector<std::string>& arguments) {
  const auto selectors = ParseSelectors(arguments);
  EXPECT_TRUE(selectors.ok()) << selectors.status();
  std::vector<std::string> ids;
  if (selectors.ok()) {
    for (const Selector& selector : *selectors) ids.push_back(selector.id);
  }
  return ids;
}

TEST(SelectorTest, ReadsJobsTasksAttemptsAndLists) {
  const std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> cases = {
      {{"12"}, {"12"}},
      {{"12.3"}, {"12.3"}},
      {{"12.worker.3"}, {"12.worker.3"}},
      {{"12.3#2"}, {"12.3#2"}},
      {{"last"}, {"last"}},
      {{"last.0-1", "last.worker.3#2"}, {"last.0", "last.1", "last.worker.3#2"}},
      {{"1,3,5-8"}, {"1", "3", "5", "6", "7", "8"}},
      {{"12.0-2"}, {"12.0", "12.1", "12.2"}},
      {{"12.eval-set.1-2"}, {"12.eval-set.1", "12.eval-set.2"}},
      {{"1", "2,last"}, {"1", "2", "last"}},
      {{"job/12", "task/12.3"}, {"12", "12.3"}},
      {{"10000000001.5"}, {"10000000001.5"}},
      {{}, {}}};
  for (const auto& [arguments, ids] : cases) EXPECT_EQ(Ids(arguments), ids);
}

TEST(SelectorTest, KnowsWhatItNames) {
  const Selector task{"12.worker.3#2"};
  EXPECT_TRUE(task.is_task());
  EXPECT_TRUE(task.names_attempt());
  EXPECT_EQ(task.job(), "12");
  EXPECT_EQ(Selector{"7"}.job(), "7");
  EXPECT_FALSE(Selector{"7"}.is_task());
  EXPECT_TRUE(Selector{"last"}.is_last());
  EXPECT_TRUE(Selector{"last.3"}.is_last());
  EXPECT_FALSE(task.is_last());
}

TEST(SelectorTest, RefusesWhatIsNoId) {
  for (const char* text : {"",        ",",    "1,",     "nonsense", "-1",
                           "1.",      ".1",   "1..2",   "1.2.3",    "1.W.3",
                           "1.a.b.3", "1#",   "1.2#x",  "5-3",      "1-",
                           "1.2#1-3", "0x1",  "1 2",    "1;2",      "99999999999999999999",
                           "last-2",  "1.-2", "latest", "last."}) {
    const auto selectors = ParseSelectors({text});
    ASSERT_FALSE(selectors.ok()) << text;
    EXPECT_THAT(base::S(selectors.status().message()), HasSubstr("is no id")) << text;
  }
}

TEST(SelectorTest, BoundsHowMuchOneArgumentCanName) {
  EXPECT_FALSE(ParseSelectors({"1-1001"}).ok());
  EXPECT_FALSE(ParseSelectors({"1-9223372036854775807"}).ok());
  EXPECT_FALSE(ParseSelectors({"1-600", "1-600"}).ok());
  EXPECT_TRUE(ParseSelectors({"1-1000"}).ok());
}

TEST(SelectorTest, QuotesHostileTextHarmlessly) {
  const auto selectors = ParseSelectors({"\x1b[2J" + std::string(100'000, 'x')});
  EXPECT_EQ(base::S(selectors.status().message()).find('\x1b'), std::string::npos);
  EXPECT_LT(selectors.status().message().size(), 400u);
}

}  // namespace
}  // namespace berth::cli
