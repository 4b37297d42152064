#include "features/history_estimator.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "tests/support/random_cluster.h"

namespace berth::features {
namespace {

constexpr int64_t kGi = int64_t{1} << 30;

HistoryOutcome Ran(int64_t ms, HistoryEnd end = HistoryEnd::kSucceeded) {
  return {.end = end, .measured = {ms, std::nullopt, std::nullopt, std::nullopt}};
}

// An estimator and a time that goes on by a minute with each end.
class History {
 public:
  explicit History(const HistoryOptions& options = {}) : estimator_(options) {}

  void Ends(const HistorySubmission& submission, const HistoryOutcome& outcome, int times = 1) {
    for (int i = 0; i < times; ++i) {
      now_ += absl::Minutes(1);
      estimator_.Observe(HistoryEstimator::Describe(submission), outcome, now_);
    }
  }
  void Passes(absl::Duration time) { now_ += time; }
  HistoryPrediction Predict(const HistorySubmission& submission) const {
    return estimator_.Predict(HistoryEstimator::Describe(submission), now_);
  }
  HistoryEstimate Duration(const HistorySubmission& submission) const {
    return Predict(submission)[HistoryField::kDuration].value_or(HistoryEstimate{.value = -1});
  }
  HistoryEstimator& estimator() { return estimator_; }
  absl::Time now() const { return now_; }

