#include "features/chat_wire.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

namespace berth::features {
namespace {

using nlohmann::json;

const ChatMessages kMessages{.system = "sys", .user = "usr"};

json Encoded(const ServerTraits& traits) {
  return json::parse(EncodeChatBody(
      {.model = "m", .messages = kMessages, .schema = R"({"type":"object"})", .max_tokens = 9},
      traits));
}

TEST(ChatBodyTest, IsTheSubsetThatAllServersTake) {
  EXPECT_EQ(Encoded({}), json::parse(R"({"model": "m",
    "messages": [{"role": "system", "content": "sys"}, {"role": "user", "content": "usr"}],
    "temperature": 0, "max_tokens": 9, "seed": 7, "stream": false,
    "response_format": {"type": "json_schema", "json_schema":
      {"name": "task_features", "strict": true, "schema": {"type": "object"}}}})"));
  EXPECT_EQ(Encoded({.form = AnswerForm::kJsonObject})["response_format"],
            json({{"type", "json_object"}}));
  const json plain = Encoded({.form = AnswerForm::kPlainText,
                              .max_completion_tokens = true,
                              .temperature = false,
                              .seed = false});
  EXPECT_EQ(plain["max_completion_tokens"], 9);
  for (const char* key : {"response_format", "max_tokens", "temperature", "seed"}) {
    EXPECT_FALSE(plain.contains(key)) << key;
  }
}

TEST(ChatBodyTest, CarriesWhatWasWrongWithAnAnswer) {
  const json body = json::parse(EncodeChatBody({.model = "m",
                                                .messages = kMessages,
                                                .schema = "{}",
                                                .max_tokens = 9,
                                                .rejected_answer = "no\x1b[1m",
                                                .rejection = "gpus must be an integer"},
                                               {}));
  ASSERT_EQ(body["messages"].size(), 4u);
  EXPECT_EQ(body["messages"][2], json({{"role", "assistant"}, {"content", "no"}}));
  EXPECT_EQ(body["messages"][3]["role"], "user");
  EXPECT_NE(body["messages"][3]["content"].get<std::string>().find("gpus must be an integer"),
            std::string::npos);
}

TEST(ChatUrlTest, HasTheVersionOnce) {
  const std::string url = "http://h:1/v1/chat/completions";
  EXPECT_EQ(ChatUrl("http://h:1"), url);
  EXPECT_EQ(ChatUrl("http://h:1/"), url);
  EXPECT_EQ(ChatUrl("http://h:1/v1/"), url);
}

TEST(DowngradeTest, LeavesOutWhatTheServerNames) {
  const auto next = [](const char* body) { return Downgrade({}, body); };
  EXPECT_EQ(next(R"({"error":{"message":"x","param":"max_tokens"}})"),
            (ServerTraits{.max_completion_tokens = true}));
  EXPECT_EQ(next(R"({"error":{"message":"Unsupported value: 'temperature'"}})"),
            (ServerTraits{.temperature = false}));
  EXPECT_EQ(next(R"({"error":{"message":"x","param":"seed"}})"), (ServerTraits{.seed = false}));
  for (const char* other : {R"({"error":{"message":"response_format?"}})", "", "<html>",
                            R"({"error":"failed to parse grammar"})",
                            R"({"error":{"message":"input: {'temperature': 0, 'seed': 7}"}})"}) {
    EXPECT_EQ(next(other), (ServerTraits{.form = AnswerForm::kJsonObject})) << other;
  }
  EXPECT_EQ(Downgrade({.form = AnswerForm::kJsonObject}, "{}"),
            (ServerTraits{.form = AnswerForm::kPlainText}));
  EXPECT_EQ(Downgrade({.form = AnswerForm::kPlainText}, "{}"), std::nullopt);
}

ModelFailure FailureOfReply(int status, const std::string& body) {
  return DecodeChatReply({.status = status, .body = body}).failure;
}

TEST(ChatReplyTest, SaysWhyThereIsNoAnswer) {
  struct Case {
    int status;
    const char* body;
    ModelFailure failure;
  };
  for (const Case& c : {
           Case{200, "", ModelFailure::kMalformedResponse},
           Case{200, "[]", ModelFailure::kMalformedResponse},
           Case{200, "<html>", ModelFailure::kMalformedResponse},
           Case{200, R"({"choices":[]})", ModelFailure::kMalformedResponse},
           Case{200, R"({"choices":[{"finish_reason":"stop"}]})", ModelFailure::kMalformedResponse},
           Case{200, R"({"choices":[{"finish_reason":"stop","message":{"content":null}}]})",
                ModelFailure::kMalformedResponse},
           Case{200, R"({"choices":[{"finish_reason":"tool_calls","message":{"content":"x"}}]})",
                ModelFailure::kMalformedResponse},
           Case{200, R"({"choices":[{"finish_reason":"length","message":{"content":"{"}}]})",
                ModelFailure::kCutShort},
           Case{200, R"({"choices":[{"finish_reason":"content_filter","message":{"content":""}}]})",
                ModelFailure::kContentFilter},
           Case{200, R"({"choices":[{"finish_reason":"stop","message":{"refusal":"no"}}]})",
                ModelFailure::kRefused},
           Case{200, R"({"error":{"message":"x"}})", ModelFailure::kServerError},
           Case{200, R"({"error":{"message":"x","code":429}})", ModelFailure::kRateLimited},
           Case{302, "", ModelFailure::kRedirect},
           Case{400, R"({"error":{"message":"x"}})", ModelFailure::kBadRequest},
           Case{400, R"({"error":{"code":"content_filter","message":"x"}})",
                ModelFailure::kContentFilter},
           Case{400, R"({"error":{"code":"context_length_exceeded","message":"x"}})",
                ModelFailure::kTooLong},
           Case{400, R"({"error":{"code":400,"type":"exceed_context_size_error","message":"x"}})",
                ModelFailure::kTooLong},
           Case{401, "", ModelFailure::kUnauthorized},
           Case{403, "", ModelFailure::kUnauthorized},
           Case{404, R"({"error":"model not found"})", ModelFailure::kNotFound},
           Case{408, "", ModelFailure::kTimeout},
           Case{413, "", ModelFailure::kTooLong},
           Case{422, "", ModelFailure::kBadRequest},
           Case{429, "", ModelFailure::kRateLimited},
           Case{429, R"({"error":{"code":"slow_down"}})", ModelFailure::kRateLimited},
           Case{429, R"({"error":{"code":"insufficient_quota"}})", ModelFailure::kQuotaExhausted},
           Case{429, R"({"error":{"type":"credit_balance_exhausted"}})",
                ModelFailure::kQuotaExhausted},
           Case{500, "", ModelFailure::kServerError},
           Case{503, R"({"error":{"code":503,"message":"Loading model"}})",
                ModelFailure::kServerError},
           Case{600, "", ModelFailure::kMalformedResponse},
       }) {
    EXPECT_EQ(ToString(FailureOfReply(c.status, c.body)), ToString(c.failure))
        << c.status << " " << c.body;
  }
}

TEST(ChatReplyTest, HasTheContentAndWhoSaidIt) {
  const ChatReply reply = DecodeChatReply({.status = 200, .body = R"({
    "model": "m\u001b[1m", "system_fingerprint": "fp",
    "usage": {"prompt_tokens": 5, "completion_tokens": -6},
    "choices": [{"finish_reason": "stop",
                 "message": {"content": "{}", "refusal": null, "reasoning_content": "{1}"}}]})"});
  EXPECT_EQ(reply.failure, ModelFailure::kNone);
  EXPECT_EQ(reply.content, "{}");
  EXPECT_EQ(reply.model, "m") << "nothing that drives a terminal";
  EXPECT_EQ(reply.fingerprint, "fp");
  ASSERT_TRUE(reply.usage.has_value());
  EXPECT_EQ(reply.usage->prompt, 5);
  EXPECT_EQ(reply.usage->answer, 0);
}

TEST(ChatReplyTest, DoesNotFollowDeepNesting) {
  EXPECT_EQ(FailureOfReply(200, std::string(100'000, '[')), ModelFailure::kMalformedResponse);
  EXPECT_EQ(FailureOfReply(500, std::string(100'000, '{')), ModelFailure::kServerError);
}

TEST(RetryAfterTest, IsSecondsOrADate) {
  constexpr int64_t kNow = 784'111'777'000;  // Sun, 06 Nov 1994 08:49:37 GMT
  EXPECT_EQ(RetryAfterMs("", kNow), std::nullopt);
  EXPECT_EQ(RetryAfterMs("0", kNow), 0);
  EXPECT_EQ(RetryAfterMs(" 12 ", kNow), 12'000);
  EXPECT_EQ(RetryAfterMs("999999999999", kNow), int64_t{366} * 86'400'000);
  EXPECT_EQ(RetryAfterMs("-1", kNow), std::nullopt);
  EXPECT_EQ(RetryAfterMs("1.5", kNow), std::nullopt);
  EXPECT_EQ(RetryAfterMs("soon", kNow), std::nullopt);
  EXPECT_EQ(RetryAfterMs("Sun, 06 Nov 1994 08:50:07 GMT", kNow), 30'000);
  EXPECT_EQ(RetryAfterMs("Sun, 06 Nov 1994 08:00:00 GMT", kNow), 0) << "over already";
}

TEST(BackoffTest, IsAnythingUpToADoublingBoundAndNeverLessThanAsked) {
  base::Rng rng(1);
  const Backoff backoff{.first_ms = 100, .longest_ms = 300};
  for (const auto& [tried, most] : {std::pair(0, 100), {1, 200}, {2, 300}, {60, 300}}) {
    std::set<int64_t> seen;
    for (int i = 0; i < 2000; ++i) seen.insert(BackoffMs(backoff, tried, 50, rng));
    EXPECT_GE(*seen.begin(), 50);
    EXPECT_LT(*seen.begin(), 60);
    EXPECT_LE(*seen.rbegin(), 50 + most);
    EXPECT_GT(*seen.rbegin(), 40 + most);
  }
}

}  // namespace
}  // namespace berth::features
