#include "features/chat_completions_client.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <atomic>
#include <future>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "base/small_file.h"
#include "features/answer.h"
#include "features/embedded_files.h"
#include "tests/support/await.h"
#include "tests/support/fake_chat_server.h"
#include "tests/support/fake_clock.h"
#include "tests/support/status_text.h"

namespace berth::features {
namespace {

using nlohmann::json;
using testing::Await;
using testing::FakeChatServer;
using testing::Text;
using Answer = ChatCompletionsClient::Answer;
using BreakerState = base::CircuitBreaker::State;

json Status(int status, const json& more = json::object()) {
  json fault = {{"kind", "status"}, {"status", status}};
  fault.update(more);
  return fault;
}

// A fault as often as it is met.
json Always(json fault) {
  fault["times"] = 0;
  return fault;
}

// A client and what it takes, with pauses that are short.
class Asker {
 public:
  Asker() {
    options_.first_backoff_ms = 1;
    options_.longest_backoff_ms = 5;
    options_.breaker.failures = 100;
  }
  ~Asker() {
    if (client_ != nullptr) client_->Stop();
  }

  ModelOptions& options() { return options_; }
  ModelEndpoint& Add(const std::string& url, const std::string& name = "server") {
    options_.endpoints.push_back({.name = name, .url = url, .model = "test-model"});
    options_.endpoints.back().timeout_ms = 20'000;
    return options_.endpoints.back();
  }

  ChatCompletionsClient& client() {
    if (client_ == nullptr) {
      EXPECT_EQ(Text(CheckModelOptions(options_)), "OK");
      auto files = LoadPromptFiles("", "");
      files_ = *std::move(files);
      auto client = ChatCompletionsClient::Create(
          options_, files_.schema, ModelBudget(),
          [this](std::string encoded) {
            base::MutexLock lock(mutex_);
            kept_budget_ = std::move(encoded);
          },
          *clock_, base::Rng(1));
      EXPECT_EQ(Text(client), "OK");
      client_ = *std::move(client);
    }
    return *client_;
  }
  void UseClock(const base::Clock& clock) { clock_ = &clock; }

  std::future<Answer> Start(const std::string& script = "python train.py") {
    client();
    auto promise = std::make_shared<std::promise<Answer>>();
    CleanJobText text;
    text.script = script;
    client().Ask({.messages = JobMessages(files_, text, ""),
                  .check =
                      [text](std::string_view content) {
                        const AnswerReading reading = ReadAnswer(content, text, {});
                        return ChatCompletionsClient::Verdict{
                            .rejection = reading.message,
                            .is_json = reading.fault != AnswerFault::kNotJson};
                      },
                  .done = [promise](Answer answer) { promise->set_value(std::move(answer)); }});
    return promise->get_future();
  }
  Answer Ask(const std::string& script = "python train.py") {
    auto answer = Start(script);
    if (answer.wait_for(std::chrono::minutes(1)) != std::future_status::ready) {
      ADD_FAILURE() << "no answer within a minute";
      return {};
    }
    return answer.get();
  }
  std::string Failure() { return std::string(ToString(Ask().failure)); }

  EndpointStats stats(size_t endpoint = 0) { return client().stats().endpoints.at(endpoint); }
  uint64_t failures(ModelFailure failure, size_t endpoint = 0) {
    return stats(endpoint).failures[static_cast<size_t>(failure)];
  }
  std::string kept_budget() {
    base::MutexLock lock(mutex_);
    return kept_budget_;
  }

