#include "images/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace berth::images {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

bool Never() { return false; }

TEST(CommandTest, ReturnsWhatWasWritten) {
  const auto out =
      RunCommand({FindProgram("sh"), "-c", "echo out; echo err >&2"}, seconds(60), Never);
  ASSERT_TRUE(out.ok()) << out.status();
  EXPECT_EQ(*out, "out\nerr\n");
}

TEST(CommandTest, AFailureHasTheLastLine) {
  const auto out =
      RunCommand({FindProgram("sh"), "-c", "echo one; echo two >&2; exit 3"}, seconds(60), Never);
  EXPECT_THAT(std::string(out.status().message()), HasSubstr("failed: two"));
  EXPECT_FALSE(RunCommand({"/no/such/program"}, seconds(60), Never).ok());
}

TEST(CommandTest, IsCutShort) {
  const auto late = RunCommand({FindProgram("sleep"), "1000"}, seconds(0), Never);
  EXPECT_THAT(std::string(late.status().message()), HasSubstr("took too long"));
  const auto stopped =
      RunCommand({FindProgram("sleep"), "1000"}, seconds(600), [] { return true; });
  EXPECT_THAT(std::string(stopped.status().message()), HasSubstr("stopping"));
}

TEST(FindProgramTest, LooksInPathAndNowhereElse) {
  EXPECT_THAT(FindProgram("sh"), HasSubstr("/sh"));
  EXPECT_EQ(FindProgram("/bin/sh"), "/bin/sh");
  EXPECT_EQ(FindProgram("no-such-program"), "");
  EXPECT_EQ(FindProgram("/no/such"), "");
  EXPECT_EQ(FindProgram(""), "");
}

}  // namespace
}  // namespace berth::images
