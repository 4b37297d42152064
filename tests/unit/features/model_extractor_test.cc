#include "features/model_extractor.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <nlohmann/json.hpp>

#include "base/small_file.h"
#include "tests/support/await.h"
#include "tests/support/fake_chat_server.h"
#include "tests/support/fake_clock.h"
#include "tests/support/status_text.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/features/model_answers.h"

namespace berth::features {
namespace {

using nlohmann::json;
using testing::Await;
using testing::FakeChatServer;
using testing::Text;

class ModelExtractorTest : public ::testing::Test {
 protected:
  ModelExtractorTest() {
    options_.first_backoff_ms = 1;
    options_.longest_backoff_ms = 2;
    Add(server_);
  }

  void Add(const FakeChatServer& server) {
    options_.endpoints.push_back({.name = "server" + std::to_string(options_.endpoints.size()),
                                  .url = server.url(),
                                  .model = "test-model"});
  }

  ModelExtractor& extractor() {
    if (extractor_ == nullptr) {
      auto extractor = ModelExtractor::Create(options_, clock_, base::Rng(1));
      EXPECT_EQ(Text(extractor), "OK");
      extractor_ = *std::move(extractor);
    }
    return *extractor_;
  }
  void Restart() { extractor_.reset(); }

  std::future<Extraction> Start(const std::string& script, const std::string& name_space = "ns") {
    auto promise = std::make_shared<std::promise<Extraction>>();
    extractor().Submit(
        {.text = {.script = script}, .declared = "memory 64Gi", .name_space = name_space},
        [promise](const Extraction& extraction) { promise->set_value(extraction); });
    return promise->get_future();
  }
  Extraction Extract(const std::string& script, const std::string& name_space = "ns") {
    auto extraction = Start(script, name_space);
    if (extraction.wait_for(std::chrono::minutes(1)) != std::future_status::ready) {
      ADD_FAILURE() << "no answer within a minute";
      return {};
    }
    return extraction.get();
  }