 private:
  base::SystemClock system_clock_;
  const base::Clock* clock_ = &system_clock_;
  ModelOptions options_;
  PromptFiles files_;
  base::Mutex mutex_;
  std::string kept_budget_ BERTH_GUARDED_BY(mutex_);
  std::unique_ptr<ChatCompletionsClient> client_;
};

class DialectTest : public ::testing::TestWithParam<const char*> {
 protected:
  FakeChatServer server_{GetParam()};
  Asker asker_;
};

INSTANTIATE_TEST_SUITE_P(Servers, DialectTest,
                         ::testing::Values("openai", "vllm", "llamacpp", "ollama"),
                         [](const auto& suite) { return std::string(suite.param); });

TEST_P(DialectTest, AnswersByTheSchema) {
  asker_.Add(server_.url());
  const Answer answer = asker_.Ask();
  EXPECT_EQ(ToString(answer.failure), "none") << answer.detail;
  EXPECT_EQ(json::parse(answer.content)["gpus"], nullptr);
  EXPECT_EQ(answer.model, "test-model");
  EXPECT_EQ(answer.fingerprint, "fp_test");
  const json requests = server_.Requests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0]["path"], "/v1/chat/completions");
  EXPECT_EQ(requests[0]["body"]["response_format"]["type"], "json_schema");
  EXPECT_FALSE(requests[0]["headers"].contains("Authorization"));
  ASSERT_TRUE(Await([&] { return asker_.stats().answers == 1; }));
  EXPECT_EQ(asker_.stats().prompt_tokens, 700);
  EXPECT_EQ(asker_.stats().answer_tokens, 150);
}

