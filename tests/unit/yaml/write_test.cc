#include "yaml/write.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "base/rng.h"
#include "yaml/parse.h"

namespace berth::yaml {
namespace {

Value ParseWritten(const std::string& text) {
  auto parsed = ParseYaml(text, "f.yaml", 1 << 20);
  EXPECT_TRUE(parsed.ok()) << parsed.status() << "\n" << text;
  return parsed.ok() ? *std::move(parsed) : Value();
}

TEST(WriteTest, WritesBlocks) {
  Value job;
  job.Set("kind", Value::String("Job"));
  job.Set("array", Value::String("0-9"));
  job.Set("count", Value::Int(3));
  Value inner;
  inner.Set("name", Value::String("a"));
  inner.Set("on", Value::Bool(true));
  job.Set("groups", Value::Sequence({inner, Value::Sequence({Value::Int(1), Value::Double(2)})}));
  job.Set("none", Value());
  job.Set("empty", Value::Mapping({}));
  job.Set("list", Value::Sequence({}));
  job.Set("script", Value::String("#!/bin/sh\nset -e\n\n  echo \"hi\"\n"));
  EXPECT_EQ(WriteYaml(job),
            "kind: Job\n"
            "array: \"0-9\"\n"
            "count: 3\n"
            "groups:\n"
            "  - name: a\n"
            "    \"on\": true\n"
            "  - - 1\n"
            "    - 2.0\n"
            "none: null\n"
            "empty: {}\n"
            "list: []\n"
            "script: |\n"
            "  #!/bin/sh\n"
            "  set -e\n"
            "\n"
            "    echo \"hi\"\n");
}

TEST(WriteTest, WhatItWritesReadsBackEqual) {
  std::vector<Value> hard = {Value(),
                             Value::Bool(false),
                             Value::Int(-7),
                             Value::Double(0.1),
                             Value::Double(1e300),
                             Value::Double(-3),
                             Value::Double(std::numeric_limits<double>::infinity()),
                             Value::Int(std::numeric_limits<int64_t>::min())};
  for (const char* text : {"",
                           " ",
                           "a",
                           "no",
                           "Yes",
                           "null",
                           "~",
                           "true",
                           "1",
                           "1.5",
                           "0x1f",
                           "1e5",
                           "-",
                           "--",
                           "- a",
                           "a: b",
                           "a:b",
                           "a:",
                           ":a",
                           "#",
                           "a #b",
                           "a#b",
                           "'",
                           "\"",
                           "\\",
                           "{}",
                           "[a]",
                           "*a",
                           "&a",
                           "!a",
                           "%a",
                           "@a",
                           "`a`",
                           "|",
                           ">",
                           "?",
                           "? a",
                           "\n",
                           "a\n",
                           "a\nb",
                           "a\nb\n",
                           "a\n\nb",
                           "a\n\n",
                           "\na",
                           " a\nb",
                           "a\n  b\n",
                           "a\n\tb",
                           "a\r\n",
                           "tab\there",
                           "trailing \nspace ",
                           "\xe2\x80\xa8line",
                           "\xc2\x85",
                           "\xc3\xa9t\xc3\xa9",
                           "\x1b[31m",
                           "2026-11-20",
                           "10:30",
                           "1_000",
                           "=",
                           "<<",
                           "...",
                           "---",
                           "a\n---\nb",
                           "a\n...\nb\n",
                           "# c\nd\n",
                           "x\n# c\n"}) {
    hard.push_back(Value::String(text));
  }
  for (const Value& value : hard) {
    EXPECT_TRUE(ParseWritten(WriteYaml(value)) == value) << WriteYaml(value);
    Value map;
    if (value.is_string()) map.Set(value.as_string(), value);
    map.Set("list of it", Value::Sequence({value, Value::Sequence({value}), map}));
    EXPECT_TRUE(ParseWritten(WriteYaml(map)) == map) << WriteYaml(map);
  }
}

TEST(WriteTest, RandomTreesReadBackEqual) {
  base::Rng rng(20261120);
  const std::string alphabet = "ab: -#'\"\\\n\t{}[]&*!|>%@`0.,~?\xc3\xa9";
  for (int round = 0; round < 300; ++round) {
    Value root;
    for (int i = 0; i < 5; ++i) {
      std::string text;
      const uint64_t length = rng.Uniform(12);
      for (uint64_t k = 0; k < length; ++k) {
        // The last two bytes of the alphabet are one letter.
        const uint64_t at = rng.Uniform(alphabet.size() - 1);
        text += at == alphabet.size() - 2 ? alphabet.substr(at) : alphabet.substr(at, 1);
      }
      root.Set("k" + std::to_string(i), Value::Sequence({Value::String(text)}));
    }
    ASSERT_TRUE(ParseWritten(WriteYaml(root)) == root) << WriteYaml(root);
  }
}

TEST(WriteTest, WritesJson) {
  Value value;
  value.Set("a\"b", Value::String("line\nend\x01\x7f"));
  value.Set("n", Value::Int(5));
  value.Set("f", Value::Double(0.5));
  value.Set("inf", Value::Double(std::numeric_limits<double>::infinity()));
  value.Set("list", Value::Sequence({Value::Bool(true), Value()}));
  value.Set("empty", Value::Mapping({}));
  EXPECT_EQ(
      WriteJson(value),
      R"({"a\"b":"line\nend\u0001\u007f","n":5,"f":0.5,"inf":null,"list":[true,null],"empty":{}})");
  EXPECT_EQ(WriteJson(Value::Sequence({Value::Int(1)}), 2), "[\n  1\n]");
}

TEST(WriteTest, JsonIsAlwaysValidUtf8) {
  EXPECT_EQ(WriteJson(Value::String("a\xff\xc3(")), "\"a\xef\xbf\xbd\xef\xbf\xbd(\"");
}

}  // namespace
}  // namespace berth::yaml
