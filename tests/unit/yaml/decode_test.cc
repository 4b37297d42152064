#include "yaml/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <string>

#include "base/strings.h"
#include "yaml/parse.h"

namespace berth::yaml {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What `read` reports about `text`.
std::string ProblemsOf(const std::string& text, const std::function<void(MapReader&)>& read) {
  const auto parsed = ParseYaml(text, "f.yaml", 1 << 20);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  Problems problems("f.yaml");
  MapReader reader(Node(*parsed, "", problems));
  read(reader);
  reader.Finish();
  return base::S(problems.ToStatus().message());
}

TEST(DecodeTest, ReadsEveryType) {
  std::string text;
  bool flag = false;
  int64_t count = 0;
  int64_t cpu = 0;
  int64_t memory = 0;
  int64_t bandwidth = 0;
  absl::Duration lease;
  std::map<std::string, std::string> labels;
  std::vector<std::string> words;
  EXPECT_EQ(ProblemsOf("t: 1.10\nf: true\nn: 1_000\nc: 500m\nm: 2Gi\nb: 1Gbit\nd: 1m30s\n"
                       "l: {a: b, v: 1.10}\nw: [sleep, 10, true]\n",
                       [&](MapReader& map) {
                         EXPECT_TRUE(map.String("t", &text));
                         EXPECT_TRUE(map.Bool("f", &flag));
                         EXPECT_TRUE(map.Int("n", 0, 5000, &count));
                         EXPECT_TRUE(map.CpuMilli("c", &cpu));
                         EXPECT_TRUE(map.Bytes("m", &memory));
                         EXPECT_TRUE(map.BitsPerSecond("b", &bandwidth));
                         EXPECT_TRUE(map.Duration("d", absl::Seconds(1), absl::Hours(1), &lease));
                         EXPECT_TRUE(map.StringMap("l", &labels));
                         words = map.Get("w")->Strings();
                         EXPECT_FALSE(map.String("absent", &text));
                       }),
            "");
  EXPECT_EQ(text, "1.10");
  EXPECT_TRUE(flag);
  EXPECT_EQ(count, 1000);
  EXPECT_EQ(cpu, 500);
  EXPECT_EQ(memory, int64_t{2} << 30);
  EXPECT_EQ(bandwidth, 1'000'000'000);
  EXPECT_EQ(lease, absl::Seconds(90));
  EXPECT_EQ(labels["v"], "1.10");
  EXPECT_THAT(words, ElementsAre("sleep", "10", "true"));
}

TEST(DecodeTest, ReportsAnUnknownKeyWithTheLikelyOne) {
  EXPECT_EQ(ProblemsOf("data_dir: /x\nleas: 4s\n",
                       [](MapReader& map) {
                         std::string text;
                         map.String("dataDir", &text);
                         map.String("lease", &text);
                       }),
            "f.yaml:1:1: unknown key \"data_dir\" (did you mean \"dataDir\"?)\n"
            "f.yaml:2:1: unknown key \"leas\" (did you mean \"lease\"?)");
}

TEST(DecodeTest, ProposesTheShortFormOfALongKey) {
  EXPECT_EQ(ProblemsOf("stateDirectory: /x\nsta: 1\n",
                       [](MapReader& map) {
                         map.Ignore("log");
                         map.Ignore("stateDir");
                       }),
            "f.yaml:1:1: unknown key \"stateDirectory\" (did you mean \"stateDir\"?)\n"
            "f.yaml:2:1: unknown key \"sta\"");
}

TEST(DecodeTest, ReportsEveryProblemWhereItStands) {
  const std::array<std::string_view, 2> levels = {"info", "debug"};
  EXPECT_EQ(
      ProblemsOf("n: many\nbig: 99\nhuge: 99999999999999999999\nm: 2\nc: [1]\nd: 10h\nt: [a]\n"
                 "e:\nlevel: inof\nl: x\ns: {k: [1]}\n",
                 [&](MapReader& map) {
                   int64_t n = 0;
                   std::string text;
                   absl::Duration d;
                   std::map<std::string, std::string> strings;
                   EXPECT_FALSE(map.Int("n", 1, 9, &n));
                   EXPECT_FALSE(map.Int("big", 1, 9, &n));
                   EXPECT_FALSE(map.Int("huge", 1, 9, &n));
                   EXPECT_FALSE(map.Bytes("m", &n));
                   EXPECT_FALSE(map.CpuMilli("c", &n));
                   EXPECT_FALSE(map.Duration("d", absl::Seconds(1), absl::Minutes(5), &d));
                   EXPECT_FALSE(map.String("t", &text));
                   EXPECT_FALSE(map.String("e", &text));
                   EXPECT_FALSE(map.Get("level")->OneOf(levels).has_value());
                   EXPECT_TRUE(map.Get("l")->Items().empty());
                   map.StringMap("s", &strings);
                   map.Require("must");
                 }),
      "f.yaml:1:1: must: is required and missing\n"
      "f.yaml:1:4: n: expected a whole number from 1 to 9, found \"many\"\n"
      "f.yaml:2:6: big: 99 is out of range: from 1 to 9\n"
      "f.yaml:3:7: huge: 99999999999999999999 is out of range: from 1 to 9\n"
      "f.yaml:4:4: m: \"2\" has no unit (did you mean 2Gi?)\n"
      "f.yaml:5:4: c: expected an amount of CPU, as 2 or 500m, found a list\n"
      "f.yaml:6:4: d: 10h is out of range: from 1s to 5m\n"
      "f.yaml:7:4: t: expected text, found a list\n"
      "f.yaml:8:1: e: has no value; write \"\" for an empty text, or leave the key out\n"
      "f.yaml:9:8: level: expected info or debug, found \"inof\" (did you mean \"info\"?)\n"
      "f.yaml:10:4: l: expected a list, found \"x\"\n"
      "f.yaml:11:8: s.k: expected text, found a list");
}

TEST(DecodeTest, NamesWhatIsNotHonouredYet) {
  EXPECT_EQ(ProblemsOf("pluginDir: /p\n",
                       [](MapReader& map) {
                         map.NotHonoured("pluginDir", "plugins are compiled in");
                         map.NotHonoured("tls", "comes later");
                       }),
            "f.yaml:1:12: pluginDir: is not honoured yet: plugins are compiled in");
}

TEST(DecodeTest, RefusesNulBytesInText) {
  EXPECT_THAT(ProblemsOf("t: \"a\\0b\"\n",
                         [](MapReader& map) {
                           std::string text;
                           EXPECT_FALSE(map.String("t", &text));
                         }),
              HasSubstr("t: contains a NUL byte"));
}

TEST(DecodeTest, ReportsWhatIsNoMapOnce) {
  EXPECT_EQ(ProblemsOf("- a\n",
                       [](MapReader& map) {
                         std::string text;
                         map.String("a", &text);
                         map.Require("b");
                       }),
            "f.yaml:1:1: expected a map, found a list");
}

TEST(DecodeTest, AThousandProblemsAreCutShort) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "key" + std::to_string(i) + ": 1\n";
  const std::string problems = ProblemsOf(text, [](MapReader& map) { map.Ignore("other"); });
  EXPECT_THAT(problems, HasSubstr("f.yaml: and 980 more"));
  EXPECT_LT(problems.size(), 2000u);
}

}  // namespace
}  // namespace berth::yaml
