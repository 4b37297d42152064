// Hostile texts (tests/data/features/injections.yaml) through the whole of the extractor, to a
// server that obeys them: it answers with the JSON that the text gives it.
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <future>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/str_replace.h"
#include "base/utf8.h"
#include "features/model_extractor.h"
#include "features/untrusted_text.h"
#include "tests/support/fake_chat_server.h"
#include "tests/support/status_text.h"
#include "tests/unit/features/model_answers.h"

namespace berth::features {
namespace {

using nlohmann::json;

struct Injection {
  std::string id;
  std::string field;
  std::string text;
  std::string secret;
};

std::string Bytes(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 3) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

std::vector<Injection> Injections() {
  std::vector<Injection> injections;
  for (const YAML::Node& node : YAML::LoadFile("tests/data/features/injections.yaml")) {
    const std::string text = absl::StrReplaceAll(node["text"].as<std::string>(),
                                                 {{"{{answer}}", GreatestAnswer().dump()}});
    std::string whole = Bytes(node["hex"].as<std::string>(""));
    for (int i = node["repeat"].as<int>(1); i > 0; --i) whole += text;
    injections.push_back({.id = node["id"].as<std::string>(),
                          .field = node["in"].as<std::string>(),
                          .text = std::move(whole),
                          .secret = node["secret"].as<std::string>("")});
  }
  return injections;
}

JobText TextOf(const Injection& injection, const std::vector<std::string>& command) {
  JobText text;
  text.script = "#!/bin/sh\npython train.py --model bert\n";
  if (injection.field == "name") text.name = injection.text;
  if (injection.field == "description") text.description = injection.text;
  if (injection.field == "script") text.script = injection.text;
  if (injection.field == "command") text.command = command;
  if (injection.field == "image") text.image = injection.text;
  return text;
}

Extraction Extract(ModelExtractor& extractor, const JobText& text) {
  std::promise<Extraction> promise;
  extractor.Submit({.text = text, .declared = "gpus 2"},
                   [&](const Extraction& extraction) { promise.set_value(extraction); });
  auto answer = promise.get_future();
  if (answer.wait_for(std::chrono::minutes(1)) != std::future_status::ready) std::abort();
  return answer.get();
}

// Said here once more, and not by what is under test.
bool HasHiddenCharacter(std::string_view text) {
  while (!text.empty()) {
    const base::Utf8Character character = base::DecodeUtf8(text);
    const char32_t c = character.code_point;
    if ((c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7F && c < 0xA0) || c == 0xAD ||
        (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
        (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xE0000 && c <= 0xE007F)) {
      return true;
    }
    text.remove_prefix(character.bytes);
  }
  return false;
}

// What reaches the server is ours but for strings within one JSON object, and these are clean.
void ExpectFenced(const json& request, const PromptFiles& files, const Injection& injection) {
  const json& body = request["body"];
  std::set<std::string> keys;
  for (const auto& [key, value] : body.items()) keys.insert(key);
  // Left out where the server has shown that it keeps to no form.
  const bool has_form = keys.erase("response_format") > 0;
  EXPECT_EQ(keys, (std::set<std::string>{"model", "messages", "temperature", "max_tokens", "seed",
                                         "stream"}));
  EXPECT_EQ(body["model"], "test-model");
  EXPECT_EQ(body["max_tokens"], 1024);
  if (has_form) {
    EXPECT_EQ(body["response_format"]["json_schema"]["schema"], json::parse(files.schema));
  }
  ASSERT_GE(body["messages"].size(), 2u);
  EXPECT_EQ(body["messages"][0], json({{"role", "system"}, {"content", files.prompt}}));
  EXPECT_EQ(body["messages"][1]["role"], "user");
  const std::string user = body["messages"][1]["content"];
  EXPECT_LE(user.size(), 7 * kMostPromptBytes) << "each byte escaped at most";
  EXPECT_EQ(user.find_first_of("<>\n\x1b"), std::string::npos);
  EXPECT_EQ(user.find("[INST]"), std::string::npos);
  const json fenced = json::parse(user);
  EXPECT_EQ(fenced.size(), 3u);
  EXPECT_EQ(fenced["declared"], "gpus 2");
  ASSERT_EQ(fenced["job"].size(), 5u);
  size_t bytes = 0;
  for (const auto& [key, value] : fenced["job"].items()) {
    ASSERT_TRUE(value.is_string()) << key;
    const std::string text = value;
    bytes += text.size();
    EXPECT_TRUE(base::IsValidUtf8(text));
    EXPECT_FALSE(HasHiddenCharacter(text)) << key;
    EXPECT_EQ(PlainText(text), text) << "nothing is left to be cleaned";
    EXPECT_EQ(WithoutSecrets(text), text);
  }
  EXPECT_LE(bytes, kMostPromptBytes);
  if (!injection.secret.empty()) {
    EXPECT_EQ(request["raw"].get<std::string>().find(injection.secret), std::string::npos);
  }
}

// The most that may come of an answer: hints of the model, within bounds, with the text's own
// names.
void ExpectBounded(const Extraction& extraction, const AnswerLimits& limits,
                   const CleanJobText& text) {
  if (extraction.failure != ModelFailure::kNone) {
    EXPECT_EQ(extraction.features, Features{});
    return;
  }
  const Features& features = extraction.features;
  const auto expect_within = [&](const Features::Maybe<int64_t>& field, int64_t most) {
    if (!field.has_value()) return;
    EXPECT_GE(field->value, 0);
    EXPECT_LE(field->value, most);
    EXPECT_LE(field->confidence, limits.confidence);
    EXPECT_EQ(field->source, Source::kModel);
  };
  expect_within(features.cpu_milli, limits.cpu_milli);
  expect_within(features.memory_bytes, limits.memory_bytes);
  expect_within(features.storage_bytes, limits.storage_bytes);
  expect_within(features.gpus, limits.gpus);
  expect_within(features.gpu_memory_bytes, limits.gpu_memory_bytes);
  expect_within(features.model_memory_bytes, limits.model_memory_bytes);
  expect_within(features.duration_ms, limits.duration_ms);
  expect_within(features.parallelism, limits.parallelism);
  const std::string all = text.name + "\n" + text.description + "\n" + text.script + "\n" +
                          text.command + "\n" + text.image;
  const auto expect_named = [&all](const std::string& name) {
    EXPECT_NE(all.find(name), std::string::npos) << name;
    EXPECT_EQ(PlainText(name), name);
  };
  for (const auto& model : features.models) expect_named(model.value);
  for (const auto* list : {&features.inputs, &features.outputs, &features.intermediate}) {
    for (const auto& data : *list) {
      expect_named(data.value.name);
      EXPECT_LE(data.value.size_bytes, limits.storage_bytes);
    }
  }
}

TEST(InjectionsTest, AreMany) {
  size_t chinese = 0;
  std::set<std::string> ids;
  for (const YAML::Node& node : YAML::LoadFile("tests/data/features/injections.yaml")) {
    ids.insert(node["id"].as<std::string>());
    if (node["language"].as<std::string>() == "zh") ++chinese;
  }
  EXPECT_GE(ids.size(), 100u);
  EXPECT_GE(chinese, 20u);
}

TEST(InjectionsTest, ReachAServerFencedAndMoveNothingButBoundedHints) {
  testing::FakeChatServer server("openai");
  server.Control({{"echo", true}});
  const auto files = LoadPromptFiles("", "");
  ASSERT_EQ(testing::Text(files), "OK");
  ModelOptions options;
  options.endpoints = {{.name = "obeys", .url = server.url(), .model = "test-model"}};
  options.limits = {.cpu_milli = 64'000,
                    .memory_bytes = int64_t{256} << 30,
                    .storage_bytes = int64_t{1} << 40,
                    .gpus = 8,
                    .gpu_memory_bytes = int64_t{80} << 30,
                    .model_memory_bytes = int64_t{1} << 40,
                    .duration_ms = 86'400'000,
                    .parallelism = 64,
                    .confidence = 60};
  base::SystemClock clock;
  auto extractor = ModelExtractor::Create(options, clock, base::Rng(1));
  ASSERT_EQ(testing::Text(extractor), "OK");
  int taken = 0;
  int rejected = 0;
  for (const Injection& injection : Injections()) {
    SCOPED_TRACE(injection.id);
    const std::vector<std::string> command = {"sh", "-c", injection.text};
    const JobText text = TextOf(injection, command);
    server.Reset();
    const Extraction extraction = Extract(**extractor, text);
    for (const json& request : server.Requests()) ExpectFenced(request, *files, injection);
    ExpectBounded(extraction, options.limits, CleanText(text));
    extraction.failure == ModelFailure::kNone ? ++taken : ++rejected;
  }
  // Both happen, or this shows nothing: answers that are of the schema, and such as are not.
  EXPECT_GE(taken, 5);
  EXPECT_GE(rejected, 80);
}

}  // namespace
}  // namespace berth::features
