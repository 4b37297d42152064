// How language models are asked: what an operator sets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/circuit_breaker.h"
#include "features/answer.h"
#include "features/model_budget.h"

namespace berth::features {

// A server that speaks OpenAI's chat completions.
struct ModelEndpoint {
  std::string name;   // in logs, metrics and errors; unique
  std::string url;    // "https://api.openai.com", "http://127.0.0.1:11434"; with or without /v1
  std::string model;  // as the server calls it

  // The key is in neither this struct nor the configuration. At most one of the two; none: no key.
  std::string key_file;  // which others than its owner and group may not read or write
  std::string key_env;   // the name of a variable
  // A key goes over TLS or to this machine only, unless this is set.
  bool key_over_plain_http = false;

  std::string ca_file;  // of the authority that the server's certificate is of; empty: the system's
  std::string proxy;    // empty: none, whatever the environment says

  int64_t connect_timeout_ms = 2000;
  int64_t timeout_ms = 20'000;  // of one request in all
  int concurrency = 2;          // requests under way at once
  int64_t max_tokens = 1024;    // of an answer; four times that after one that was cut short
  BudgetLimits budget;
};

struct ModelOptions {
  std::vector<ModelEndpoint> endpoints;  // in the order in which they are tried

  int retries = 2;  // of one endpoint, of what may pass: 5xx, resets, time-outs, 429
  int64_t first_backoff_ms = 500;
  int64_t longest_backoff_ms = 8000;
  // A server that asks for a longer pause than this is left out until then.
  int64_t longest_wait_ms = 30'000;
  base::CircuitBreaker::Options breaker{.failures = 5, .longest_pause_ms = 300'000};

  size_t queue = 256;  // of texts that wait; beyond, the oldest is dropped
  size_t max_response_bytes = 256 << 10;

  std::string prompt_path;  // empty: the built-in one
  std::string schema_path;
  AnswerLimits limits;

  std::string directory;  // in which answers and budgets are kept; empty: in memory alone
  size_t cache_bytes = 64 << 20;
  int64_t cache_ttl_ms = int64_t{30} * 24 * 3600 * 1000;
  int64_t refusal_ttl_ms = int64_t{24} * 3600 * 1000;  // of texts that a model did not answer
  // Part of every key: caches of two sites tell nothing of each other.
  std::string salt;
};

// InvalidArgument names the setting, the reason and what is accepted.
absl::Status CheckModelOptions(const ModelOptions& options);

}  // namespace berth::features
