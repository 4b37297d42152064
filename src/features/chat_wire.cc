#include "features/chat_wire.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/time/time.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "features/answer.h"
#include "features/untrusted_text.h"

namespace berth::features {
namespace {

using WireJson = nlohmann::ordered_json;

constexpr int kMostReplyDepth = 32;
constexpr size_t kMostDetailBytes = 200;
constexpr size_t kMostRejectedBytes = 4 << 10;
constexpr std::string_view kSchemaName = "task_features";

// What a server says, as a line for people.
std::string Line(std::string_view text) {
  std::string line = PlainText(text.substr(0, 4 * kMostDetailBytes));
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  line.resize(base::CutUtf8(line, kMostDetailBytes).size());
  return line;
}

WireJson ParseReply(std::string_view body) {
  if (CheckJson(body, kMostReplyDepth) != AnswerFault::kNone) return nullptr;
  return WireJson::parse(body.begin(), body.end(), nullptr, /*allow_exceptions=*/false);
}

std::string StringAt(const WireJson& object, const char* key) {
  if (!object.is_object() || !object.contains(key)) return {};
  const WireJson& value = object.at(key);
  if (value.is_string()) return value.get<std::string>();
  return value.is_number_integer() ? std::to_string(value.get<int64_t>()) : std::string();
}

// An error as the servers have it: {"error": {...}}, {"error": "text"}, and vLLM's of old, on top.
struct WireError {
  std::string message;
  std::string type;
  std::string param;
  std::string code;

