#include "base/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"

namespace berth::base {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

LogRecord Record(std::string_view message) {
  return {.wall_us = 1'763'647'385'000'123,
          .level = LogLevel::kWarn,
          .component = "berthd",
          .process_id = 4711,
          .file = "src/agents/leases.cc",
          .line = 42,
          .message = message};
}

TEST(LogFormatTest, TextIsALineForPeople) {
  EXPECT_EQ(FormatLogRecord(Record("node n7: lease ran out"), LogFormat::kText),
            "2025-11-20T14:03:05.000123Z warn  berthd[4711]: node n7: lease ran out "
            "(src/agents/leases.cc:42)\n");
}

TEST(LogFormatTest, JsonIsAnObjectALineWithElasticCommonSchemaNames) {
  const std::string line = FormatLogRecord(Record("größe \"7\""), LogFormat::kJson);
  EXPECT_EQ(line.back(), '\n');
  const nlohmann::json object = nlohmann::json::parse(line);
  EXPECT_EQ(object, nlohmann::json({{"@timestamp", "2025-11-20T14:03:05.000123Z"},
                                    {"log.level", "warn"},
                                    {"message", "größe \"7\""},
                                    {"ecs.version", "8.6.0"},
                                    {"service.name", "berthd"},
                                    {"process.pid", 4711},
                                    {"log.origin.file.name", "src/agents/leases.cc"},
                                    {"log.origin.file.line", 42}}));
  EXPECT_THAT(line, MatchesRegex("\\{\"@timestamp\":\"[^\"]*\",\"log.level\":.*\n"));
}

TEST(LogFormatTest, AMessageCannotForgeALineOrDriveATerminal) {
  const std::string hostile = "a\nb\r\tc\x1b[2J\x7f \xc2\x9b \xe2\x80\xae \xe2\x80\xa8 \xff\\ \"";
  EXPECT_THAT(FormatLogRecord(Record(hostile), LogFormat::kText),
              HasSubstr(R"(a\nb\r\tc\x1b[2J\x7f \u009b \u202e \u2028 \xff\ ")"));
  const std::string json = FormatLogRecord(Record(hostile), LogFormat::kJson);
  EXPECT_EQ(nlohmann::json::parse(json)["message"],
            "a\nb\r\tc\x1b[2J\x7f \xc2\x9b \xe2\x80\xae \xe2\x80\xa8 \xef\xbf\xbd\\ \"");
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const std::string line = FormatLogRecord(Record(hostile), format);
    const auto controls = std::count_if(line.begin(), line.end(),
                                        [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; });
    EXPECT_EQ(controls, 1) << "only the newline at the end: " << line;
  }
}

TEST(LogFormatTest, TimesBefore1970AreStillTimes) {
  LogRecord record = Record("x");
  record.wall_us = -1;
  EXPECT_THAT(FormatLogRecord(record, LogFormat::kText), HasSubstr("1969-12-31T23:59:59.999999Z"));
}

class LoggingTest : public ::testing::Test {
 protected:
  void TearDown() override { InitLogging({}); }
};

TEST_F(LoggingTest, WritesMessagesOfTheLevelAndAbove) {
  InitLogging({.level = LogLevel::kWarn, .component = "test"});
  ::testing::internal::CaptureStderr();
  BERTH_LOG_INFO("unseen");
  BERTH_LOG_WARN("node {}: {} tasks", absl::string_view("n7"), 3);
  SetLogLevel(LogLevel::kDebug);
  BERTH_LOG_DEBUG("now seen");
  SetLogLevel(LogLevel::kOff);
  BERTH_LOG_ERROR("unseen too");
  const std::string out = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(out, MatchesRegex("[^\n]* warn  test\\[[0-9]+\\]: node n7: 3 tasks "
                                "\\(tests/unit/base/logging_test.cc:[0-9]+\\)\n"
                                "[^\n]* debug test\\[[0-9]+\\]: now seen [^\n]*\n"));
}

TEST_F(LoggingTest, FormatsArgumentsOnlyWhenTheLevelIsOn) {
  int evaluated = 0;
  BERTH_LOG_DEBUG("{}", ++evaluated);
  EXPECT_EQ(evaluated, 0);
}

TEST_F(LoggingTest, TakesBracesInArgumentsForWhatTheyAre) {
  ::testing::internal::CaptureStderr();
  BERTH_LOG_INFO("{}", "a {} b %v");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr(": a {} b %v ("));
}

TEST_F(LoggingTest, ThreadsDoNotMixTheirLines) {
  InitLogging({.format = LogFormat::kJson, .component = "test"});
  ::testing::internal::CaptureStderr();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 100; ++i) BERTH_LOG_INFO("thread {} line {}", t, i);
    });
  }
  for (int i = 0; i < 20; ++i) InitLogging({.format = LogFormat::kJson, .component = "again"});
  for (std::thread& thread : threads) thread.join();
  std::istringstream lines(::testing::internal::GetCapturedStderr());
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    ASSERT_TRUE(nlohmann::json::accept(line)) << line;
    EXPECT_EQ(nlohmann::json::parse(line)["process.pid"], ::getpid());
  }
  EXPECT_EQ(count, 400);
}

TEST_F(LoggingTest, ParsesLevelsAndFormats) {
  EXPECT_EQ(ParseLogLevel("debug").value(), LogLevel::kDebug);
  EXPECT_EQ(ParseLogLevel("warn").value(), LogLevel::kWarn);
  EXPECT_EQ(ParseLogLevel("warning").value(), LogLevel::kWarn);
  EXPECT_EQ(ParseLogLevel("off").value(), LogLevel::kOff);
  EXPECT_EQ(ParseLogLevel("loud").status(),
            absl::InvalidArgumentError(
                "log level \"loud\" is unknown: use debug, info, warn, error or off"));
  EXPECT_EQ(ParseLogFormat("json").value(), LogFormat::kJson);
  EXPECT_EQ(ParseLogFormat("text").value(), LogFormat::kText);
  EXPECT_EQ(ParseLogFormat("xml").status(),
            absl::InvalidArgumentError("log format \"xml\" is unknown: use text or json"));
}

}  // namespace
}  // namespace berth::base
