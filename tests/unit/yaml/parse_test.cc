#include "yaml/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace berth::yaml {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

Value Parse(std::string_view text) {
  auto parsed = ParseYaml(text, "f.yaml", 1 << 20);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed.ok() ? *std::move(parsed) : Value();
}

std::string Refusal(std::string_view text) {
  const auto parsed = ParseYaml(text, "f.yaml", 1 << 20);
  EXPECT_FALSE(parsed.ok()) << text;
  return base::S(parsed.status().message());
}

TEST(ParseTest, TypesScalarsByTheCoreSchema) {
  const Value value = Parse(
      "nil: ~\nempty:\nyes: yes\nno: no\ntruth: true\nfalse: False\nint: -12\nplus: +3\n"
      "hex: 0x1F\noctal: 0o17\nold: 0755\nfloat: 1.10\nexp: 1e3\ndot: .5\ninf: -.inf\nnan: .nan\n"
      "quoted: '12'\nquantity: 2Gi\nversion: 1.2.3\ntime: 10:30:00\nhuge: 99999999999999999999\n"
      "tilde: a~b\nblock: |\n  12\n");
  EXPECT_TRUE(value.Find("nil")->is_null());
  EXPECT_TRUE(value.Find("empty")->is_null());
  EXPECT_EQ(value.Find("yes")->as_string(), "yes");
  EXPECT_EQ(value.Find("no")->as_string(), "no");
  EXPECT_TRUE(value.Find("truth")->as_bool());
  EXPECT_FALSE(value.Find("false")->as_bool());
  EXPECT_EQ(value.Find("int")->as_int(), -12);
  EXPECT_EQ(value.Find("plus")->as_int(), 3);
  EXPECT_EQ(value.Find("hex")->as_int(), 31);
  EXPECT_EQ(value.Find("octal")->as_int(), 15);
  EXPECT_EQ(value.Find("old")->as_int(), 755);
  EXPECT_EQ(value.Find("old")->text(), "0755");
  EXPECT_EQ(value.Find("float")->as_double(), 1.1);
  EXPECT_EQ(value.Find("float")->text(), "1.10");
  EXPECT_EQ(value.Find("exp")->as_double(), 1000);
  EXPECT_EQ(value.Find("dot")->as_double(), 0.5);
  EXPECT_TRUE(std::isinf(value.Find("inf")->as_double()));
  EXPECT_TRUE(std::isnan(value.Find("nan")->as_double()));
  EXPECT_EQ(value.Find("quoted")->as_string(), "12");
  EXPECT_EQ(value.Find("quantity")->as_string(), "2Gi");
  EXPECT_EQ(value.Find("version")->as_string(), "1.2.3");
  EXPECT_EQ(value.Find("time")->as_string(), "10:30:00");
  EXPECT_TRUE(value.Find("huge")->is_double());
  EXPECT_EQ(value.Find("tilde")->as_string(), "a~b");
  EXPECT_EQ(value.Find("block")->as_string(), "12\n");
}

TEST(ParseTest, KeepsOrderAndPlaces) {
  const Value value = Parse("b: 1\na:\n  - x\n  - k: v\n");
  EXPECT_EQ(value.map()[0].key, "b");
  EXPECT_EQ(value.map()[1].key, "a");
  EXPECT_EQ(value.map()[1].key_position.line, 2);
  const Value& inner = *value.Find("a")->list()[1].Find("k");
  EXPECT_EQ(inner.position().line, 4);
  EXPECT_EQ(inner.position().column, 8);
}

TEST(ParseTest, AnEmptyTextIsNull) {
  for (const char* text : {"", "\n", "# only a comment\n", "---\n"}) {
    EXPECT_TRUE(Parse(text).is_null()) << text;
  }
}

TEST(ParseTest, RefusesWithLineAndColumn) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: the key \"a\" stands here twice"},
      {"x:\n  k: 1\n  k: 2\n", "f.yaml:3:3: the key \"k\" stands here twice"},
      {"a: &x 1\n", "f.yaml:1:"},
      {"a: [&x 1, *x]\n", "anchors"},
      {"a: !!str 1\n", "tags are not accepted"},
      {"a: !!binary aGk=\n", "tags are not accepted"},
      {"a: !foo {b: 1}\n", "tags are not accepted"},
      {"[1, 2]: x\n", "a key must be text"},
      {"{a: 1}: x\n", "a key must be text"},
      {"~: x\n", "a key is missing"},
      {"a: 1\n---\nb: 2\n", "second document"},
      {"a: b: c\n", "f.yaml:1:"},
      {"a: [1, 2\n", "f.yaml:"},
      {"\ta: 1\n", "f.yaml:1:"},
      {"a: \"\\q\"\n", "f.yaml:1:"},
      {"a: b\xff\n", "f.yaml:1:5: is not valid UTF-8"},
      {"ok: 1\nab\xc3(: 2\n", "f.yaml:2:3: is not valid UTF-8"},
      {std::string("a: 1\nb\0: 2\n", 11), "f.yaml:2:2: a NUL byte"}};
  for (const auto& [text, why] : cases) EXPECT_THAT(Refusal(text), HasSubstr(why)) << text;
}

TEST(ParseTest, RefusesWhatOnlyCostsTimeOrMemory) {
  EXPECT_THAT(base::S(ParseYaml(std::string(101, 'a'), "f.yaml", 100).status().message()),
              StartsWith("f.yaml: has more than 100 bytes"));
  EXPECT_THAT(Refusal(std::string(100'000, '[')), StartsWith("f.yaml:"));
  EXPECT_THAT(Refusal(std::string(100'000, '{')), StartsWith("f.yaml:"));
  // A few hundred bytes that stand for a billion strings.
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 9; ++k) laughs += (k ? ", *a" : "*a") + std::to_string(i - 1);
    laughs += "]\n";
  }
  EXPECT_THAT(Refusal(laughs), HasSubstr("anchors"));
}

TEST(ParseTest, RubbishNeverGetsThroughAsAMap) {
  for (const char* text : {"%", "@", "`", "*", "&", "!", "|", ">", "- - - :", "?", ": :", "\x01",
                           "\xef\xbb\xbf", "--- ---", "...", "%YAML 9.9\n---\n"}) {
    const auto parsed = ParseYaml(text, "f.yaml", 1000);
    if (parsed.ok()) {
      EXPECT_TRUE(!parsed->is_map() || parsed->map().size() <= 1) << text;
    } else {
      EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
    }
  }
}

}  // namespace
}  // namespace berth::yaml
