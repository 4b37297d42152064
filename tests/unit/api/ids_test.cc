#include "api/ids.h"

#include <gtest/gtest.h>

namespace berth::api {
namespace {

std::string ErrorOf(std::string_view text, Attempts attempts = Attempts::kAllowed) {
  const auto ref = ParseObjectRef(text, attempts);
  EXPECT_FALSE(ref.ok()) << text;
  return std::string(ref.status().message());
}

TEST(IdsTest, AJob) {
  const auto ref = ParseObjectRef("12", Attempts::kRefused);
  ASSERT_TRUE(ref.ok());
  EXPECT_EQ(ref->job.value, 12u);
  EXPECT_FALSE(ref->has_task);
  EXPECT_EQ(ParseJobId("20000000001")->value, 20'000'000'001u);
}

TEST(IdsTest, ATask) {
  const auto ref = ParseObjectRef("12.3", Attempts::kRefused);
  ASSERT_TRUE(ref.ok());
  EXPECT_TRUE(ref->has_task);
  EXPECT_EQ(ref->group, "");
  EXPECT_EQ(ref->index, 3);
}

TEST(IdsTest, ATaskOfANamedGroup) {
  const auto ref = ParseObjectRef("12.worker-2.2147483646", Attempts::kRefused);
  ASSERT_TRUE(ref.ok());
  EXPECT_EQ(ref->group, "worker-2");
  EXPECT_EQ(ref->index, 2'147'483'646);
}

TEST(IdsTest, AnAttempt) {
  const auto ref = ParseObjectRef("12.worker.3#2", Attempts::kAllowed);
  ASSERT_TRUE(ref.ok());
  EXPECT_EQ(ref->attempt, 2u);
  EXPECT_NE(ErrorOf("12.3#2", Attempts::kRefused).find("an attempt cannot be named here"),
            std::string::npos);
}

TEST(IdsTest, RefusesWhatIsNoId) {
  for (const char* text : {"",
                           " ",
                           "0",
                           "-1",
                           "+1",
                           "012",
                           "1.",
                           ".1",
                           "12.01",
                           "12.-1",
                           "12.2147483647",
                           "12.Worker.1",
                           "12..1",
                           "12.worker",
                           "12.worker.",
                           "12.a.b.1",
                           "1 2",
                           "12#1",
                           "12.3#",
                           "12.3#0",
                           "12.3#x",
                           "12.3#4294967296",
                           "18446744073709551616",
                           "job",
                           "12.3.4.5",
                           "0x12",
                           "12\n"}) {
    ErrorOf(text);
    EXPECT_FALSE(ParseJobId(text).ok()) << text;
  }
}

TEST(IdsTest, AnErrorNamesTheTextAndShowsWhatAnIdLooksLike) {
  EXPECT_EQ(ErrorOf("job"), "\"job\": not an id; a job is written 12, a task 12.3 or 12.worker.3");
}

TEST(IdsTest, AnErrorDoesNotRepeatHostileText) {
  EXPECT_LT(ErrorOf(std::string(1 << 20, '1')).size(), 200u);
  EXPECT_EQ(ErrorOf("\x1b[2J").find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace berth::api
