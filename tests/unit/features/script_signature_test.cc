#include "features/script_signature.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "tests/support/random_cluster.h"

namespace berth::features {
namespace {

ScriptSignature Sign(std::string_view script, const std::vector<std::string>& command = {}) {
  return SignScript(script, command);
}

TEST(ScriptSignatureTest, ATextWithoutWordsHasNone) {
  EXPECT_TRUE(Sign("").empty());
  EXPECT_TRUE(Sign(" \n\t--- ;; $(!)").empty());
  EXPECT_FALSE(Sign("true").empty());
}

TEST(ScriptSignatureTest, NumbersMakeNoOtherScript) {
  EXPECT_EQ(Sign("python train.py --seed 7 --out /data/run0012"),
            Sign("python train.py --seed 12345 --out /data/run3"));
  EXPECT_EQ(Sign("python train.py --seed 7"), Sign("python  train.py\t--seed 8\n"));
}

TEST(ScriptSignatureTest, ShortTextsDifferByTheirWords) {
  EXPECT_LT(Sign("true").Agreement(Sign("false")), 4u);
  EXPECT_LT(Sign("make all").Agreement(Sign("make clean")), 4u);
  EXPECT_LT(Sign("make all").Agreement(Sign("all make")), 4u);
}

TEST(ScriptSignatureTest, TheCommandLineCountsToo) {
  EXPECT_EQ(Sign("", {"python", "fit.py"}), Sign("python fit.py"));
  EXPECT_LT(Sign("", {"python", "fit.py", "--fast"}).Agreement(Sign("", {"ffmpeg", "-i", "a.mkv"})),
            4u);
}

TEST(ScriptSignatureTest, WhatComesAfter64KiBDoesNotCount) {
  std::string text;
  while (text.size() < size_t{64} * 1024) text += "alpha beta gamma ";
  text.resize(size_t{64} * 1024);
  EXPECT_EQ(Sign(text), Sign(text + " and then something quite different"));
  EXPECT_EQ(Sign(text), Sign(text, {"something", "quite", "different"}));
  std::vector<std::string> arguments(70'000, "-");
  const ScriptSignature signature = Sign("", arguments);
  arguments.emplace_back("python");
  EXPECT_EQ(Sign("", arguments), signature);
}

TEST(ScriptSignatureTest, BytesOfAnyKindAreText) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  EXPECT_FALSE(Sign(bytes).empty());
  EXPECT_LT(Sign("训练 模型 甲").Agreement(Sign("合并 数据 乙")), 4u);
}

// A text of `count` words, each drawn from many.
std::vector<std::string> RandomWords(base::Rng& rng, size_t count) {
  std::vector<std::string> words;
  for (size_t i = 0; i < count; ++i) {
    std::string word;
    for (int letter = 0; letter < 6; ++letter) {
      word.push_back(static_cast<char>('a' + rng.Uniform(26)));
    }
    words.push_back(word);
  }
  return words;
}

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += word + " ";
  return text;
}

TEST(ScriptSignatureTest, AgreementFollowsWhatTextsHaveInCommon) {
  base::Rng rng(testing::TestSeed(1));
  for (const int changed : {0, 2, 10, 40}) {
    double agreement = 0, common = 0;
    constexpr int kRounds = 200;
    for (int round = 0; round < kRounds; ++round) {
      std::vector<std::string> a = RandomWords(rng, 200), b = a;
      const auto others = RandomWords(rng, static_cast<size_t>(changed));
      for (const std::string& other : others) b[rng.Uniform(b.size())] = other;
      const auto runs = [](const std::vector<std::string>& words) {
        std::set<std::vector<std::string>> all;
        for (size_t i = 0; i + 3 <= words.size(); ++i) {
          all.emplace(words.begin() + static_cast<std::ptrdiff_t>(i),
                      words.begin() + static_cast<std::ptrdiff_t>(i + 3));
        }
        return all;
      };
      const auto of_a = runs(a), of_b = runs(b);
      size_t both = 0;
      for (const auto& run : of_a) both += of_b.count(run);
      common += static_cast<double>(both) / static_cast<double>(of_a.size() + of_b.size() - both);
      agreement += static_cast<double>(Sign(Join(a)).Agreement(Sign(Join(b)))) / 32;
    }
    EXPECT_NEAR(agreement / kRounds, common / kRounds, 0.04) << changed << " words changed";
  }
}

TEST(ScriptSignatureTest, AlikeTextsShareABand) {
  base::Rng rng(testing::TestSeed(2));
  int alike = 0, unlike = 0;
  for (int round = 0; round < 500; ++round) {
    std::vector<std::string> a = RandomWords(rng, 150), b = a;
    for (const std::string& other : RandomWords(rng, 6)) b[rng.Uniform(b.size())] = other;
    const ScriptSignature of_a = Sign(Join(a)), of_b = Sign(Join(b)),
                          of_c = Sign(Join(RandomWords(rng, 150)));
    const auto share = [](const ScriptSignature& one, const ScriptSignature& two) {
      for (size_t band = 0; band < ScriptSignature::kBands; ++band) {
        if (one.Band(band) == two.Band(band)) return 1;
      }
      return 0;
    };
    alike += share(of_a, of_b);
    unlike += share(of_a, of_c);
  }
  EXPECT_GT(alike, 485);
  EXPECT_EQ(unlike, 0);
}

}  // namespace
}  // namespace berth::features