 private:
  HistoryEstimator estimator_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
};

HistorySubmission Job(std::string_view user, std::string_view name, int64_t cpu_milli = 1000) {
  return {.user = user,
          .name = name,
          .queue = "batch",
          .script = {},
          .command = {},
          .cpu_milli = cpu_milli};
}

constexpr double kNear = 1.0 / 250;  // how exactly values are kept
#define EXPECT_ABOUT(actual, expected) \
  EXPECT_NEAR(static_cast<double>(actual), static_cast<double>(expected), (expected)*kNear)

TEST(HistoryEstimatorTest, SaysNothingWhereNothingWasSeen) {
  const History history;
  const HistoryPrediction prediction = history.Predict(Job("ada", "train"));
  for (const auto& field : prediction.fields) EXPECT_FALSE(field.has_value());
  EXPECT_EQ(prediction.failed_percent, 0);
}

TEST(HistoryEstimatorTest, ExpectsOfAProgramWhatItTookBefore) {
  History history;
  history.Ends(Job("bob", "other"), Ran(50'000), 20);
  history.Ends(Job("ada", "train"), Ran(600'000), 10);
  const HistoryEstimate estimate = history.Duration(Job("ada", "train"));
  EXPECT_ABOUT(estimate.value, 600'000);
  EXPECT_ABOUT(estimate.most_seen, 600'000);
  EXPECT_EQ(estimate.level, HistoryLevel::kProgram);
  EXPECT_EQ(estimate.ends, 10);
  EXPECT_LE(estimate.low, estimate.value);
  EXPECT_GE(estimate.high, estimate.value);
}

TEST(HistoryEstimatorTest, GoesBackToWhatIsLessAlike) {
  History history;
  history.Ends(Job("ada", "train", 4000), Ran(600'000), 20);
  history.Ends(Job("ada", "plot", 1000), Ran(5'000), 20);
  history.Ends(Job("bob", "build", 1000), Ran(90'000), 20);
  // The same name with another shape; then another name with the same shape; nothing but the user
  // alike; a user without a past in a known queue; nothing alike at all.
  const HistoryEstimate shape = history.Duration(Job("ada", "train", 8000));
  EXPECT_EQ(shape.level, HistoryLevel::kName);
  EXPECT_ABOUT(shape.value, 600'000);
  const HistoryEstimate name = history.Duration(Job("ada", "draw", 4000));
  EXPECT_EQ(name.level, HistoryLevel::kShape);
  EXPECT_ABOUT(name.value, 600'000);
  HistorySubmission elsewhere = Job("ada", "draw", 2000);
  elsewhere.queue = "night";
  EXPECT_EQ(history.Duration(elsewhere).level, HistoryLevel::kUser);
  EXPECT_EQ(history.Duration(Job("eve", "train")).level, HistoryLevel::kQueue);
  HistorySubmission unknown = Job("eve", "train");
  unknown.queue = "night";
  const HistoryEstimate all = history.Duration(unknown);
  EXPECT_EQ(all.level, HistoryLevel::kAll);
  EXPECT_ABOUT(all.value, 90'000);
}

TEST(HistoryEstimatorTest, LevelsMixByHowMuchWasSeen) {
  History history;
  history.Ends(Job("ada", "train", 4000), Ran(600'000), 30);
  history.Ends(Job("ada", "train", 1000), Ran(5'000), 1);
  // One end of its own does not outweigh thirty of the name; six do.
  EXPECT_ABOUT(history.Duration(Job("ada", "train", 1000)).value, 600'000);
  history.Ends(Job("ada", "train", 1000), Ran(5'000), 5);
  EXPECT_ABOUT(history.Duration(Job("ada", "train", 1000)).value, 5'000);
}

TEST(HistoryEstimatorTest, FollowsAProgramThatChanged) {
  History history;
  history.Ends(Job("ada", "train"), Ran(600'000), 100);
  history.Ends(Job("ada", "train"), Ran(60'000), 8);
  EXPECT_ABOUT(history.Duration(Job("ada", "train")).value, 60'000);
}

TEST(HistoryEstimatorTest, WhatIsLongPastStopsCounting) {
  HistoryOptions options;
  options.decay.seconds = 3600;
  options.prior_ends = 0.5;
  History history(options);
  history.Ends(Job("ada", "train"), Ran(600'000), 20);
  history.Passes(absl::Hours(2));
  history.Ends(Job("ada", "sweep"), Ran(60'000), 20);
  EXPECT_EQ(history.Duration(Job("ada", "train")).level, HistoryLevel::kProgram);
  history.Passes(absl::Hours(4));
  EXPECT_NE(history.Duration(Job("ada", "train")).level, HistoryLevel::kProgram);
  history.Passes(absl::Hours(40));
  EXPECT_FALSE(history.Predict(Job("ada", "train"))[HistoryField::kDuration].has_value());
}

TEST(HistoryEstimatorTest, FieldsAreLearntEachByItself) {
  History history;
  HistoryOutcome outcome;
  outcome.measured = {60'000, 3 * kGi, 2500, std::nullopt};
  history.Ends(Job("ada", "train"), outcome, 10);
  const HistoryPrediction prediction = history.Predict(Job("ada", "train"));
  EXPECT_ABOUT(prediction[HistoryField::kDuration]->value, 60'000);
  EXPECT_ABOUT(prediction[HistoryField::kMemory]->value, 3 * kGi);
  EXPECT_ABOUT(prediction[HistoryField::kCpu]->value, 2500);
  EXPECT_FALSE(prediction[HistoryField::kGpu].has_value());
}

TEST(HistoryEstimatorTest, ATaskIsNotExpectedBeyondItsTimeLimit) {
  History history;
  HistorySubmission job = Job("ada", "train");
  history.Ends(job, Ran(600'000), 10);
  job.time_limit_ms = 120'000;
  const HistoryEstimate estimate = history.Duration(job);
  EXPECT_EQ(estimate.value, 120'000);
  EXPECT_EQ(estimate.high, 120'000);
}

TEST(HistoryEstimatorTest, ACancelledTaskSaysOnlyThatItRanSoLong) {
  History cut, ended;
  for (int i = 0; i < 10; ++i) {
    cut.Ends(Job("ada", "train"), Ran(600'000));
    cut.Ends(Job("ada", "train"), Ran(10'000, HistoryEnd::kCancelled), 2);
    ended.Ends(Job("ada", "train"), Ran(600'000));
    ended.Ends(Job("ada", "train"), Ran(10'000), 2);
  }
  EXPECT_ABOUT(cut.Duration(Job("ada", "train")).value, 600'000);
  EXPECT_ABOUT(ended.Duration(Job("ada", "train")).value, 10'000);
  EXPECT_EQ(cut.Predict(Job("ada", "train")).failed_percent, 0);
  EXPECT_EQ(cut.Duration(Job("ada", "train")).ends, 30);
  EXPECT_EQ(cut.Duration(Job("ada", "train")).cut_short, 20);
  EXPECT_FALSE(cut.Duration(Job("ada", "train")).most_cut_short);
  EXPECT_EQ(ended.Duration(Job("ada", "train")).cut_short, 0);
  cut.Ends(Job("ada", "train"), Ran(600'000, HistoryEnd::kCancelled));
  EXPECT_TRUE(cut.Duration(Job("ada", "train")).most_cut_short);
}

TEST(HistoryEstimatorTest, AFailureIsNoShortRunAndIsCounted) {
  History history;
  for (int i = 0; i < 10; ++i) {
    history.Ends(Job("ada", "train"), Ran(600'000));
    history.Ends(Job("ada", "train"), Ran(3'000, HistoryEnd::kFailed), 3);
  }
  EXPECT_ABOUT(history.Duration(Job("ada", "train")).value, 600'000);
  EXPECT_EQ(history.Predict(Job("ada", "train")).failed_percent, 75);
}

TEST(HistoryEstimatorTest, WhoRanOutOfMemoryNeededMore) {
  History history;
  for (int i = 0; i < 10; ++i) {
    HistoryOutcome outcome{.end = HistoryEnd::kOutOfMemory,
                           .measured = {9'000, 4 * kGi, std::nullopt, std::nullopt}};
    history.Ends(Job("ada", "train"), outcome, 2);
    outcome = {.end = HistoryEnd::kSucceeded,
               .measured = {600'000, 6 * kGi, std::nullopt, std::nullopt}};
    history.Ends(Job("ada", "train"), outcome);
  }
  const HistoryPrediction prediction = history.Predict(Job("ada", "train"));
  EXPECT_ABOUT(prediction[HistoryField::kMemory]->value, 6 * kGi);
  EXPECT_EQ(prediction[HistoryField::kMemory]->level, HistoryLevel::kProgram);
}

TEST(HistoryEstimatorTest, WhoRanIntoTheTimeLimitNeededMore) {
  History history;
  for (int i = 0; i < 10; ++i) {
    history.Ends(Job("ada", "train"), Ran(100'000, HistoryEnd::kTimeLimit), 2);
    history.Ends(Job("ada", "train"), Ran(300'000));
  }
  EXPECT_ABOUT(history.Duration(Job("ada", "train")).value, 300'000);
}

TEST(HistoryEstimatorTest, AScriptThatIsAlikeStandsInForAName) {
  const std::string script =
      "#!/bin/bash\nset -euo pipefail\nmodule load cuda\nsource env/bin/activate\n"
      "python -m trainer.fit --config configs/resnet.yaml --epochs 90 --seed 1\n"
      "python -m trainer.report --out report.html\n";
  const std::string again =
      "#!/bin/bash\nset -euo pipefail\nmodule load cuda\nsource env/bin/activate\n"
      "python -m trainer.fit --config configs/resnet.yaml --epochs 120 --seed 77\n"
      "python -m trainer.report --out report.html\n";
  History history;
  HistorySubmission job = Job("ada", "run-a");
  job.script = script;
  history.Ends(job, Ran(600'000), 10);
  history.Ends(Job("ada", "misc"), Ran(1'000), 30);
  HistorySubmission next = Job("ada", "run-b", 16'000);
  next.script = again;
  EXPECT_EQ(history.Duration(next).level, HistoryLevel::kScript);
  EXPECT_ABOUT(history.Duration(next).value, 600'000);
  next.user = "bob";
  EXPECT_NE(history.Duration(next).level, HistoryLevel::kScript);
}

TEST(HistoryEstimatorTest, WithoutANameTheShapeIsWhatIsAlike) {
  History history;
  history.Ends(Job("ada", "", 4000), Ran(600'000), 10);
  EXPECT_EQ(history.Duration(Job("ada", "", 4000)).level, HistoryLevel::kShape);
}

TEST(HistoryEstimatorTest, TimesAtTheEndsOfTheScaleDoNoHarm) {
  for (const absl::Time now : {absl::InfinitePast(), absl::InfiniteFuture(), absl::UnixEpoch()}) {
    HistoryEstimator estimator;
    const HistorySubject subject = HistoryEstimator::Describe(Job("ada", "train"));
    estimator.Observe(subject, Ran(1000), now);
    for (const absl::Time then : {absl::InfinitePast(), absl::InfiniteFuture()}) {
      const auto prediction = estimator.Predict(subject, then);
      EXPECT_EQ(prediction[HistoryField::kDuration].has_value(), then < absl::UnixEpoch());
    }
  }
}

TEST(HistoryEstimatorTest, NoTwoSubmissionsAreWrittenAlike) {
  const auto keys = [](std::string_view user, std::string_view name, std::string_view queue) {
    return HistoryEstimator::Describe(
               {.user = user, .name = name, .queue = queue, .script = {}, .command = {}})
        .keys;
  };
  const auto program = static_cast<size_t>(HistoryLevel::kProgram);
  const auto name = static_cast<size_t>(HistoryLevel::kName);
  const auto user_queue = static_cast<size_t>(HistoryLevel::kUserQueue);
  EXPECT_NE(keys("ab", "c", "q")[program], keys("a", "bc", "q")[program]);
  EXPECT_NE(keys("a", "b", "cq")[program], keys("a", "bc", "q")[program]);
  EXPECT_NE(keys(std::string_view("a\0b", 3), "c", "q")[name], keys("a", "b", "q")[name]);
  // A queue that is called as a name is none.
  EXPECT_NE(keys("a", "b", "b")[name], keys("a", "b", "b")[user_queue]);
  EXPECT_EQ(keys("a", "b", "q"), keys("a", "b", "q"));
}

TEST(HistoryEstimatorTest, AnEndThatWasNotMeasuredTeachesNothing) {
  History history;
  history.Ends(Job("ada", "train"), {}, 5);
  EXPECT_FALSE(history.Predict(Job("ada", "train"))[HistoryField::kDuration].has_value());
}

TEST(HistoryEstimatorTest, IntervalsCoverWhatTheySay) {
  for (const int32_t wanted : {60, 80, 90}) {
    base::Rng rng(testing::TestSeed(static_cast<uint64_t>(wanted)));
    HistoryOptions options;
    options.coverage_percent = wanted;
    History history(options);
    int inside = 0, counted = 0;
    for (int i = 0; i < 20'000; ++i) {
      const std::string name = "p" + std::to_string(rng.Uniform(20));
      // Around a size of the program's own, spread over about three doublings.
      const double doublings = static_cast<double>(10 + name.size() + name.back() % 7) +
                               rng.UniformDouble() + rng.UniformDouble() + rng.UniformDouble();
      const auto actual = static_cast<int64_t>(std::exp2(doublings));
      const HistorySubmission job = Job("ada", name);
      const HistoryEstimate estimate = history.Duration(job);
      if (i >= 5000) {
        ++counted;
        inside += EncodeValue(estimate.low) <= EncodeValue(actual) &&
                          EncodeValue(actual) <= EncodeValue(estimate.high)
                      ? 1
                      : 0;
      }
      history.Ends(job, Ran(actual));
    }
    EXPECT_NEAR(100.0 * inside / counted, wanted, 2.5);
  }
}

TEST(HistoryEstimatorTest, ConfidenceIsHowOftenPredictionsAreRight) {
  base::Rng rng(testing::TestSeed(3));
  History history;
  int64_t right = 0, said = 0;
  int counted = 0;
  for (int i = 0; i < 10'000; ++i) {
    const HistorySubmission job = Job("ada", rng.Uniform(2) == 0 ? "steady" : "wild");
    const double spread = job.name == "steady" ? 0.2 : 6;
    const auto actual =
        static_cast<int64_t>(60'000 * std::exp2(spread * (rng.UniformDouble() - 0.5)));
    const HistoryEstimate estimate = history.Duration(job);
    if (i >= 2000) {
      ++counted;
      said += estimate.confidence;
      right += estimate.value <= 2 * actual && actual <= 2 * estimate.value ? 100 : 0;
    }
    history.Ends(job, Ran(actual));
  }
  EXPECT_NEAR(static_cast<double>(said) / counted, static_cast<double>(right) / counted, 4);
  EXPECT_GT(history.Duration(Job("ada", "steady")).confidence, 90);
  EXPECT_LT(history.Duration(Job("ada", "wild")).confidence, 70);
}

TEST(HistoryEstimatorTest, PredictionsGivenAtSubmissionCorrectIntervals) {
  // The interval that was told is what outcomes are held against, not what would be told now.
  History told, fresh;
  const HistorySubmission job = Job("ada", "train");
  HistoryPrediction given;
  given.fields[0] =
      HistoryEstimate{.value = 1000, .low = 1000, .high = 1000, .level = HistoryLevel::kProgram};
  base::Rng rng(testing::TestSeed(4));
  for (int i = 0; i < 200; ++i) {
    const HistoryOutcome outcome = Ran(static_cast<int64_t>(50'000 + rng.Uniform(50'000)));
    told.Passes(absl::Minutes(1));
    told.estimator().Observe(HistoryEstimator::Describe(job), outcome, told.now(), &given);
    fresh.Ends(job, outcome);
  }
  EXPECT_GT(told.Duration(job).high, fresh.Duration(job).high);
}

TEST(HistoryEstimatorTest, AMillionUsersAndNamesTakeNoMoreThanItsShare) {
  HistoryOptions options;
  options.most_groups = 10'000;
  HistoryEstimator estimator(options);
  HistoryOutcome outcome;
  outcome.measured = {1, 2, std::nullopt, std::nullopt};
  size_t at_half = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    const std::string user = "user" + std::to_string(i), name = "name" + std::to_string(i);
    *outcome.measured[0] = i;
    estimator.Observe(HistoryEstimator::Describe(Job(user, name)), outcome,
                      absl::FromUnixSeconds(1'700'000'000 + i));
    if (i == 500'000) at_half = estimator.bytes();
  }
  EXPECT_EQ(estimator.groups(), options.most_groups);
  EXPECT_EQ(estimator.bytes(), at_half);
  EXPECT_LT(estimator.bytes(), options.most_groups * 500);
  // What most tasks share is still known.
  EXPECT_TRUE(estimator
                  .Predict(HistoryEstimator::Describe(Job("nobody", "nothing")),
                           absl::FromUnixSeconds(1'701'000'000))[HistoryField::kDuration]
                  .has_value());
}

TEST(HistoryEstimatorTest, ManyScriptsTakeNoMoreThanTheirShare) {
  HistoryOptions options;
  options.most_groups = 500;
  HistoryEstimator estimator(options);
  size_t at_half = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string script;
    for (int word = 0; word < 12; ++word) {
      script += std::string(1, static_cast<char>('a' + (i >> word) % 23)) + "x" +
                std::string(1, static_cast<char>('a' + (i * (word + 3)) % 19)) + " ";
    }
    HistorySubmission job = Job("ada", "run");
    job.script = script;
    estimator.Observe(HistoryEstimator::Describe(job), Ran(1000 + i),
                      absl::FromUnixSeconds(1'700'000'000 + i));
    if (i == 10'000) at_half = estimator.bytes();
  }
  EXPECT_EQ(estimator.groups(), options.most_groups);
  EXPECT_LT(estimator.bytes(), at_half * 11 / 10);
}

}  // namespace
}  // namespace berth::features