  // REQUIRES: `word` is in lower case.
  bool Mentions(std::string_view word) const {
    for (const std::string* said : {&message, &type, &param, &code}) {
      if (absl::AsciiStrToLower(*said).find(word) != std::string::npos) return true;
    }
    return false;
  }
  // Whether it is about this field. Some servers quote the whole request, which has it as well.
  bool Refuses(std::string_view field) const {
    return param == field || (Mentions("unsupported") && Mentions("'" + std::string(field) + "'"));
  }
};

WireError ReadError(const WireJson& body) {
  if (!body.is_object()) return {};
  const bool nested = body.contains("error");
  const WireJson& error = nested ? body.at("error") : body;
  if (error.is_string()) return {.message = error.get<std::string>()};
  return {.message = StringAt(error, "message"),
          .type = StringAt(error, "type"),
          .param = StringAt(error, "param"),
          .code = StringAt(error, "code")};
}

bool SpeaksOfLength(const WireError& error) {
  return error.code == "context_length_exceeded" || error.Mentions("context length") ||
         error.Mentions("exceed_context_size") || error.Mentions("context size") ||
         error.Mentions("maximum context");
}

bool SpeaksOfQuota(const WireError& error) {
  for (const std::string_view word : {"insufficient_quota", "credit_balance_exhausted",
                                      "billing_hard_limit_reached", "credit balance"}) {
    if (error.Mentions(word)) return true;
  }
  return false;
}

ModelFailure FailureOf(int status, const WireError& error) {
  if (status >= 300 && status < 400) return ModelFailure::kRedirect;
  if (error.code == "content_filter" || error.Mentions("content_policy")) {
    return ModelFailure::kContentFilter;
  }
  switch (status) {
    case 401:
    case 403:
      return ModelFailure::kUnauthorized;
    case 402:
      return ModelFailure::kQuotaExhausted;
    case 404:
    case 405:
    case 410:
      return ModelFailure::kNotFound;
    case 408:
      return ModelFailure::kTimeout;
    case 413:
      return ModelFailure::kTooLong;
    case 429:
      return SpeaksOfQuota(error) ? ModelFailure::kQuotaExhausted : ModelFailure::kRateLimited;
    default:
      break;
  }
  if (status >= 500 && status < 600) return ModelFailure::kServerError;
  if (status >= 400 && status < 500) {
    return SpeaksOfLength(error) ? ModelFailure::kTooLong : ModelFailure::kBadRequest;
  }
  return ModelFailure::kMalformedResponse;
}

int64_t CountAt(const WireJson& object, const char* key) {
  if (!object.contains(key) || !object.at(key).is_number_integer()) return 0;
  return std::clamp<int64_t>(object.at(key).get<int64_t>(), 0, 1'000'000'000);
}

ChatReply Malformed(ChatReply reply, std::string_view why) {
  reply.failure = ModelFailure::kMalformedResponse;
  reply.detail = std::string(why);
  return reply;
}

ChatReply DecodeChoice(const WireJson& choice, ChatReply reply) {
  if (!choice.is_object() || !choice.contains("message") || !choice.at("message").is_object()) {
    return Malformed(std::move(reply), "the first choice has no message");
  }
  const WireJson& message = choice.at("message");
  const std::string finish = StringAt(choice, "finish_reason");
  if (message.contains("refusal") && !StringAt(message, "refusal").empty()) {
    reply.failure = ModelFailure::kRefused;
    reply.detail = "the model refused";
  } else if (finish == "content_filter") {
    reply.failure = ModelFailure::kContentFilter;
    reply.detail = "finish_reason content_filter";
  } else if (finish == "length") {
    reply.failure = ModelFailure::kCutShort;
    reply.detail = "finish_reason length";
    reply.is_cut_short = true;
  } else if (finish != "stop") {
    return Malformed(std::move(reply), "its finish_reason is not stop");
  } else if (!message.contains("content") || !message.at("content").is_string()) {
    return Malformed(std::move(reply), "the message has no content");
  } else {
    reply.content = message.at("content").get<std::string>();
  }
  return reply;
}

}  // namespace

std::optional<ServerTraits> Downgrade(const ServerTraits& tried, std::string_view body) {
  const WireError error = ReadError(ParseReply(body));
  ServerTraits next = tried;
  if (!tried.max_completion_tokens &&
      (error.param == "max_tokens" || error.Mentions("max_completion_tokens"))) {
    next.max_completion_tokens = true;
  } else if (tried.temperature && error.Refuses("temperature")) {
    next.temperature = false;
  } else if (tried.seed && error.Refuses("seed")) {
    next.seed = false;
  } else if (tried.form == AnswerForm::kJsonSchema) {
    next.form = AnswerForm::kJsonObject;
  } else if (tried.form == AnswerForm::kJsonObject) {
    next.form = AnswerForm::kPlainText;
  } else {
    return std::nullopt;
  }
  return next;
}

std::string EncodeChatBody(const ChatBody& body, const ServerTraits& traits) {
  WireJson out;
  out["model"] = std::string(body.model);
  out["messages"] = WireJson::array();
  const auto say = [&out](const char* role, std::string text) {
    out["messages"].push_back({{"role", role}, {"content", std::move(text)}});
  };
  say("system", body.messages.system);
  say("user", body.messages.user);
  if (!body.rejection.empty()) {
    // The model's own words, made plain: they may have been put into its mouth.
    const std::string answer = PlainText(body.rejected_answer.substr(0, kMostRejectedBytes));
    say("assistant", answer.empty() ? "{}" : answer);
    say("user", "That answer was rejected: " + std::string(body.rejection) +
                    ". Answer again with one JSON object that follows the schema, and nothing "
                    "else.");
  }
  if (traits.temperature) out["temperature"] = 0;
  out[traits.max_completion_tokens ? "max_completion_tokens" : "max_tokens"] = body.max_tokens;
  if (traits.seed) out["seed"] = 7;
  out["stream"] = false;
  if (traits.form == AnswerForm::kJsonSchema) {
    out["response_format"] = {
        {"type", "json_schema"},
        {"json_schema",
         {{"name", kSchemaName},
          {"strict", true},
          {"schema", WireJson::parse(body.schema.begin(), body.schema.end(), nullptr, false)}}}};
  } else if (traits.form == AnswerForm::kJsonObject) {
    out["response_format"] = {{"type", "json_object"}};
  }
  return out.dump(-1, ' ', /*ensure_ascii=*/false, WireJson::error_handler_t::replace);
}

std::string ChatUrl(std::string_view base_url) {
  while (base_url.ends_with('/')) base_url.remove_suffix(1);
  std::string url(base_url);
  if (!base_url.ends_with("/v1")) url += "/v1";
  return url + "/chat/completions";
}

ChatReply DecodeChatReply(const HttpReply& http) {
  ChatReply reply;
  const WireJson body = ParseReply(http.body);
  const bool has_error = body.is_object() && body.contains("error") && !body.at("error").is_null();
  if (http.status != 200 || has_error) {
    const WireError error = ReadError(body);
    // An error in a response that calls itself a success: the code within, where it is one.
    int status = http.status;
    if (status == 200) {
      status = 500;
      const char* const end = error.code.data() + error.code.size();
      int code = 0;
      if (std::from_chars(error.code.data(), end, code).ec == std::errc() && code >= 400 &&
          code < 600) {
        status = code;
      }
    }
    reply.failure = FailureOf(status, error);
    reply.is_bad_request = reply.failure == ModelFailure::kBadRequest;
    reply.detail = "HTTP " + std::to_string(http.status);
    if (!error.message.empty()) reply.detail += ": " + Line(error.message);
    return reply;
  }
  if (!body.is_object()) return Malformed(std::move(reply), "the response is not a JSON object");
  reply.model = Line(StringAt(body, "model"));
  reply.fingerprint = Line(StringAt(body, "system_fingerprint"));
  if (body.contains("usage") && body.at("usage").is_object()) {
    reply.usage = TokenCount{.prompt = CountAt(body.at("usage"), "prompt_tokens"),
                             .answer = CountAt(body.at("usage"), "completion_tokens")};
  }
  if (!body.contains("choices") || !body.at("choices").is_array() || body.at("choices").empty()) {
    return Malformed(std::move(reply), "the response has no choices");
  }
  return DecodeChoice(body.at("choices").at(0), std::move(reply));
}

std::optional<int64_t> RetryAfterMs(std::string_view header, int64_t wall_ms) {
  header = base::V(absl::StripAsciiWhitespace(base::A(header)));
  if (header.empty()) return std::nullopt;
  constexpr int64_t kMostSeconds = int64_t{366} * 24 * 3600;
  int64_t seconds = 0;
  const char* const end = header.data() + header.size();
  const auto [stopped, error] = std::from_chars(header.data(), end, seconds);
  if (stopped == end && seconds >= 0 && error == std::errc()) {
    return std::min(seconds, kMostSeconds) * 1000;
  }
  absl::Time at;
  // "Sun, 06 Nov 1994 08:49:37 GMT": the one form that is sent today.
  if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", base::A(header), &at, nullptr)) {
    return std::nullopt;
  }
  return std::clamp<int64_t>(absl::ToUnixMillis(at) - wall_ms, 0, kMostSeconds * 1000);
}

int64_t BackoffMs(const Backoff& backoff, int tried, int64_t least_ms, base::Rng& rng) {
  int64_t most = backoff.first_ms;
  for (int i = 0; i < tried && most < backoff.longest_ms; ++i) most *= 2;
  most = std::min(most, backoff.longest_ms);
  return least_ms + static_cast<int64_t>(rng.Uniform(static_cast<uint64_t>(most) + 1));
}

}  // namespace berth::features
