#include "features/model_failure.h"

namespace berth::features {

std::string_view ToString(ModelFailure failure) {
  switch (failure) {
    case ModelFailure::kNone:
      return "none";
    case ModelFailure::kNoEndpoint:
      return "no_endpoint";
    case ModelFailure::kUnreachable:
      return "unreachable";
    case ModelFailure::kTimeout:
      return "timeout";
    case ModelFailure::kTls:
      return "tls";
    case ModelFailure::kReset:
      return "reset";
    case ModelFailure::kRedirect:
      return "redirect";
    case ModelFailure::kResponseTooLarge:
      return "response_too_large";
    case ModelFailure::kMalformedResponse:
      return "malformed_response";
    case ModelFailure::kRateLimited:
      return "rate_limited";
    case ModelFailure::kQuotaExhausted:
      return "quota_exhausted";
    case ModelFailure::kServerError:
      return "server_error";
    case ModelFailure::kUnauthorized:
      return "unauthorized";
    case ModelFailure::kNotFound:
      return "not_found";
    case ModelFailure::kBadRequest:
      return "bad_request";
    case ModelFailure::kTooLong:
      return "too_long";
    case ModelFailure::kCutShort:
      return "cut_short";
    case ModelFailure::kRefused:
      return "refused";
    case ModelFailure::kContentFilter:
      return "content_filter";
    case ModelFailure::kBadAnswer:
      return "bad_answer";
    case ModelFailure::kBreakerOpen:
      return "breaker_open";
    case ModelFailure::kPaused:
      return "paused";
    case ModelFailure::kBudget:
      return "budget";
    case ModelFailure::kDropped:
      return "dropped";
    case ModelFailure::kStopped:
      break;
  }
  return "stopped";
}

bool MayPass(ModelFailure failure) {
  switch (failure) {
    case ModelFailure::kUnreachable:
    case ModelFailure::kTimeout:
    case ModelFailure::kReset:
    case ModelFailure::kMalformedResponse:
    case ModelFailure::kRateLimited:
    case ModelFailure::kServerError:
      return true;
    default:
      return false;
  }
}

bool NeedsOperator(ModelFailure failure) {
  switch (failure) {
    case ModelFailure::kTls:
    case ModelFailure::kRedirect:
    case ModelFailure::kQuotaExhausted:
    case ModelFailure::kUnauthorized:
    case ModelFailure::kNotFound:
      return true;
    default:
      return false;
  }
}

bool IsOfTheText(ModelFailure failure) {
  return failure == ModelFailure::kRefused || failure == ModelFailure::kContentFilter;
}

}  // namespace berth::features
