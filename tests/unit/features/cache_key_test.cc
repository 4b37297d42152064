#include "features/cache_key.h"

#include <gtest/gtest.h>

#include <set>

namespace berth::features {
namespace {

TEST(NormalisedForKeyTest, MakesRunsOfOneJobTheSame) {
  EXPECT_EQ(NormalisedForKey("train --seed 123 --out /runs/20260102/step-100000  \n\n x"),
            NormalisedForKey("train --seed 7 --out /runs/20270913/step-250000 \n x"));
  EXPECT_EQ(NormalisedForKey("on 2026-01-02T10:20:30Z"),
            NormalisedForKey("on 2025-12-31 08:00:00"));
  EXPECT_EQ(NormalisedForKey("id 0123abcd-0123-4567-89ab-0123456789ab, SEED=4"),
            NormalisedForKey("id ffffabcd-0123-4567-89ab-0123456789ab, SEED=5"));
  EXPECT_EQ(NormalisedForKey("commit 3fa9c0de1b2a3c4d"),
            NormalisedForKey("commit a0b1c2d3e4f50617"));
}

TEST(NormalisedForKeyTest, KeepsWhatStatesAnAmount) {
  std::set<std::string> seen;
  for (const char* text : {"--mem=64G", "--mem=128G", "llama-7b", "llama-70b", "/models/llama-7b",
                           "/models/llama-70b", "--mem 4096", "--mem 8192", "batch 1024"}) {
    EXPECT_TRUE(seen.insert(NormalisedForKey(text)).second) << text;
  }
}

TEST(CacheKeyTest, DependsOnEveryPartAndOnWhereEachEnds) {
  CleanJobText text;
  text.name = "ab";
  text.script = "c";
  CleanJobText shifted;
  shifted.name = "a";
  shifted.script = "bc";
  PromptFiles files{.prompt_version = "p", .schema_version = "s"};
  PromptFiles other = files;
  other.prompt_version = "p2";
  const CacheKeyParts parts{
      .text = text, .declared = "d", .files = files, .model = "m", .name_space = "n", .salt = "x"};
  std::set<base::Sha256Digest> keys = {CacheKey(parts)};
  EXPECT_TRUE(keys.contains(CacheKey(parts)));
  const auto is_new = [&keys](const CacheKeyParts& p) { return keys.insert(CacheKey(p)).second; };
  EXPECT_TRUE(is_new({shifted, "d", files, "m", "n", "x"}));
  EXPECT_TRUE(is_new({text, "e", files, "m", "n", "x"}));
  EXPECT_TRUE(is_new({text, "d", other, "m", "n", "x"}));
  EXPECT_TRUE(is_new({text, "d", files, "m2", "n", "x"}));
  EXPECT_TRUE(is_new({text, "d", files, "m", "n2", "x"}));
  EXPECT_TRUE(is_new({text, "d", files, "m", "n", "x2"}));
  EXPECT_TRUE(is_new({text, "d", files, "mn", "", "x"}));
}

TEST(DeclaredBucketTest, IsThePowerOfTwoAbove) {
  EXPECT_EQ(DeclaredBucket(0), 0);
  EXPECT_EQ(DeclaredBucket(1), 1);
  EXPECT_EQ(DeclaredBucket(1000), 1024);
  EXPECT_EQ(DeclaredBucket(1024), 1024);
  EXPECT_EQ(DeclaredBucket(INT64_MAX), int64_t{1} << 62);
}

}  // namespace
}  // namespace berth::features
