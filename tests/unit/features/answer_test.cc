#include "features/answer.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/features/model_answers.h"

namespace berth::features {
namespace {

using nlohmann::json;

CleanJobText TextOf(const std::string& script) {
  CleanJobText text;
  text.script = script;
  return text;
}

AnswerReading ReadJson(const json& answer, const std::string& script = "") {
  return ReadAnswer(answer.dump(), TextOf(script), {});
}

TEST(AnswerTest, BecomesFeaturesOfTheModel) {
  json answer = EmptyAnswer();
  answer["class_weights"] = {{"cpu", 10}, {"memory", 0}, {"io", 20}, {"network", 0}, {"gpu", 70}};
  answer["cpu_milli"] = 8000;
  answer["memory_mib"] = 1024;
  answer["gpus"] = 0;
  answer["gpu_kind"] = "RTX4090";
  answer["duration_seconds"] = 90;
  answer["inputs"] = {{{"name", "s3://b/x.tar"}, {"size_mib", 2}}};
  answer["models"] = {"llama-70b"};
  answer["confidence"]["cpu_milli"] = 33;
  answer["confidence"]["gpus"] = 100;
  const AnswerReading reading = ReadJson(answer, "use rtx 4090, s3://b/x.tar and llama-70b");
  ASSERT_EQ(reading.message, "");
  const Features& features = reading.features;
  EXPECT_EQ(features.computation_class->value, (ClassWeights{10, 0, 20, 0, 70}));
  EXPECT_EQ(*features.cpu_milli, (Estimate<int64_t>{8000, 33, Source::kModel}));
  EXPECT_EQ(features.memory_bytes->value, int64_t{1} << 30);
  EXPECT_EQ(*features.gpus, (Estimate<int64_t>{0, 80, Source::kModel})) << "confidence is limited";
  EXPECT_EQ(features.gpu_kind->value, "RTX4090");
  EXPECT_EQ(features.duration_ms->value, 90'000);
  ASSERT_EQ(features.inputs.size(), 1u);
  EXPECT_EQ(features.inputs[0].value, (NamedData{"s3://b/x.tar", 2 << 20}));
  ASSERT_EQ(features.models.size(), 1u);
  EXPECT_FALSE(features.storage_bytes.has_value());
  EXPECT_EQ(reading.dropped_names, 0);
}

struct WrongAnswer {
  const char* what;
  std::function<void(json&)> spoil;
  AnswerFault fault;
  const char* message;
};

TEST(AnswerTest, IsRejectedAsAWhole) {
  const std::vector<WrongAnswer> cases = {
      {"extra key", [](json& a) { a["priority"] = 1; }, AnswerFault::kExtraKey,
       "the answer has a key that the schema does not have"},
      {"missing", [](json& a) { a.erase("gpus"); }, AnswerFault::kMissingKey,
       "the answer lacks gpus"},
      {"string", [](json& a) { a["gpus"] = "8"; }, AnswerFault::kWrongType,
       "gpus must be an integer"},
      {"float", [](json& a) { a["gpus"] = 8.0; }, AnswerFault::kWrongType,
       "gpus must be an integer"},
      {"bool", [](json& a) { a["gpus"] = true; }, AnswerFault::kWrongType,
       "gpus must be an integer"},
      {"negative", [](json& a) { a["memory_mib"] = -1; }, AnswerFault::kOutOfRange,
       "memory_mib must be from 1 to 8589934592"},
      {"zero", [](json& a) { a["memory_mib"] = 0; }, AnswerFault::kOutOfRange,
       "memory_mib must be from 1 to 8589934592"},
      {"beyond", [](json& a) { a["gpus"] = UINT64_MAX; }, AnswerFault::kOutOfRange,
       "gpus must be from 0 to 8589934592"},
      {"least", [](json& a) { a["gpus"] = INT64_MIN; }, AnswerFault::kOutOfRange,
       "gpus must be from 0 to 8589934592"},
      {"confidence", [](json& a) { a["confidence"]["gpus"] = 101; }, AnswerFault::kOutOfRange,
       "confidence.gpus must be from 0 to 100"},
      {"confidence key", [](json& a) { a["confidence"]["x"] = 1; }, AnswerFault::kExtraKey,
       "confidence has a key that the schema does not have"},
      {"weights",
       [](json& a) {
         a["class_weights"] = {{"cpu", 0}, {"memory", 0}, {"io", 0}, {"network", 0}, {"gpu", 0}};
       },
       AnswerFault::kOutOfRange, "class_weights must add up to 100"},
      {"kind", [](json& a) { a["gpu_kind"] = "Voodoo2"; }, AnswerFault::kBadString,
       "gpu_kind must be of the schema's list"},
      {"data",
       [](json& a) {
         a["inputs"] = {{{"name", "x"}}};
       },
       AnswerFault::kMissingKey, "inputs lacks size_mib"},
      {"list", [](json& a) { a["models"] = "llama"; }, AnswerFault::kWrongType,
       "models must be an array"},
      {"many", [](json& a) { a["models"] = std::vector<std::string>(33, "llama"); },
       AnswerFault::kTooMany, "models must have at most 32 elements"},
      {"long", [](json& a) { a["models"] = {std::string(1025, 'x')}; }, AnswerFault::kBadString,
       "models must have names of at most 1024 bytes without control characters"},
      {"NUL", [](json& a) { a["models"] = {std::string("a\0b", 3)}; }, AnswerFault::kBadString,
       "models must have names of at most 1024 bytes without control characters"},
      {"array", [](json& a) { a = json::array({a}); }, AnswerFault::kWrongType,
       "the answer must be an object"},
  };
  for (const WrongAnswer& wrong : cases) {
    json answer = EmptyAnswer();
    answer["cpu_milli"] = 1000;  // which is well, and is rejected with the rest
    wrong.spoil(answer);
    const AnswerReading reading = ReadJson(answer, "llama");
    EXPECT_EQ(reading.fault, wrong.fault) << wrong.what;
    EXPECT_EQ(reading.message, wrong.message) << wrong.what;
    EXPECT_EQ(reading.features, Features{}) << wrong.what;
  }
}

TEST(AnswerTest, IsRejectedWhenItIsNotJsonOrTooMuch) {
  const std::string good = EmptyAnswer().dump();
  const auto fault = [](const std::string& answer) {
    return ReadAnswer(answer, TextOf(""), {}).fault;
  };
  EXPECT_EQ(fault(good), AnswerFault::kNone);
  EXPECT_EQ(fault(" \n" + good + "\n"), AnswerFault::kNone);
  EXPECT_EQ(fault(""), AnswerFault::kEmpty);
  EXPECT_EQ(fault(good.substr(0, good.size() / 2)), AnswerFault::kNotJson);
  EXPECT_EQ(fault(good + good), AnswerFault::kNotJson);
  EXPECT_EQ(fault(good + " // comment"), AnswerFault::kNotJson);
  EXPECT_EQ(fault("{\"gpus\": NaN}"), AnswerFault::kNotJson);
  EXPECT_EQ(fault("{\"gpus\": 1e999}"), AnswerFault::kNotJson);
  EXPECT_EQ(fault(std::string("{\"a\": \"\0\"}", 10)), AnswerFault::kNotJson);
  EXPECT_EQ(fault("{\"a\": \"\xff\"}"), AnswerFault::kNotJson);
  EXPECT_EQ(fault("{\"a\": 1, \"a\": 2}"), AnswerFault::kDuplicateKey);
  EXPECT_EQ(fault("{\"a\": 1, \"\\u0061\": 2}"), AnswerFault::kDuplicateKey);
  EXPECT_EQ(fault(good.substr(0, good.size() - 1) + ",\"gpus\":8}"), AnswerFault::kDuplicateKey);
  EXPECT_EQ(fault(std::string(16'000, '[')), AnswerFault::kTooDeep);
  EXPECT_EQ(fault(std::string(kMostAnswerBytes + 1, 'x')), AnswerFault::kTooLarge);
}

TEST(AnswerTest, IsKeptWithinWhatTheSiteAllows) {
  const AnswerLimits limits{.cpu_milli = 4000,
                            .memory_bytes = int64_t{1} << 30,
                            .storage_bytes = int64_t{2} << 30,
                            .gpus = 2,
                            .gpu_memory_bytes = int64_t{3} << 30,
                            .model_memory_bytes = int64_t{4} << 30,
                            .duration_ms = 5000,
                            .parallelism = 6,
                            .confidence = 10};
  const AnswerReading reading =
      ReadAnswer(GreatestAnswer().dump(), TextOf("/etc/shadow on H100"), limits);
  ASSERT_EQ(reading.message, "");
  const Features& features = reading.features;
  EXPECT_EQ(features.cpu_milli->value, 4000);
  EXPECT_EQ(features.memory_bytes->value, int64_t{1} << 30);
  EXPECT_EQ(features.storage_bytes->value, int64_t{2} << 30);
  EXPECT_EQ(features.gpus->value, 2);
  EXPECT_EQ(features.gpu_memory_bytes->value, int64_t{3} << 30);
  EXPECT_EQ(features.model_memory_bytes->value, int64_t{4} << 30);
  EXPECT_EQ(features.duration_ms->value, 5000);
  EXPECT_EQ(features.parallelism->value, 6);
  EXPECT_EQ(features.inputs[0].value.size_bytes, int64_t{2} << 30);
  EXPECT_EQ(features.computation_class->value, (ClassWeights{20, 20, 20, 20, 20}));
  EXPECT_EQ(features.gpus->confidence, 10);
}

TEST(AnswerTest, NamesThatTheTextDoesNotHaveAreDropped) {
  json answer = EmptyAnswer();
  answer["gpu_kind"] = "H100";
  answer["models"] = {"llama", "gpt-4", "lama", "x", "a\nb", "\x1b[1mbert", "[token removed]"};
  answer["inputs"] = {{{"name", "/etc/shadow"}, {"size_mib", nullptr}},
                      {{"name", "数据集"}, {"size_mib", nullptr}}};
  const AnswerReading reading =
      ReadJson(answer, "x a\nb llama2 on A100, llama, bert [token removed] 用数据集训练");
  ASSERT_EQ(reading.message, "");
  EXPECT_FALSE(reading.features.gpu_kind.has_value());
  ASSERT_EQ(reading.features.models.size(), 2u);
  EXPECT_EQ(reading.features.models[0].value, "llama");
  EXPECT_EQ(reading.features.models[1].value, "bert");
  ASSERT_EQ(reading.features.inputs.size(), 1u);
  EXPECT_EQ(reading.features.inputs[0].value.name, "数据集");
  EXPECT_EQ(reading.dropped_names, 7);
}

TEST(AnswerTest, WeightsAddUpToAHundred) {
  json answer = EmptyAnswer();
  answer["class_weights"] = {{"cpu", 33}, {"memory", 33}, {"io", 33}, {"network", 0}, {"gpu", 0}};
  EXPECT_EQ(ReadJson(answer).features.computation_class->value, (ClassWeights{34, 33, 33, 0, 0}));
}

TEST(FirstObjectTest, FindsItAmongProse) {
  EXPECT_EQ(FirstObject("Sure: {\"a\": {\"b\": \"}\\\"{\"}} or {\"c\": 1}"),
            "{\"a\": {\"b\": \"}\\\"{\"}}");
  EXPECT_EQ(FirstObject("<think>{\"no\": 1}</think>```json\n{\"yes\": 1}\n```"), "{\"yes\": 1}");
  EXPECT_EQ(FirstObject("no object"), std::nullopt);
  EXPECT_EQ(FirstObject("{\"half\": "), std::nullopt);
  EXPECT_EQ(FirstObject("{\"open string } }"), std::nullopt);
}

}  // namespace
}  // namespace berth::features
