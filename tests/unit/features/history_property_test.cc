// Over random sequences of submissions, ends and restarts: what is predicted is sound, memory is
// bounded, and a restart changes nothing.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "features/history_estimator.h"
#include "tests/support/random_cluster.h"

namespace berth::features {
namespace {

constexpr int kWalks = 40;
constexpr int kSteps = 600;

class Walk {
 public:
  explicit Walk(uint64_t seed) : rng_(seed) {
    options_.most_groups = 1 + rng_.Uniform(60);
    options_.decay.ends = testing::Between(rng_, 1, 10);
    options_.decay.seconds = testing::Between(rng_, 1, 100'000);
    kept_estimator_ = std::make_unique<HistoryEstimator>(options_);
    restarted_ = std::make_unique<HistoryEstimator>(options_);
  }

  void Run() {
    for (int step = 0; step < kSteps && !::testing::Test::HasFailure(); ++step) Step();
  }

  int restarts() const { return restarts_; }
  int predicted() const { return predicted_; }

 private:
  std::string Word(const char* prefix, uint64_t kinds) {
    const uint64_t kind = rng_.Uniform(kinds);
    return kind == 0 ? "" : prefix + std::to_string(kind);
  }

  HistorySubject Subject() {
    const std::string user = Word("u", 6), name = Word("n", 8), queue = Word("q", 3);
    std::string script;
    const uint64_t kind = rng_.Uniform(6);
    for (uint64_t word = 0; kind > 0 && word < 30; ++word) {
      // Scripts of a kind differ in a word now and then, so that families meet and part.
      const uint64_t letter = testing::Chance(rng_, 5) ? rng_.Uniform(26) : word * kind % 26;
      script += std::string(3, static_cast<char>('a' + letter)) + ' ';
    }
    return HistoryEstimator::Describe(
        {.user = user,
         .name = name,
         .queue = queue,
         .script = script,
         .command = {},
         .cpu_milli = int64_t{1000} * testing::Between(rng_, 0, 3),
         .time_limit_ms = testing::Chance(rng_, 30) ? testing::Between(rng_, 1, 100'000) : 0});
  }

  HistoryOutcome Outcome() {
    HistoryOutcome outcome;
    outcome.end = static_cast<HistoryEnd>(rng_.Uniform(5));
    for (auto& value : outcome.measured) {
      if (testing::Chance(rng_, 20)) continue;
      value = static_cast<int64_t>(rng_.Next() >> (1 + rng_.Uniform(63)));
      if (testing::Chance(rng_, 2)) value = -*value;
    }
    return outcome;
  }

  void Check(const HistorySubject& subject) {
    const HistoryPrediction prediction = kept_estimator_->Predict(subject, now_);
    ASSERT_EQ(prediction, restarted_->Predict(subject, now_));
    ASSERT_GE(prediction.failed_percent, 0);
    ASSERT_LE(prediction.failed_percent, 100);
    for (size_t field = 0; field < kHistoryFields; ++field) {
      const auto& estimate = prediction.fields[field];
      if (!estimate.has_value()) continue;
      ++predicted_;
      ASSERT_GE(estimate->low, 0);
      ASSERT_LE(estimate->low, estimate->value);
      ASSERT_LE(estimate->value, estimate->high);
      ASSERT_GE(estimate->confidence, 0);
      ASSERT_LE(estimate->confidence, 100);
      ASSERT_GT(estimate->ends, 0);
      if (field == 0 && subject.time_limit_ms > 0) {
        ASSERT_LE(estimate->high, subject.time_limit_ms);
      }
    }
  }

  void Step() {
    // Clocks are set back now and then.
    now_ += absl::Seconds(testing::Between(rng_, -100, 5000));
    const HistorySubject subject = Subject();
    Check(subject);
    const HistoryOutcome outcome = Outcome();
    const bool with_given = testing::Chance(rng_, 50);
    const HistoryPrediction given = kept_estimator_->Predict(subject, now_ - absl::Hours(1));
    kept_estimator_->Observe(subject, outcome, now_, with_given ? &given : nullptr);
    restarted_->Observe(subject, outcome, now_, with_given ? &given : nullptr);
    ASSERT_LE(kept_estimator_->groups(), options_.most_groups);
    if (testing::Chance(rng_, 5)) Restart();
  }

  void Restart() {
    ++restarts_;
    // kept_estimator_ goes on; the other one ends, and comes back from what it told.
    for (;;) {
      const auto pieces = restarted_->TakeChanged(1 + rng_.Uniform(10));
      if (pieces.empty()) break;
      for (const HistoryPiece& piece : pieces) kept_[piece.name] = piece.bytes;
    }
    ASSERT_LE(kept_.size(), options_.most_groups + 1);
    std::vector<HistoryPiece> pieces;
    for (const auto& [name, bytes] : kept_) pieces.push_back({name, bytes});
    for (size_t i = pieces.size(); i > 1; --i) std::swap(pieces[i - 1], pieces[rng_.Uniform(i)]);
    restarted_ = std::make_unique<HistoryEstimator>(options_);
    const HistoryLoadReport report = restarted_->Load(pieces);
    ASSERT_EQ(report.loaded, pieces.size());
    ASSERT_EQ(restarted_->groups(), kept_estimator_->groups());
  }

  base::Rng rng_;
  HistoryOptions options_;
  std::unique_ptr<HistoryEstimator> kept_estimator_, restarted_;
  std::map<std::string, std::string> kept_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  int restarts_ = 0, predicted_ = 0;
};

TEST(HistoryPropertyTest, PredictionsAreSoundAndARestartChangesNone) {
  const uint64_t first = testing::TestSeed(1);
  int restarts = 0, predicted = 0;
  for (uint64_t seed = first; seed < first + kWalks; ++seed) {
    Walk walk(seed);
    walk.Run();
    ASSERT_FALSE(HasFailure()) << "on the walk with seed " << seed;
    restarts += walk.restarts();
    predicted += walk.predicted();
  }
  EXPECT_GT(restarts, kWalks);
  EXPECT_GT(predicted, kWalks * kSteps);
}

}  // namespace
}  // namespace berth::features
