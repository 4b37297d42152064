#include "features/feature_cache.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <filesystem>

#include "base/small_file.h"
#include "tests/support/status_text.h"
#include "tests/support/temp_dir.h"

namespace berth::features {
namespace {

using testing::Text;
using CacheEntry = FeatureCache::Entry;

constexpr size_t kRoomy = 16 << 20;

base::Sha256Digest KeyOf(int number) { return base::Sha256Of(std::to_string(number)); }

CacheEntry Kept(const std::string& text, int64_t expires_ms = 1000) {
  return {.served_by = 1, .identity = 7, .text = text, .expires_ms = expires_ms};
}

std::unique_ptr<FeatureCache> OpenCache(const std::string& path, int64_t now_ms = 0,
                                        size_t most_bytes = kRoomy) {
  auto cache = FeatureCache::Open(path, most_bytes, now_ms);
  EXPECT_EQ(Text(cache), "OK");
  return *std::move(cache);
}

class FeatureCacheTest : public ::testing::Test {
 protected:
  testing::TempDir folder_;
  const std::string path_ = folder_.path() + "/answers";
};

TEST_F(FeatureCacheTest, GivesBackWhatWasPutUntilItsTimeIsOver) {
  const auto cache = OpenCache("");
  EXPECT_EQ(cache->Find(KeyOf(1), 0), std::nullopt);
  ASSERT_EQ(Text(cache->Put(KeyOf(1), Kept("a"))), "OK");
  ASSERT_EQ(Text(cache->Put(KeyOf(2), Kept("b"))), "OK");
  ASSERT_EQ(Text(cache->Put(KeyOf(2), Kept("c"))), "OK");
  EXPECT_EQ(cache->Find(KeyOf(1), 999), Kept("a"));
  EXPECT_EQ(cache->Find(KeyOf(2), 999), Kept("c"));
  EXPECT_EQ(cache->Find(KeyOf(1), 1000), std::nullopt);
  EXPECT_EQ(cache->stats().expired, 1u);
  EXPECT_EQ(cache->stats().entries, 1u);
}

TEST_F(FeatureCacheTest, EntriesOfAnotherIdentityOfTheirModelAreGone) {
  const auto cache = OpenCache("");
  ASSERT_EQ(Text(cache->Put(KeyOf(1), Kept("a"))), "OK");
  CacheEntry other = Kept("other model");
  other.served_by = 2;
  ASSERT_EQ(Text(cache->Put(KeyOf(2), other)), "OK");
  EXPECT_FALSE(cache->SetIdentity(1, 7));
  EXPECT_TRUE(cache->Find(KeyOf(1), 0).has_value());
  EXPECT_TRUE(cache->SetIdentity(1, 8));
  EXPECT_EQ(cache->Find(KeyOf(1), 0), std::nullopt);
  EXPECT_EQ(cache->stats().invalidated, 1u);
  EXPECT_TRUE(cache->Find(KeyOf(2), 0).has_value());
  // A refusal by a server that did not say what it is belongs to what it said last.
  CacheEntry refusal{.served_by = 1, .is_refusal = true, .text = "refused", .expires_ms = 1000};
  ASSERT_EQ(Text(cache->Put(KeyOf(3), refusal)), "OK");
  EXPECT_EQ(cache->Find(KeyOf(3), 0)->identity, 8u);
}

TEST_F(FeatureCacheTest, WhatWasLookedForLongestAgoGoesFirst) {
  const std::string text(1000, 'x');
  const auto cache = OpenCache("", 0, 64 << 10);
  for (int i = 0; i < 40; ++i) ASSERT_EQ(Text(cache->Put(KeyOf(i), Kept(text))), "OK");
  EXPECT_EQ(cache->stats().evicted, 0u);
  EXPECT_TRUE(cache->Find(KeyOf(0), 0).has_value());
  for (int i = 40; i < 70; ++i) ASSERT_EQ(Text(cache->Put(KeyOf(i), Kept(text))), "OK");
  EXPECT_TRUE(cache->Find(KeyOf(0), 0).has_value());
  EXPECT_FALSE(cache->Find(KeyOf(1), 0).has_value());
  EXPECT_TRUE(cache->Find(KeyOf(69), 0).has_value());
  EXPECT_LE(cache->stats().bytes, size_t{64} << 10);
}

TEST_F(FeatureCacheTest, IsTheSameAfterARestart) {
  {
    const auto cache = OpenCache(path_);
    ASSERT_EQ(Text(cache->Put(KeyOf(1), Kept("a"))), "OK");
    ASSERT_EQ(Text(cache->Put(KeyOf(2), Kept("short", 10))), "OK");
    CacheEntry refusal = Kept("refused");
    refusal.is_refusal = true;
    ASSERT_EQ(Text(cache->Put(KeyOf(3), refusal)), "OK");
    ASSERT_EQ(Text(cache->Put(KeyOf(1), Kept("newer"))), "OK");
  }
  const auto cache = OpenCache(path_, 100);
  EXPECT_EQ(cache->stats().tail_dropped_bytes, 0u);
  EXPECT_EQ(cache->Find(KeyOf(1), 100), Kept("newer"));
  EXPECT_EQ(cache->Find(KeyOf(2), 100), std::nullopt);
  EXPECT_TRUE(cache->Find(KeyOf(3), 100)->is_refusal);
}

TEST_F(FeatureCacheTest, TheIdentitySeenLastCountsAfterARestart) {
  {
    const auto cache = OpenCache(path_);
    ASSERT_EQ(Text(cache->Put(KeyOf(1), Kept("of the old one"))), "OK");
    CacheEntry entry = Kept("of the new one");
    entry.identity = 8;
    ASSERT_EQ(Text(cache->Put(KeyOf(2), entry)), "OK");
  }
  const auto cache = OpenCache(path_);
  EXPECT_FALSE(cache->Find(KeyOf(1), 0).has_value());
  EXPECT_TRUE(cache->Find(KeyOf(2), 0).has_value());
}

TEST_F(FeatureCacheTest, ATailThatIsNotWholeIsDroppedAndSaid) {
  uint64_t whole = 0;
  {
    const auto cache = OpenCache(path_);
    ASSERT_EQ(Text(cache->Put(KeyOf(1), Kept("first"))), "OK");
    whole = cache->stats().file_bytes;
    ASSERT_EQ(Text(cache->Put(KeyOf(2), Kept("second"))), "OK");
  }
  const std::string contents = *base::ReadSmallFile(path_);
  // Cut anywhere within the second record, or one of its bits turned.
  for (size_t at = whole; at < contents.size(); ++at) {
    std::string turned = contents;
    turned[at] = static_cast<char>(turned[at] ^ 0x10);
    for (const std::string& broken : {contents.substr(0, at), turned}) {
      ASSERT_EQ(Text(base::WriteFileAtomically(path_, broken)), "OK");
      const auto cache = OpenCache(path_);
      ASSERT_EQ(cache->stats().tail_dropped_bytes, broken.size() - whole);
      ASSERT_TRUE(cache->Find(KeyOf(1), 0).has_value());
      ASSERT_FALSE(cache->Find(KeyOf(2), 0).has_value());
      ASSERT_EQ(std::filesystem::file_size(path_), whole);
    }
  }
  // And it goes on from there.
  {
    const auto cache = OpenCache(path_);
    ASSERT_EQ(Text(cache->Put(KeyOf(3), Kept("third"))), "OK");
  }
  EXPECT_TRUE(OpenCache(path_)->Find(KeyOf(3), 0).has_value());
}

TEST_F(FeatureCacheTest, AFileThatIsSomethingElseIsBegunAnew) {
  ASSERT_EQ(Text(base::WriteFileAtomically(path_, "not a cache, but long enough")), "OK");
  const auto cache = OpenCache(path_);
  EXPECT_EQ(cache->stats().tail_dropped_bytes, 28u);
  EXPECT_EQ(cache->stats().entries, 0u);
  ASSERT_EQ(Text(cache->Put(KeyOf(1), Kept("a"))), "OK");
}

TEST_F(FeatureCacheTest, AFileOfAnotherProcessIsRefused) {
  const auto cache = OpenCache(path_);
  EXPECT_EQ(Text(FeatureCache::Open(path_, kRoomy, 0)),
            "FAILED_PRECONDITION: " + path_ +
                ": another process uses it; end that, or give this one another directory");
}

TEST_F(FeatureCacheTest, ItsFileIsWrittenAnewWithoutWhatIsGone) {
  const std::string text(10'000, 'x');
  {
    const auto cache = OpenCache(path_);
    for (int i = 0; i < 1000; ++i) {
      ASSERT_EQ(Text(cache->Put(KeyOf(i % 10), Kept(text + std::to_string(i)))), "OK");
      ASSERT_LE(cache->stats().file_bytes, uint64_t{1 << 20} + 20'000);
    }
    EXPECT_GT(cache->stats().compactions, 3u);
  }
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
  const auto cache = OpenCache(path_);
  EXPECT_EQ(cache->stats().tail_dropped_bytes, 0u);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(cache->Find(KeyOf(i), 0), Kept(text + std::to_string(990 + i)));
  }
}

TEST_F(FeatureCacheTest, AMillionDistinctTextsTakeBoundedMemoryAndDisk) {
  constexpr size_t kMost = 8 << 20;
  const auto cache = OpenCache(path_, 0, kMost);
  for (int i = 0; i < 100'000; ++i) ASSERT_TRUE(cache->Put(KeyOf(i), Kept("answer")).ok());
  const struct mallinfo2 before = ::mallinfo2();
  for (int i = 100'000; i < 1'000'000; ++i) {
    ASSERT_TRUE(cache->Put(KeyOf(i), Kept("answer")).ok());
  }
  const struct mallinfo2 after = ::mallinfo2();
  const FeatureCache::Stats stats = cache->stats();
  EXPECT_LE(stats.bytes, kMost);
  EXPECT_EQ(stats.evicted + stats.entries, 1'000'000u);
  EXPECT_GT(stats.entries, kMost / 400);
  // Sanitizers keep books of their own: there both are 0.
  EXPECT_LE(after.uordblks, before.uordblks + (1 << 20));
  EXPECT_LE(stats.file_bytes, 2 * kMost);
  EXPECT_TRUE(cache->Find(KeyOf(999'999), 0).has_value());
}

}  // namespace
}  // namespace berth::features