  FakeChatServer server_{"openai"};
  testing::TempDir folder_;
  testing::FakeClock clock_;
  ModelOptions options_;
  std::unique_ptr<ModelExtractor> extractor_;
};

TEST_F(ModelExtractorTest, TellsWhatTheModelMadeOfTheText) {
  json answer = EmptyAnswer();
  answer["gpus"] = 4;
  answer["models"] = {"llama-7b", "of another text"};
  server_.Control({{"content", answer.dump()}});
  const Extraction extraction = Extract("python train.py --model llama-7b");
  EXPECT_EQ(ToString(extraction.failure), "none") << extraction.detail;
  EXPECT_EQ(extraction.features.gpus->value, 4);
  EXPECT_EQ(extraction.features.gpus->source, Source::kModel);
  ASSERT_EQ(extraction.features.models.size(), 1u);
  EXPECT_EQ(extraction.dropped_names, 1);
  EXPECT_FALSE(extraction.from_cache);
  EXPECT_EQ(extraction.endpoint, "server0");
  EXPECT_EQ(extraction.model, "test-model");
  EXPECT_EQ(extraction.fingerprint, "fp_test");
  EXPECT_TRUE(extraction.prompt_version.starts_with("v1-"));
  EXPECT_TRUE(extraction.schema_version.starts_with("v1-"));
}

TEST_F(ModelExtractorTest, ATextWithNothingInItIsNotAskedAbout) {
  const Extraction extraction = Extract("\u200b\x1b[1m");
  EXPECT_EQ(ToString(extraction.failure), "none");
  EXPECT_EQ(extraction.features, Features{});
  EXPECT_EQ(server_.CountRequests(), 0u);
}

TEST_F(ModelExtractorTest, TheSameTextIsAskedAboutOnceForEachNamespace) {
  EXPECT_FALSE(Extract("a.sh --seed 1").from_cache);
  EXPECT_TRUE(Extract("a.sh --seed 2").from_cache);
  EXPECT_FALSE(Extract("a.sh --seed 1", "other").from_cache);
  EXPECT_FALSE(Extract("b.sh").from_cache);
  EXPECT_EQ(server_.CountRequests(), 3u);
  ASSERT_TRUE(Await([&] { return extractor().stats().misses == 3; }));
  EXPECT_EQ(extractor().stats().hits, 1u);
  EXPECT_EQ(extractor().stats().submitted, 4u);
}

TEST_F(ModelExtractorTest, EqualTextsThatComeTogetherShareOneQuestion) {
  server_.Faults(json::array({{{"kind", "slow"}, {"ms", 200}}}));
  std::vector<std::future<Extraction>> extractions;
  for (int i = 0; i < 50; ++i) extractions.push_back(Start("array.sh"));
  for (auto& extraction : extractions) EXPECT_EQ(ToString(extraction.get().failure), "none");
  EXPECT_EQ(server_.CountRequests(), 1u);
  ASSERT_TRUE(Await([&] { return extractor().stats().answered == 50; }));
  EXPECT_EQ(extractor().stats().joined, 49u);
}

TEST_F(ModelExtractorTest, AnswersAndTheBudgetOutliveARestart) {
  options_.directory = folder_.path();
  options_.endpoints[0].budget.requests = 2;
  EXPECT_FALSE(Extract("a.sh").from_cache);
  Restart();
  const Extraction again = Extract("a.sh");
  EXPECT_TRUE(again.from_cache);
  EXPECT_EQ(again.model, "test-model");
  EXPECT_EQ(again.endpoint, "server0");
  EXPECT_EQ(ToString(Extract("b.sh").failure), "none");
  EXPECT_EQ(ToString(Extract("c.sh").failure), "budget");
  EXPECT_EQ(server_.CountRequests(), 2u);
}

TEST_F(ModelExtractorTest, AnswersEndWithTheirTimeAndWithTheirModel) {
  options_.cache_ttl_ms = 10'000;
  EXPECT_FALSE(Extract("a.sh").from_cache);
  clock_.Advance(9'999);
  EXPECT_TRUE(Extract("a.sh").from_cache);
  clock_.Advance(1);
  EXPECT_FALSE(Extract("a.sh").from_cache);
  server_.Control({{"fingerprint", "fp_2"}});
  EXPECT_TRUE(Extract("a.sh").from_cache) << "nobody knows yet";
  EXPECT_FALSE(Extract("b.sh").from_cache);
  EXPECT_FALSE(Extract("a.sh").from_cache) << "of the one before";
  ASSERT_TRUE(Await([&] { return extractor().stats().cache.invalidated == 1; }));
}

TEST_F(ModelExtractorTest, ARefusalIsRememberedForAWhile) {
  options_.refusal_ttl_ms = 1000;
  server_.Faults(json::array({{{"kind", "refusal"}}}));
  EXPECT_EQ(ToString(Extract("a.sh").failure), "refused");
  const Extraction again = Extract("a.sh");
  EXPECT_EQ(ToString(again.failure), "refused");
  EXPECT_TRUE(again.from_cache);
  EXPECT_EQ(server_.CountRequests(), 1u);
  clock_.Advance(1000);
  EXPECT_EQ(ToString(Extract("a.sh").failure), "none");
  // Other failures are not: they are not the text's.
  server_.Faults(json::array({{{"kind", "bad_body"}, {"times", 3}}}));
  auto failed = Start("b.sh");
  ASSERT_TRUE(Await([&] {
    clock_.Advance(10);
    extractor().Wake();
    return failed.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }));
  EXPECT_EQ(ToString(failed.get().failure), "malformed_response");
  EXPECT_EQ(ToString(Extract("b.sh").failure), "none");
}

TEST_F(ModelExtractorTest, ABrokenCacheOrBudgetIsBegunAnew) {
  options_.directory = folder_.path();
  ASSERT_EQ(Text(base::WriteFileAtomically(folder_.path() + "/model_answers.cache", "x")), "OK");
  ASSERT_EQ(Text(base::WriteFileAtomically(folder_.path() + "/model_budget.json", "x")), "OK");
  EXPECT_EQ(ToString(Extract("a.sh").failure), "none");
  EXPECT_EQ(extractor().stats().cache.tail_dropped_bytes, 1u);
}

TEST_F(ModelExtractorTest, ADirectoryThatIsNotThereIsAnError) {
  options_.directory = folder_.path() + "/none";
  EXPECT_EQ(Text(ModelExtractor::Create(options_, clock_, base::Rng(1))),
            "NOT_FOUND: cannot open " + options_.directory +
                "/model_answers.cache: No such file or directory");
}

TEST_F(ModelExtractorTest, AFloodDropsTheOldestAndTellsEveryOne) {
  server_.Faults(json::array({{{"kind", "stall"}, {"times", 0}}}));
  options_.queue = 8;
  constexpr int kTexts = 2000;
  std::atomic<int> told = 0;
  std::array<std::atomic<int>, kModelFailures> by_failure{};
  for (int i = 0; i < kTexts; ++i) {
    const std::string script = "job " + std::to_string(i);
    extractor().Submit({.text = {.script = script}}, [&](const Extraction& extraction) {
      ++by_failure[static_cast<size_t>(extraction.failure)];
      ++told;
    });
  }
  ASSERT_TRUE(Await([&] {
    const ModelStats stats = extractor().stats();
    // Two are under way, a queue of them waits, and the rest has been told.
    return stats.waiting == 0 && stats.flights > 0 && stats.flights <= 10 &&
           told + static_cast<int>(stats.flights) == kTexts;
  }));
  EXPECT_EQ(extractor().stats().submitted, static_cast<uint64_t>(kTexts));
  Restart();
  EXPECT_EQ(told, kTexts);
  const int dropped = by_failure[static_cast<size_t>(ModelFailure::kDropped)];
  EXPECT_GE(dropped, kTexts - 10);
  EXPECT_EQ(by_failure[static_cast<size_t>(ModelFailure::kStopped)], kTexts - dropped);
}

TEST_F(ModelExtractorTest, SubmittingDoesNotWaitForAnybody) {
  // One that stalls, one that is not there, and none: what a submission costs is the same.
  const testing::ClosedPort closed;
  const std::string script(4096, 'x');
  const auto slowest_of_most = [&](const ModelOptions& options) {
    auto extractor = ModelExtractor::Create(options, clock_, base::Rng(1));
    EXPECT_EQ(Text(extractor), "OK");
    std::vector<std::chrono::nanoseconds> costs;
    for (int i = 0; i < 1000; ++i) {
      const std::string text = script + std::to_string(i);
      const auto begin = std::chrono::steady_clock::now();
      (*extractor)->Submit({.text = {.script = text}}, [](const Extraction&) {});
      costs.push_back(std::chrono::steady_clock::now() - begin);
    }
    std::nth_element(costs.begin(), costs.begin() + 900, costs.end());
    return std::chrono::duration_cast<std::chrono::microseconds>(costs[900]).count();
  };
  server_.Faults(json::array({{{"kind", "stall"}, {"times", 0}}}));
  ModelOptions dead = options_;
  dead.endpoints[0].url = "http://127.0.0.1:" + std::to_string(closed.port());
  ModelOptions none = options_;
  none.endpoints.clear();
  const auto stalled_us = slowest_of_most(options_);
  const auto dead_us = slowest_of_most(dead);
  const auto none_us = slowest_of_most(none);
  RecordProperty("p90_us_stalled", std::to_string(stalled_us));
  RecordProperty("p90_us_dead", std::to_string(dead_us));
  RecordProperty("p90_us_none", std::to_string(none_us));
  // A server answers in milliseconds at best, and these two never do.
  EXPECT_LT(stalled_us, 5000);
  EXPECT_LT(dead_us, 5000);
}

TEST_F(ModelExtractorTest, AfterStopThereIsStillAnAnswer) {
  extractor().Stop();
  EXPECT_EQ(ToString(Extract("a.sh").failure), "stopped");
}

}  // namespace
}  // namespace berth::features
