// Why a model gave no answer.
#pragma once

#include <cstdint>
#include <string_view>

namespace berth::features {

enum class ModelFailure : uint8_t {
  kNone,
  kNoEndpoint,   // none is configured
  kUnreachable,  // no address, no connection
  kTimeout,
  kTls,       // no certificate that is trusted
  kReset,     // the connection broke, or the response ended early
  kRedirect,  // which are not followed
  kResponseTooLarge,
  kMalformedResponse,  // not what a server of this kind says
  kRateLimited,        // 429
  kQuotaExhausted,     // 429 that waiting does not mend
  kServerError,        // 5xx
  kUnauthorized,       // 401, 403; or the key cannot be read
  kNotFound,           // 404: no such model or path
  kBadRequest,         // 400 in every form that there is
  kTooLong,            // the text does not fit the model
  kCutShort,           // finish_reason length, twice
  kRefused,            // the model would not
  kContentFilter,
  kBadAnswer,    // an answer that ReadAnswer does not take, twice
  kBreakerOpen,  // of every endpoint
  kPaused,       // every endpoint asked for a long pause
  kBudget,       // of every endpoint is spent
  kDropped,      // from a full queue
  kStopped,
};
inline constexpr int kModelFailures = static_cast<int>(ModelFailure::kStopped) + 1;

std::string_view ToString(ModelFailure failure);

// Whether asking the same server again may help.
bool MayPass(ModelFailure failure);
// Whether it says that asking soon does not: the breaker opens at once.
bool NeedsOperator(ModelFailure failure);
// Whether it speaks of the text: another server is not asked, and the text is remembered.
bool IsOfTheText(ModelFailure failure);

}  // namespace berth::features
