#include "features/model_options.h"

#include <set>
#include <string_view>

#include "base/host_port.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace berth::features {
namespace {

absl::Status BadSetting(const std::string& what, const std::string& why) {
  return absl::InvalidArgumentError(what + ": " + why);
}

// The host of a URL that begins with its scheme; without brackets, user and port.
std::string HostOf(std::string_view url) {
  url.remove_prefix(url.find("://") + 3);
  url = url.substr(0, url.find('/'));
  if (url.starts_with('[')) return std::string(url.substr(1, url.find(']') - 1));
  return std::string(url.substr(0, url.find(':')));
}

bool IsHeaderWord(std::string_view text) {
  for (const char c : text) {
    if (c <= 0x20 || c > 0x7E) return false;
  }
  return true;
}

absl::Status CheckUrl(const ModelEndpoint& endpoint, const std::string& place) {
  const std::string& url = endpoint.url;
  const bool tls = url.starts_with("https://");
  if ((!tls && !url.starts_with("http://")) || !IsHeaderWord(url)) {
    return BadSetting(place + ".url",
                      "must begin with https:// or http://, such as http://127.0.0.1:8000");
  }
  const std::string_view rest = std::string_view(url).substr(url.find("://") + 3);
  if (rest.substr(0, rest.find('/')).find('@') != std::string_view::npos) {
    return BadSetting(place + ".url",
                      "must not hold a user or password; give a key by keyFile or keyEnv");
  }
  if (rest.find_first_of("?#") != std::string_view::npos || HostOf(url).empty()) {
    return BadSetting(place + ".url", "must be a host, a port and a path, and no more");
  }
  const bool has_key = !endpoint.key_file.empty() || !endpoint.key_env.empty();
  if (has_key && !tls && !base::IsLoopback(HostOf(url)) && !endpoint.key_over_plain_http) {
    return BadSetting(place + ".url",
                      "its key would be sent in the clear; use https://, or set keyOverPlainHttp "
                      "where the network is your own");
  }
  return absl::OkStatus();
}

absl::Status CheckRange(int64_t value, int64_t least, int64_t most, const std::string& what) {
  if (value >= least && value <= most) return absl::OkStatus();
  return BadSetting(what, "must be from " + std::to_string(least) + " to " + std::to_string(most) +
                              ", and is " + std::to_string(value));
}

absl::Status CheckEndpoint(const ModelEndpoint& endpoint, const std::string& place) {
  if (endpoint.name.empty() || endpoint.name.size() > 63 || !IsHeaderWord(endpoint.name)) {
    return BadSetting(place + ".name", "must be 1 to 63 printable characters without blanks");
  }
  if (endpoint.model.empty() || endpoint.model.size() > 256 || !base::IsValidUtf8(endpoint.model)) {
    return BadSetting(place + ".model", "must be the name by which the server knows the model");
  }
  if (!endpoint.key_file.empty() && !endpoint.key_env.empty()) {
    return BadSetting(place, "has keyFile and keyEnv; leave one out");
  }
  BERTH_RETURN_IF_ERROR(CheckUrl(endpoint, place));
  BERTH_RETURN_IF_ERROR(
      CheckRange(endpoint.connect_timeout_ms, 1, 60'000, place + ".connectTimeout (ms)"));
  BERTH_RETURN_IF_ERROR(CheckRange(endpoint.timeout_ms, 1, 600'000, place + ".timeout (ms)"));
  BERTH_RETURN_IF_ERROR(CheckRange(endpoint.concurrency, 1, 64, place + ".concurrency"));
  BERTH_RETURN_IF_ERROR(CheckRange(endpoint.max_tokens, 64, 32'768, place + ".maxTokens"));
  const BudgetLimits& budget = endpoint.budget;
  for (const int64_t limit : {budget.requests, budget.tokens, budget.micros}) {
    BERTH_RETURN_IF_ERROR(CheckRange(limit, 0, kMostBudget, place + ".budget"));
  }
  for (const int64_t price : {budget.prompt_micros_per_million, budget.answer_micros_per_million}) {
    BERTH_RETURN_IF_ERROR(CheckRange(price, 0, kMostTokenPrice, place + ".budget, a price"));
  }
  if (budget.micros > 0 && budget.prompt_micros_per_million == 0 &&
      budget.answer_micros_per_million == 0) {
    return BadSetting(place + ".budget",
                      "money is limited, and no price is known; set the prices of tokens");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckModelOptions(const ModelOptions& options) {
  std::set<std::string> names;
  for (size_t i = 0; i < options.endpoints.size(); ++i) {
    const std::string place = "endpoints[" + std::to_string(i) + "]";
    BERTH_RETURN_IF_ERROR(CheckEndpoint(options.endpoints[i], place));
    if (!names.insert(options.endpoints[i].name).second) {
      return BadSetting(place + ".name", "another endpoint has it already");
    }
  }
  BERTH_RETURN_IF_ERROR(CheckRange(options.retries, 0, 10, "retries"));
  BERTH_RETURN_IF_ERROR(CheckRange(options.first_backoff_ms, 1, 60'000, "firstBackoff (ms)"));
  BERTH_RETURN_IF_ERROR(CheckRange(options.longest_backoff_ms, options.first_backoff_ms, 600'000,
                                   "longestBackoff (ms)"));
  BERTH_RETURN_IF_ERROR(CheckRange(options.longest_wait_ms, 0, 600'000, "longestWait (ms)"));
  BERTH_RETURN_IF_ERROR(CheckRange(options.breaker.failures, 1, 100, "failures"));
  BERTH_RETURN_IF_ERROR(
      CheckRange(options.breaker.longest_pause_ms, 1000, 86'400'000, "longestPause (ms)"));
  BERTH_RETURN_IF_ERROR(CheckRange(static_cast<int64_t>(options.queue), 1, 100'000, "queue"));
  BERTH_RETURN_IF_ERROR(CheckRange(static_cast<int64_t>(options.max_response_bytes), 4096, 16 << 20,
                                   "maxResponse (bytes)"));
  BERTH_RETURN_IF_ERROR(CheckRange(static_cast<int64_t>(options.cache_bytes), 64 << 10,
                                   int64_t{16} << 30, "cache (bytes)"));
  BERTH_RETURN_IF_ERROR(
      CheckRange(options.cache_ttl_ms, 1000, int64_t{3650} * 86'400'000, "cacheTimeToLive (ms)"));
  return CheckRange(options.refusal_ttl_ms, 1000, int64_t{3650} * 86'400'000,
                    "refusalTimeToLive (ms)");
}

}  // namespace berth::features
