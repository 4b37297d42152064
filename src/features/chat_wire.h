// OpenAI's chat completions as the four servers speak them: bodies of requests, and what responses
// mean.
//
// Threading: any thread; nothing is kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/rng.h"
#include "features/job_prompt.h"
#include "features/model_budget.h"
#include "features/model_failure.h"

namespace berth::features {

// How a server is told the shape of the answer, the best first.
enum class AnswerForm : uint8_t {
  kJsonSchema,  // response_format json_schema, nested
  kJsonObject,  // response_format json_object; the schema is in the prompt
  kPlainText,   // the schema is in the prompt, the answer within whatever is said
};

// What a server takes, as far as it has been found out.
struct ServerTraits {
  AnswerForm form = AnswerForm::kJsonSchema;
  bool max_completion_tokens = false;  // in place of max_tokens
  bool temperature = true;
  bool seed = true;

  bool operator==(const ServerTraits&) const = default;
};

// The next try with a server that has refused `tried` with 400: without the one field that it
// names, or one form lower; nullopt: there is none.
std::optional<ServerTraits> Downgrade(const ServerTraits& tried, std::string_view body);

struct ChatBody {
  std::string_view model;
  const ChatMessages& messages;
  std::string_view schema;
  int64_t max_tokens = 0;
  // Of an answer that was not taken, and why; else empty.
  std::string_view rejected_answer;
  std::string_view rejection;
};
std::string EncodeChatBody(const ChatBody& body, const ServerTraits& traits);

// "{base}/v1/chat/completions", whether the base ends with /v1 or not.
std::string ChatUrl(std::string_view base_url);

// What came back, of any status.
struct HttpReply {
  int status = 0;
  std::string body;
  std::string retry_after;  // the header; empty: none
};

struct ChatReply {
  ModelFailure failure = ModelFailure::kNone;
  std::string content;  // when there is none
  std::string model;    // as the server says that it is; cleaned
  std::string fingerprint;
  std::optional<TokenCount> usage;
  // For logs: of the server, cleaned and short. Nothing of an answer.
  std::string detail;
  bool is_cut_short = false;    // more tokens may help
  bool is_bad_request = false;  // Downgrade may help
};
ChatReply DecodeChatReply(const HttpReply& reply);

// Of a Retry-After header, seconds or a date, as milliseconds from now; nullopt: neither.
std::optional<int64_t> RetryAfterMs(std::string_view header, int64_t wall_ms);

// `least`, and upon it full jitter: anything from 0 to first * 2^tried, at most `longest`.
struct Backoff {
  int64_t first_ms = 0;
  int64_t longest_ms = 0;
};
int64_t BackoffMs(const Backoff& backoff, int tried, int64_t least_ms, base::Rng& rng);

}  // namespace berth::features