TEST_P(DialectTest, EveryFaultLeadsToWhatTheTableSays) {
  struct Case {
    json fault;
    const char* outcome;  // ToString of the failure
    size_t requests;
  };
  const std::vector<Case> cases = {
      // Passes: tried again, and then well.
      {Status(500), "none", 2},
      {Status(503), "none", 2},
      {Status(429), "none", 2},
      {{{"kind", "loading"}}, "none", 2},
      {{{"kind", "reset"}, {"times", 2}}, "none", 3},
      {{{"kind", "half"}}, "none", 2},
      {{{"kind", "bad_body"}}, "none", 2},
      {{{"kind", "no_choices"}}, "none", 2},
      {{{"kind", "error_in_200"}}, "none", 2},
      {{{"kind", "tool_calls"}}, "none", 2},
      // Does not: at most two more tries.
      {Always(Status(500)), "server_error", 3},
      {Always(Status(429)), "rate_limited", 3},
      {Always({{"kind", "half"}}), "reset", 3},
      {Always({{"kind", "bad_body"}}), "malformed_response", 3},
      // One more try, that says what was wrong, or that may be longer.
      {{{"kind", "length"}}, "none", 2},
      {Always({{"kind", "length"}}), "cut_short", 2},
      {{{"kind", "empty"}}, "none", 2},
      {{{"kind", "not_json"}}, "none", 2},
      {{{"kind", "half_json"}}, "none", 2},
      {{{"kind", "extra_key"}}, "none", 2},
      {{{"kind", "wrong_type"}}, "none", 2},
      {{{"kind", "nan"}}, "none", 2},
      {{{"kind", "out_of_range"}}, "none", 2},
      {{{"kind", "duplicate_key"}}, "none", 2},
      {{{"kind", "missing_key"}}, "none", 2},
      {{{"kind", "deep"}}, "none", 2},
      {{{"kind", "nul"}}, "none", 2},
      {{{"kind", "long_string"}}, "none", 2},
      {Always({{"kind", "extra_key"}}), "bad_answer", 2},
      {Always({{"kind", "nan"}}), "bad_answer", 2},
      {Always({{"kind", "not_json"}}), "bad_answer", 2},
      // Never again.
      {Always({{"kind", "refusal"}}), "refused", 1},
      {Always({{"kind", "content_filter"}}), "content_filter", 1},
      {Always({{"kind", "huge"}, {"bytes", 400'000}}), "response_too_large", 1},
  };
  asker_.Add(server_.url());
  for (const Case& c : cases) {
    server_.Reset();
    server_.Faults(json::array({c.fault}));
    EXPECT_EQ(asker_.Failure(), c.outcome) << c.fault;
    EXPECT_EQ(server_.CountRequests(), c.requests) << c.fault;
  }
}

TEST_P(DialectTest, WhatNeedsAnOperatorOpensTheBreakerAtOnce) {
  for (const auto& [fault, outcome] : std::vector<std::pair<json, std::string>>{
           {Status(401), "unauthorized"},
           {Status(404), "not_found"},
           {Status(429, {{"type", "insufficient_quota"}, {"code", "insufficient_quota"}}),
            "quota_exhausted"},
           {{{"kind", "redirect"}, {"location", "http://127.0.0.1:1/"}}, "redirect"}}) {
    Asker asker;
    asker.Add(server_.url());
    server_.Reset();
    server_.Faults(json::array({fault}));
    EXPECT_EQ(asker.Failure(), outcome);
    EXPECT_EQ(asker.Failure(), "breaker_open");
    EXPECT_EQ(server_.CountRequests(), 1u) << outcome;
    ASSERT_TRUE(Await([&] { return asker.stats().breaker == BreakerState::kOpen; }));
  }
}

// ---- how a server is told the shape of an answer ----

TEST(AnswerFormTest, GoesDownOneStepAtEachRefusalAndIsRemembered) {
  for (const std::string dialect : {"openai", "vllm", "llamacpp", "ollama"}) {
    FakeChatServer server(dialect, {"--refuse", "json_schema"});
    Asker asker;
    asker.Add(server.url());
    EXPECT_EQ(asker.Failure(), "none");
    EXPECT_EQ(asker.Failure(), "none");
    const json requests = server.Requests();
    ASSERT_EQ(requests.size(), 3u) << dialect;
    EXPECT_EQ(requests[0]["body"]["response_format"]["type"], "json_schema");
    EXPECT_EQ(requests[1]["body"]["response_format"]["type"], "json_object");
    EXPECT_EQ(requests[2]["body"]["response_format"]["type"], "json_object");
    ASSERT_TRUE(Await([&] { return asker.stats().answers == 2; }));
    EXPECT_EQ(asker.stats().downgrades, 1u);
    EXPECT_EQ(asker.stats().traits.form, AnswerForm::kJsonObject);
  }
}

TEST(AnswerFormTest, EndsWithPlainTextOfWhichTheFirstObjectIsRead) {
  FakeChatServer server("llamacpp",
                        {"--refuse", "json_schema", "--refuse", "json_object", "--prose"});
  Asker asker;
  asker.Add(server.url());
  EXPECT_EQ(asker.Failure(), "none");
  EXPECT_EQ(server.CountRequests(), 3u);
  EXPECT_FALSE(server.Requests()[2]["body"].contains("response_format"));
}

TEST(AnswerFormTest, FieldsThatAServerRefusesAreLeftOutAndRemembered) {
  FakeChatServer server("openai",
                        {"--refuse", "max_tokens", "--refuse", "temperature", "--refuse", "seed"});
  Asker asker;
  asker.Add(server.url());
  EXPECT_EQ(asker.Failure(), "none");
  EXPECT_EQ(asker.Failure(), "none");
  const json requests = server.Requests();
  ASSERT_EQ(requests.size(), 5u);
  const json& body = requests[4]["body"];
  EXPECT_EQ(body["max_completion_tokens"], 1024);
  EXPECT_FALSE(body.contains("max_tokens"));
  EXPECT_FALSE(body.contains("temperature"));
  EXPECT_FALSE(body.contains("seed"));
  EXPECT_EQ(body["response_format"]["type"], "json_schema") << "which it does take";
}

TEST(AnswerFormTest, ARequestThatNoFormMendsIsNotRemembered) {
  FakeChatServer server("vllm");
  Asker asker;
  asker.Add(server.url());
  server.Faults(json::array({{{"kind", "status"}, {"status", 400}, {"times", 3}}}));
  EXPECT_EQ(asker.Failure(), "bad_request");
  EXPECT_EQ(asker.Failure(), "none");
  EXPECT_EQ(server.Requests()[3]["body"]["response_format"]["type"], "json_schema");
  ASSERT_TRUE(Await([&] { return asker.stats().answers == 1; }));
  EXPECT_EQ(asker.stats().breaker, BreakerState::kClosed);
}

TEST(AnswerFormTest, ProseWhereJsonWasOrderedIsAHabitOnlyAfterAWhile) {
  FakeChatServer server("ollama", {"--prose"});  // as one that does not enforce schemas
  Asker asker;
  asker.Add(server.url());
  for (int i = 0; i < 4; ++i) EXPECT_EQ(asker.Failure(), "none");
  const json requests = server.Requests();
  ASSERT_EQ(requests.size(), 7u) << "two each until it is known, then one";
  EXPECT_EQ(requests[4]["body"]["response_format"]["type"], "json_schema");
  EXPECT_FALSE(requests[6]["body"].contains("response_format"));
}

// ---- tries ----

TEST(ChatRetryTest, SaysWhatWasWrongWithTheAnswer) {
  FakeChatServer server("openai");
  server.Faults(json::array({{{"kind", "wrong_type"}}}));
  Asker asker;
  asker.Add(server.url());
  EXPECT_EQ(asker.Failure(), "none");
  const json messages = server.Requests()[1]["body"]["messages"];
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_TRUE(
      absl::StrContains(messages[3]["content"].get<std::string>(), "gpus must be an integer"));
  EXPECT_EQ(asker.failures(ModelFailure::kBadAnswer), 1u);
}

TEST(ChatRetryTest, AllowsALongerAnswerAfterOneThatWasCutShort) {
  FakeChatServer server("llamacpp");
  server.Faults(json::array({{{"kind", "length"}}}));
  Asker asker;
  asker.Add(server.url()).max_tokens = 100;
  EXPECT_EQ(asker.Failure(), "none");
  EXPECT_EQ(server.Requests()[0]["body"]["max_tokens"], 100);
  EXPECT_EQ(server.Requests()[1]["body"]["max_tokens"], 400);
}

TEST(ChatRetryTest, ComesAgainNoSoonerThanTheServerAsks) {
  FakeChatServer server("openai");
  testing::FakeClock clock;
  Asker asker;
  asker.UseClock(clock);
  asker.options().longest_wait_ms = 10'000;
  asker.Add(server.url());
  server.Faults(json::array({Status(429, {{"retry_after", 7}})}));
  auto answer = asker.Start();
  ASSERT_TRUE(Await([&] { return asker.failures(ModelFailure::kRateLimited) == 1; }));
  clock.Advance(6'990);
  // Another question waits as well: the server has asked all for the pause.
  auto second = asker.Start();
  ASSERT_TRUE(Await([&] { return asker.client().stats().waiting == 2; }));
  EXPECT_EQ(server.CountRequests(), 1u);
  clock.Advance(100);
  asker.client().Wake();
  EXPECT_EQ(ToString(answer.get().failure), "none");
  EXPECT_EQ(ToString(second.get().failure), "none");
  EXPECT_EQ(server.CountRequests(), 3u);
}

TEST(ChatRetryTest, UnderstandsADateAndLeavesAServerOutThatAsksForLong) {
  FakeChatServer busy("openai");
  FakeChatServer other("vllm");
  testing::FakeClock clock;  // 2026-01-01
  Asker asker;
  asker.UseClock(clock);
  asker.Add(busy.url(), "busy");
  asker.Add(other.url(), "other");
  busy.Faults(json::array({Status(503, {{"retry_after", "Thu, 01 Jan 2026 01:00:00 GMT"}})}));
  EXPECT_EQ(asker.Ask().endpoint, 1u);
  EXPECT_EQ(asker.Ask().endpoint, 1u);
  EXPECT_EQ(busy.CountRequests(), 1u);
  clock.Advance(3'600'000);
  EXPECT_EQ(asker.Ask().endpoint, 0u);
}

TEST(ChatRetryTest, WithOneServerThatAsksForLongThereIsNoAnswer) {
  FakeChatServer server("openai");
  Asker asker;
  asker.Add(server.url());
  server.Faults(json::array({Status(429, {{"retry_after", 3600}})}));
  EXPECT_EQ(asker.Failure(), "rate_limited");
  EXPECT_EQ(asker.Failure(), "paused");
  EXPECT_EQ(server.CountRequests(), 1u);
}

// ---- connections ----

TEST(ChatConnectionTest, NobodyThereIsUnreachable) {
  const testing::ClosedPort closed;
  Asker asker;
  asker.Add("http://127.0.0.1:" + std::to_string(closed.port()));
  EXPECT_EQ(asker.Failure(), "unreachable");
  EXPECT_TRUE(Await([&] { return asker.stats().requests == 3; }));
}

TEST(ChatConnectionTest, AServerThatStallsOrDripsIsGivenUp) {
  for (const char* kind : {"stall", "drip", "slow"}) {
    FakeChatServer server("vllm");
    server.Faults(json::array({{{"kind", kind}, {"ms", 60'000}, {"times", 0}}}));
    Asker asker;
    asker.options().retries = 0;
    asker.Add(server.url()).timeout_ms = 100;
    const Answer answer = asker.Ask();
    EXPECT_EQ(ToString(answer.failure), "timeout") << kind;
    EXPECT_LT(answer.took_ms, 20'000);
    // Its tokens may have been used: they count as they were reserved.
    ASSERT_TRUE(Await([&] { return asker.stats().today.answer_tokens == 1024; }));
  }
}

TEST(ChatConnectionTest, AConnectionThatDoesNotComeHasATimeOutOfItsOwn) {
  const testing::FullPort full;
  Asker asker;
  asker.options().retries = 0;
  ModelEndpoint& endpoint = asker.Add("http://127.0.0.1:" + std::to_string(full.port()));
  endpoint.connect_timeout_ms = 100;
  endpoint.timeout_ms = 600'000;
  EXPECT_EQ(asker.Failure(), "timeout");
  // What was reserved for it is given back: nobody was asked.
  EXPECT_TRUE(Await([&] {
    const auto today = asker.stats().today;
    return today.requests == 1 && today.answer_tokens == 0;
  }));
}

TEST(ChatConnectionTest, CertificatesAreVerified) {
  FakeChatServer server("openai", {}, /*tls=*/true);
  Asker strict;
  strict.Add(server.url());
  EXPECT_EQ(strict.Failure(), "tls");
  EXPECT_EQ(strict.Failure(), "breaker_open");
  EXPECT_EQ(server.CountRequests(), 0u);
  Asker trusting;
  trusting.Add(server.url()).ca_file = server.certificate();
  EXPECT_EQ(trusting.Failure(), "none");
  // For another name it is no certificate.
  Asker other_name;
  other_name.Add("https://localhost:" + std::to_string(server.port())).ca_file =
      server.certificate();
  EXPECT_EQ(other_name.Failure(), "tls");
}

TEST(ChatConnectionTest, RedirectsAndProxiesOfTheEnvironmentAreNotFollowed) {
  FakeChatServer elsewhere("openai");
  FakeChatServer server("openai");
  server.Faults(json::array(
      {{{"kind", "redirect"}, {"location", elsewhere.url() + "/v1/chat/completions"}}}));
  ASSERT_EQ(::setenv("http_proxy", elsewhere.url().c_str(), 1), 0);
  ASSERT_EQ(::setenv("ALL_PROXY", elsewhere.url().c_str(), 1), 0);
  Asker asker;
  asker.Add(server.url());
  EXPECT_EQ(asker.Failure(), "redirect");
  ::unsetenv("http_proxy");
  ::unsetenv("ALL_PROXY");
  EXPECT_EQ(elsewhere.CountRequests(), 0u);
  EXPECT_EQ(server.CountRequests(), 1u);
  // One that is configured is used.
  Asker by_proxy;
  by_proxy.options().retries = 0;
  by_proxy.Add("http://model.invalid").proxy = elsewhere.url();
  EXPECT_EQ(by_proxy.Failure(), "not_found");
  EXPECT_EQ(elsewhere.Requests()[0]["path"], "http://model.invalid/v1/chat/completions");
}

TEST(ChatConnectionTest, TheKeyGoesInAHeaderAndNowhereElse) {
  FakeChatServer server("openai", {"--key", "sk-test-key"});
  const testing::TempDir folder;
  const std::string path = folder.path() + "/key";
  ASSERT_EQ(Text(base::WriteFileAtomically(path, "sk-wrong\n", 0600)), "OK");
  Asker asker;
  asker.options().breaker.longest_pause_ms = 1000;
  asker.Add(server.url()).key_file = path;
  const Answer refused = asker.Ask();
  EXPECT_EQ(ToString(refused.failure), "unauthorized");
  EXPECT_EQ(refused.detail, "HTTP 401: Incorrect API key provided");
  // Put right where it lies, it is read again at the next refusal.
  ASSERT_EQ(Text(base::WriteFileAtomically(path, "sk-test-key\n", 0600)), "OK");
  ASSERT_TRUE(Await([&] { return asker.Ask().failure == ModelFailure::kNone; }));
  const json requests = server.Requests();
  EXPECT_EQ(requests.back()["headers"]["Authorization"], "Bearer sk-test-key");
  EXPECT_FALSE(absl::StrContains(requests.back()["raw"].get<std::string>(), "sk-test-key"));
}

TEST(ChatConnectionTest, AKeyThatCannotBeReadIsAnErrorAtTheStart) {
  ModelOptions options;
  options.endpoints = {{.name = "x", .url = "https://h", .model = "m", .key_file = "/no/such"}};
  base::SystemClock clock;
  EXPECT_EQ(Text(ChatCompletionsClient::Create(
                options, "{}", {}, [](const std::string&) {}, clock, base::Rng(1))),
            "NOT_FOUND: model endpoint \"x\": cannot look at /no/such: No such file or directory");
}

// ---- several servers, breakers, budgets, the queue ----

TEST(ChatEndpointsTest, TheNextOneAnswersWhenOneFails) {
  FakeChatServer first("openai");
  FakeChatServer second("ollama");
  Asker asker;
  asker.Add(first.url(), "first");
  asker.Add(second.url(), "second").model = "test-model";
  EXPECT_EQ(asker.Ask().endpoint, 0u);
  first.Faults(json::array({Always(Status(500))}));
  EXPECT_EQ(asker.Ask().endpoint, 1u);
  first.Faults(json::array({Always({{"kind", "extra_key"}})}));
  EXPECT_EQ(asker.Ask().endpoint, 1u);
  // A refusal is of the text, and is not taken to another.
  first.Faults(json::array({{{"kind", "refusal"}}}));
  const size_t asked = second.CountRequests();
  EXPECT_EQ(asker.Failure(), "refused");
  EXPECT_EQ(second.CountRequests(), asked);
  first.Kill();
  EXPECT_EQ(asker.Ask().endpoint, 1u);
}

TEST(ChatEndpointsTest, ABreakerKeepsAwayFromAServerThatFailsAndTriesItAgain) {
  FakeChatServer server("vllm");
  testing::FakeClock clock;
  Asker asker;
  asker.UseClock(clock);
  asker.options().breaker = {.failures = 2, .longest_pause_ms = 60'000};
  asker.options().retries = 0;
  asker.Add(server.url());
  server.Faults(json::array({{{"kind", "status"}, {"status", 500}, {"times", 3}}}));
  EXPECT_EQ(asker.Failure(), "server_error");
  EXPECT_EQ(asker.Failure(), "server_error");
  EXPECT_EQ(asker.Failure(), "breaker_open");
  EXPECT_EQ(server.CountRequests(), 2u);
  clock.Advance(1000);
  EXPECT_EQ(asker.Failure(), "server_error") << "one try, which fails";
  EXPECT_EQ(asker.Failure(), "breaker_open");
  clock.Advance(2000);
  EXPECT_EQ(asker.Failure(), "none");
  ASSERT_TRUE(Await([&] { return asker.stats().breaker == BreakerState::kClosed; }));
  EXPECT_EQ(server.CountRequests(), 4u);
}

TEST(ChatEndpointsTest, ASpentBudgetLeadsToTheNextOne) {
  FakeChatServer dear("openai");
  FakeChatServer cheap("llamacpp");
  testing::FakeClock clock;
  Asker asker;
  asker.UseClock(clock);
  asker.Add(dear.url(), "dear").budget = {.requests = 2,
                                          .prompt_micros_per_million = 1'000'000,
                                          .answer_micros_per_million = 2'000'000};
  asker.Add(cheap.url(), "cheap").budget = {.tokens = 100};
  EXPECT_EQ(asker.Ask().endpoint, 0u);
  EXPECT_EQ(asker.Ask().endpoint, 0u);
  EXPECT_EQ(asker.Failure(), "budget");
  const ModelBudget::Use spent{2, 1400, 300, 2000};
  EXPECT_TRUE(Await([&] { return asker.stats().today == spent; }));
  EXPECT_EQ(cheap.CountRequests(), 0u);
  clock.Advance(24 * 3'600'000);
  EXPECT_EQ(asker.Ask().endpoint, 0u);
  asker.client().Stop();
  EXPECT_EQ(ModelBudget::Decode(asker.kept_budget())->use("dear").requests, 1);
}

TEST(ChatQueueTest, KeepsToItsConcurrencyAndDropsTheOldest) {
  FakeChatServer server("vllm");
  server.Faults(json::array({{{"kind", "stall"}, {"times", 0}}}));
  Asker asker;
  asker.options().queue = 3;
  asker.Add(server.url()).concurrency = 2;
  std::vector<std::future<Answer>> answers;
  for (int i = 0; i < 7; ++i) answers.push_back(asker.Start());
  // Two are under way, the last three wait: the two between are dropped.
  EXPECT_EQ(ToString(answers[2].get().failure), "dropped");
  EXPECT_EQ(ToString(answers[3].get().failure), "dropped");
  ASSERT_TRUE(Await([&] { return server.CountRequests() == 2; }));
  ASSERT_TRUE(Await([&] { return asker.client().stats().dropped == 2; }));
  EXPECT_EQ(asker.client().stats().waiting, 3u);
  EXPECT_EQ(asker.stats().in_flight, 2);
  asker.client().Stop();
  for (const int i : {0, 1, 4, 5, 6}) EXPECT_EQ(ToString(answers[i].get().failure), "stopped");
}

TEST(ChatIdentityTest, AnotherModelBehindTheNameIsSeen) {
  FakeChatServer server("openai");
  Asker asker;
  asker.Add(server.url());
  EXPECT_EQ(asker.Ask().fingerprint, "fp_test");
  server.Control({{"model", "test-model-2"}, {"fingerprint", "fp_2"}});
  const Answer answer = asker.Ask();
  EXPECT_EQ(answer.model, "test-model-2");
  EXPECT_EQ(answer.fingerprint, "fp_2");
  ASSERT_TRUE(Await([&] { return asker.stats().model_changes == 1; }));
}

TEST(ChatClientTest, WithoutEndpointsThereIsNoAnswer) {
  Asker asker;
  EXPECT_EQ(asker.Failure(), "no_endpoint");
}

// A real server, where there is one: BERTH_TEST_LLM_URL, and BERTH_TEST_LLM_MODEL.
TEST(RealServerTest, AnswersByTheSchema) {
  const char* const url = ::getenv("BERTH_TEST_LLM_URL");
  if (url == nullptr) GTEST_SKIP() << "BERTH_TEST_LLM_URL is not set";
  const char* const model = ::getenv("BERTH_TEST_LLM_MODEL");
  Asker asker;
  ModelEndpoint& endpoint = asker.Add(url);
  endpoint.model = model == nullptr ? "default" : model;
  endpoint.timeout_ms = 120'000;
  endpoint.max_tokens = 2048;
  if (::getenv("BERTH_TEST_LLM_KEY") != nullptr) endpoint.key_env = "BERTH_TEST_LLM_KEY";
  const Answer answer = asker.Ask("#SBATCH --gpus=4 --mem=64G\npython train.py --model llama-7b");
  EXPECT_EQ(ToString(answer.failure), "none") << answer.detail;
}

}  // namespace
}  // namespace berth::features
