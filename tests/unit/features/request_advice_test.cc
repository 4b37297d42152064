#include "features/request_advice.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace berth::features {
namespace {

constexpr int64_t kGibi = int64_t{1} << 30;
constexpr int64_t kHour = 3'600'000;

// Twenty ends of the same program.
HistoryEstimate Used(int64_t value, int64_t most_seen) {
  return {.value = value,
          .low = value / 2,
          .high = most_seen,
          .confidence = 90,
          .level = HistoryLevel::kProgram,
          .ends = 20,
          .most_seen = most_seen};
}

HistoryPrediction Predicted(HistoryField field, const HistoryEstimate& estimate) {
  HistoryPrediction prediction;
  prediction.fields[static_cast<size_t>(field)] = estimate;
  return prediction;
}

std::vector<std::string> WordsOf(const AskedResources& asked, const HistoryPrediction& prediction) {
  std::vector<std::string> words;
  for (const RequestAdvice& advice : AdviseOnRequest(asked, prediction)) {
    words.push_back(advice.words);
  }
  return words;
}

using Sentences = std::vector<std::string>;

TEST(RequestAdviceTest, WarnsOfFarTooMuchMemory) {
  const auto prediction = Predicted(HistoryField::kMemory, Used(2 * kGibi, kGibi * 31 / 10));
  EXPECT_EQ(WordsOf({.memory_bytes = 64 * kGibi}, prediction),
            Sentences{"similar jobs used 3.1Gi at most; you ask for 64Gi"});
}

TEST(RequestAdviceTest, SaysNothingOfAnOrdinaryMargin) {
  const auto prediction = Predicted(HistoryField::kMemory, Used(20 * kGibi, 24 * kGibi));
  EXPECT_EQ(WordsOf({.memory_bytes = 32 * kGibi}, prediction), Sentences{});
  EXPECT_EQ(WordsOf({.memory_bytes = 95 * kGibi}, prediction), Sentences{});
  EXPECT_EQ(WordsOf({.memory_bytes = 96 * kGibi}, prediction),
            Sentences{"similar jobs used 24Gi at most; you ask for 96Gi"});
}

TEST(RequestAdviceTest, SaysNothingOfLittleThatIsLost) {
  const auto prediction = Predicted(HistoryField::kMemory, Used(kGibi / 100, kGibi / 50));
  EXPECT_EQ(WordsOf({.memory_bytes = kGibi}, prediction), Sentences{});
}

TEST(RequestAdviceTest, OneTaskThatUsedMuchIsEnoughToKeepQuiet) {
  const auto prediction = Predicted(HistoryField::kMemory, Used(2 * kGibi, 60 * kGibi));
  EXPECT_EQ(WordsOf({.memory_bytes = 64 * kGibi}, prediction), Sentences{});
}

TEST(RequestAdviceTest, WarnsOfTooLittleMemory) {
  const auto prediction = Predicted(HistoryField::kMemory, Used(12 * kGibi, 15 * kGibi));
  const auto advice = AdviseOnRequest({.memory_bytes = 8 * kGibi}, prediction);
  ASSERT_EQ(advice.size(), 1u);
  EXPECT_EQ(advice[0].kind, RequestAdvice::Kind::kTooLittle);
  EXPECT_EQ(advice[0].words, "half of similar jobs used 12Gi or more; you ask for 8Gi");
}

TEST(RequestAdviceTest, WarnsOfIdleCores) {
  const auto prediction = Predicted(HistoryField::kCpu, Used(1040, 1180));
  EXPECT_EQ(WordsOf({.cpu_milli = 32'000}, prediction),
            Sentences{"similar jobs kept 1.2 cores busy at most; you ask for 32 cores"});
  EXPECT_EQ(WordsOf({.cpu_milli = 4000}, prediction), Sentences{});
  EXPECT_EQ(WordsOf({.cpu_milli = 16'000}, Predicted(HistoryField::kCpu, Used(900, 1004))),
            Sentences{"similar jobs kept 1 core busy at most; you ask for 16 cores"});
}

TEST(RequestAdviceTest, WarnsOfATimeLimitFarTooLong) {
  const auto prediction = Predicted(HistoryField::kDuration, Used(kHour / 2, kHour));
  EXPECT_EQ(WordsOf({.time_limit_ms = 24 * kHour}, prediction),
            Sentences{"similar jobs ran for 1h at most; your time limit is 1d"});
  EXPECT_EQ(WordsOf({.time_limit_ms = 3 * kHour}, prediction), Sentences{});
}

TEST(RequestAdviceTest, WarnsOfATimeLimitTooShort) {
  // A prediction stops at the limit.
  const auto prediction = Predicted(HistoryField::kDuration, Used(kHour, 5 * kHour));
  EXPECT_EQ(WordsOf({.time_limit_ms = kHour}, prediction),
            Sentences{"half of similar jobs ran for as long or longer; your time limit is 1h"});
}

TEST(RequestAdviceTest, WarnsOfGpusThatWereIdle) {
  EXPECT_EQ(WordsOf({.gpus = 4}, Predicted(HistoryField::kGpu, Used(0, 120))),
            Sentences{"similar jobs left their GPUs idle; you ask for 4 GPUs"});
  EXPECT_EQ(WordsOf({.gpus = 1}, Predicted(HistoryField::kGpu, Used(0, 50))),
            Sentences{"similar jobs left their GPUs idle; you ask for 1 GPU"});
  EXPECT_EQ(WordsOf({.gpus = 8}, Predicted(HistoryField::kGpu, Used(900, 970))),
            Sentences{"similar jobs kept no more than 1 GPU busy; you ask for 8 GPUs"});
  EXPECT_EQ(WordsOf({.gpus = 2}, Predicted(HistoryField::kGpu, Used(900, 1500))), Sentences{});
  EXPECT_EQ(WordsOf({.gpus = 1}, Predicted(HistoryField::kGpu, Used(300, 400))), Sentences{});
}

TEST(RequestAdviceTest, NeedsEnoughEvidence) {
  HistoryEstimate few = Used(kGibi, kGibi);
  few.ends = 4;
  EXPECT_EQ(WordsOf({.memory_bytes = 64 * kGibi}, Predicted(HistoryField::kMemory, few)),
            Sentences{});
  few.ends = 5;
  EXPECT_EQ(WordsOf({.memory_bytes = 64 * kGibi}, Predicted(HistoryField::kMemory, few)).size(),
            1u);
}

TEST(RequestAdviceTest, WhatWasCutShortIsNoEvidenceOfLittle) {
  HistoryEstimate cut = Used(kGibi, kGibi);
  cut.cut_short = 16;
  EXPECT_EQ(WordsOf({.memory_bytes = 64 * kGibi}, Predicted(HistoryField::kMemory, cut)),
            Sentences{});
  cut.cut_short = 15;
  EXPECT_EQ(WordsOf({.memory_bytes = 64 * kGibi}, Predicted(HistoryField::kMemory, cut)).size(),
            1u);
  // The one that used most was killed for it.
  cut.most_cut_short = true;
  EXPECT_EQ(WordsOf({.memory_bytes = 64 * kGibi}, Predicted(HistoryField::kMemory, cut)),
            Sentences{});
  // But for too little it counts.
  EXPECT_EQ(WordsOf({.memory_bytes = kGibi / 2}, Predicted(HistoryField::kMemory, cut)).size(), 1u);
}

TEST(RequestAdviceTest, OtherProgramsAreNoEvidence) {
  HistoryEstimate estimate = Used(kGibi, kGibi);
  for (const auto level : {HistoryLevel::kShape, HistoryLevel::kUserQueue, HistoryLevel::kUser,
                           HistoryLevel::kQueue, HistoryLevel::kAll}) {
    estimate.level = level;
    EXPECT_EQ(WordsOf({.memory_bytes = 64 * kGibi}, Predicted(HistoryField::kMemory, estimate)),
              Sentences{});
  }
  for (const auto level : {HistoryLevel::kProgram, HistoryLevel::kScript, HistoryLevel::kName}) {
    estimate.level = level;
    EXPECT_EQ(
        WordsOf({.memory_bytes = 64 * kGibi}, Predicted(HistoryField::kMemory, estimate)).size(),
        1u);
  }
}

TEST(RequestAdviceTest, WhatIsNotAskedForIsNotTooMuch) {
  HistoryPrediction prediction;
  for (auto& field : prediction.fields) field = Used(100, 100);
  EXPECT_EQ(WordsOf({}, prediction), Sentences{});
  EXPECT_EQ(
      WordsOf(
          {.cpu_milli = 64'000, .memory_bytes = 64 * kGibi, .gpus = 8, .time_limit_ms = 99 * kHour},
          {}),
      Sentences{});
}

TEST(RequestAdviceTest, SpeaksOfEachFieldInOrder) {
  HistoryPrediction prediction;
  for (auto& field : prediction.fields) field = Used(100, 100);
  const auto advice = AdviseOnRequest(
      {.cpu_milli = 64'000, .memory_bytes = 64 * kGibi, .gpus = 8, .time_limit_ms = 99 * kHour},
      prediction);
  ASSERT_EQ(advice.size(), 4u);
  EXPECT_EQ(advice[0].field, HistoryField::kMemory);
  EXPECT_EQ(advice[1].field, HistoryField::kCpu);
  EXPECT_EQ(advice[2].field, HistoryField::kDuration);
  EXPECT_EQ(advice[3].field, HistoryField::kGpu);
}

}  // namespace
}  // namespace berth::features
