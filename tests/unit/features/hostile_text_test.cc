// Whatever the bytes: no crash, no cost beyond their share, the same answer twice, sane values.
#include <gtest/gtest.h>

#include <chrono>

#include "base/rng.h"
#include "features/gold_set.h"
#include "features/rules.h"

namespace berth::features {
namespace {

constexpr size_t kMebibyte = 1 << 20;

const Rules& DefaultRules() {
  static const Rules* const rules = new Rules(*DefaultTables());
  return *rules;
}

std::string Repeated(std::string_view piece, size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += piece;
  return text;
}

void ExpectSane(const Features& features) {
  const auto within = [](const Features::Maybe<int64_t>& value, int64_t most) {
    return !value || (value->value >= 1 && value->value <= most && value->confidence > 0 &&
                      value->confidence <= 100);
  };
  EXPECT_TRUE(within(features.cpu_milli, 8192 * 1000));
  EXPECT_TRUE(within(features.memory_bytes, int64_t{64} << 40));
  EXPECT_TRUE(within(features.gpus, 4096));
  EXPECT_TRUE(within(features.duration_ms, int64_t{366} * 24 * 3600 * 1000));
  EXPECT_TRUE(within(features.parallelism, 1'000'000));
  if (features.computation_class) {
    int32_t sum = 0;
    for (const int32_t weight : features.computation_class->value) {
      EXPECT_GE(weight, 0);
      sum += weight;
    }
    EXPECT_EQ(sum, 100);
  }
  EXPECT_LE(features.inputs.size(), 64u);
  EXPECT_LE(features.models.size(), 64u);
}

TEST(HostileTextTest, RandomBytesAreReadTwiceAlike) {
  const uint64_t seed =
      static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  base::Rng rng(seed);
  for (int round = 0; round < 300; ++round) {
    std::string bytes;
    const size_t size = rng.Uniform(4096);
    for (size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(rng.Uniform(256)));
    const JobText text{.name = bytes, .description = bytes, .script = bytes};
    const Features features = DefaultRules().ReadText(text);
    ExpectSane(features);
    ASSERT_EQ(features, DefaultRules().ReadText(text));
  }
}

TEST(HostileTextTest, MutatedTextsAreReadTwiceAlike) {
  const auto set = ReadGoldSet("tests/data/features");
  ASSERT_TRUE(set.ok()) << set.status();
  const uint64_t seed =
      static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  base::Rng rng(seed);
  static constexpr std::string_view kPieces[] = {"\"",
                                                 "'",
                                                 "$(",
                                                 "`",
                                                 "\\",
                                                 "#",
                                                 "\n",
                                                 "<<EOF\n",
                                                 "99999999999999999999",
                                                 "8x",
                                                 "个",
                                                 "\xff",
                                                 "#SBATCH --mem=",
                                                 "=",
                                                 ":",
                                                 "-",
                                                 "[",
                                                 "]",
                                                 "s3://",
                                                 std::string_view("\0", 1),
                                                 "{}",
                                                 "70B"};
  for (const GoldText& gold : set->at("tune")) {
    for (int round = 0; round < 6; ++round) {
      std::string script = gold.script;
      std::string description = gold.description;
      for (std::string* text : {&script, &description}) {
        for (uint64_t edits = rng.Uniform(8); edits > 0; --edits) {
          const size_t at = rng.Uniform(text->size() + 1);
          if (rng.Uniform(2) == 0) {
            text->insert(at, kPieces[rng.Uniform(std::size(kPieces))]);
          } else {
            text->erase(at, rng.Uniform(9));
          }
        }
      }
      const JobText text{
          .name = gold.name, .description = description, .script = script, .command = gold.command};
      const Features features = DefaultRules().ReadText(text);
      ExpectSane(features);
      ASSERT_EQ(features, DefaultRules().ReadText(text)) << gold.id;
    }
  }
}

TEST(HostileTextTest, AMebibyteOfAnythingCostsNoMoreThanItsShare) {
  // What a scanner that looks ahead or back too far pays its square for. The bound is generous:
  // builds with sanitizers are slow, and a square of a mebibyte takes hours.
  for (const std::string_view piece : {"$(",
                                       "`",
                                       "\"",
                                       "'",
                                       "((((",
                                       "<<EOF\n",
                                       "8 ",
                                       "8 GPU ",
                                       "no ",
                                       "last year ",
                                       "s3://a/b ",
                                       "llama 7B ",
                                       "单",
                                       "8块A100",
                                       "a=b ",
                                       "x|",
                                       "#SBATCH --mem=1G\n",
                                       "# 4 GPUs 80 GB RAM\n",
                                       "-",
                                       "/",
                                       "a/",
                                       "64 GB ",
                                       "memory ",
                                       "bottleneck ",
                                       "\xff",
                                       "for x in y;",
                                       "--a ",
                                       "prog a b c > d\n",
                                       "[",
                                       "rusage[mem=1:",
                                       "1,",
                                       "1:",
                                       "1-"}) {
    const std::string text = Repeated(piece, kMebibyte);
    const auto begin = std::chrono::steady_clock::now();
    ExpectSane(DefaultRules().ReadText({.name = text, .description = text, .script = text}));
    ExpectSane(DefaultRules().ReadText({.script = "#BSUB -R " + text}));
    const std::vector<std::string> argv(3, text);
    ExpectSane(DefaultRules().ReadText({.command = argv}));
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
    EXPECT_LT(spent.count(), 3.0) << "of " << piece;
  }
}

}  // namespace
}  // namespace berth::features
