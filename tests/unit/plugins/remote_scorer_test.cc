#include "remote_scorer/remote_scorer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "remote_scorer/remote_scorer_args.h"
#include "tests/support/plugin_args_builder.h"
#include "tests/support/plugin_probe.h"

namespace berth::plugins {
namespace {

using ::berth::testing::Arg;
using ::berth::testing::ArgMap;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::vector<int32_t> ScoresOf(std::span<const int32_t> given, SlotSpan slots) {
  testing::PluginProbe probe(kRemoteScorer);
  const TaskRequirements needs;
  TaskView task{needs, {}};
  task.outside_scores = given;
  std::vector<int32_t> scores(slots.size(), -1);
  EXPECT_TRUE(probe.As<ScorePlugin>().Score(task, probe.cluster.table(), slots, scores).ok());
  return scores;
}

TEST(RemoteScorerTest, GivesWhatCameFromOutsideAndElseNothing) {
  const std::vector<int32_t> given = {5, kMaxScore, 0, 7};
  EXPECT_THAT(ScoresOf(given, SlotSpan::All(4)), ElementsAre(5, kMaxScore, 0, 7));
  EXPECT_THAT(ScoresOf(given, SlotSpan::All(6)), ElementsAre(5, kMaxScore, 0, 7, 0, 0));
  EXPECT_THAT(ScoresOf(given, SlotSpan::Range(64, 2)), ElementsAre(0, 0));
  const std::vector<Slot> list = {9, 1, 3};
  EXPECT_THAT(ScoresOf(given, SlotSpan::List(list)), ElementsAre(0, kMaxScore, 7));
  EXPECT_THAT(ScoresOf({}, SlotSpan::All(2)), ElementsAre(0, 0));
  EXPECT_THAT(ScoresOf(given, SlotSpan::All(0)), ElementsAre());
}

TEST(RemoteScorerArgsTest, HasDefaults) {
  EXPECT_EQ(*ReadRemoteScorerArgs({}), RemoteScorerArgs());
  RemoteScorerArgs slow;
  slow.interval_ms = 300'000;
  slow.time_to_live_ms = 604'000;  // twice interval and timeout
  EXPECT_EQ(*ReadRemoteScorerArgs(ArgMap({{"interval", Arg("5m")}})), slow);
}

TEST(RemoteScorerArgsTest, ReadsAll) {
  const auto args = ReadRemoteScorerArgs(ArgMap({{"address", Arg("127.0.0.1:7470")},
                                                 {"timeout", Arg("500ms")},
                                                 {"interval", Arg("1s")},
                                                 {"timeToLive", Arg("1.5s")},
                                                 {"maxShapes", Arg(7)},
                                                 {"failures", Arg(1)},
                                                 {"longestPause", Arg("1h")}}));
  ASSERT_TRUE(args.ok()) << args.status();
  EXPECT_EQ(*args, (RemoteScorerArgs{.address = "127.0.0.1:7470",
                                     .timeout_ms = 500,
                                     .interval_ms = 1000,
                                     .time_to_live_ms = 1500,
                                     .most_shapes = 7,
                                     .failures = 1,
                                     .longest_pause_ms = 3'600'000}));
}

TEST(RemoteScorerArgsTest, TakesAddressesOnThisMachineAlone) {
  for (const char* address : {"unix:/tmp/x.sock", "localhost:1", "127.9.0.1:65535", "[::1]:80"}) {
    EXPECT_TRUE(ReadRemoteScorerArgs(ArgMap({{"address", Arg(address)}})).ok()) << address;
  }
  const std::string long_path = "unix:/" + std::string(107, 'x');
  for (const std::string address :
       {"unix:x.sock", "unix:", "localhost", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:http",
        "10.0.0.1:7470", "scorer.example:7470", "dns:///127.0.0.1:1x", long_path.c_str()}) {
    const auto args = ReadRemoteScorerArgs(ArgMap({{"address", Arg(address.c_str())}}));
    EXPECT_THAT(base::S(args.status().message()), StartsWith("address: ")) << address;
  }
}

TEST(RemoteScorerArgsTest, WhatIsWrongIsNamedByItsPath) {
  const std::pair<PluginArgs::Map, std::string> cases[] = {
      {{{"adress", Arg("unix:/x")}}, "adress: unknown argument"},
      {{{"address", Arg(7)}}, "address: "},
      {{{"timeout", Arg("2")}}, "timeout: must be a time from 10ms to 5m"},
      {{{"timeout", Arg(2)}}, "timeout: must be a time"},
      {{{"timeout", Arg("1ms")}}, "timeout: "},
      {{{"timeout", Arg("-2s")}}, "timeout: "},
      {{{"interval", Arg("0s")}}, "interval: "},
      {{{"interval", Arg("inf")}}, "interval: "},
      {{{"interval", Arg("100.5ms")}}, "interval: "},
      {{{"interval", Arg("10s")}, {"timeToLive", Arg("11s")}},
       "timeToLive: must be a time from 12s"},
      {{{"maxShapes", Arg(0)}}, "maxShapes: "},
      {{{"maxShapes", Arg(1001)}}, "maxShapes: "},
      {{{"failures", Arg(0)}}, "failures: "},
      {{{"longestPause", Arg("2h")}}, "longestPause: "},
  };
  for (const auto& [args, message] : cases) {
    const auto read = ReadRemoteScorerArgs(ArgMap(args));
    EXPECT_TRUE(absl::IsInvalidArgument(read.status())) << message;
    EXPECT_THAT(base::S(read.status().message()), StartsWith(message));
  }
}

}  // namespace
}  // namespace berth::plugins
