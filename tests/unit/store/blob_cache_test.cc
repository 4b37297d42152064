#include "store/blob_cache.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace berth::store {
namespace {

std::shared_ptr<const std::string> ContentOf(size_t bytes, char letter = 'a') {
  return std::make_shared<const std::string>(bytes, letter);
}

TEST(BlobCacheTest, SharesWhatItHolds) {
  BlobCache cache(10'000);
  EXPECT_EQ(cache.Find("h1"), nullptr);
  const auto content = ContentOf(100);
  cache.Put("h1", content);
  EXPECT_EQ(cache.Find("h1"), content);
  cache.Erase("h1");
  EXPECT_EQ(cache.Find("h1"), nullptr);
  EXPECT_EQ(cache.bytes(), 0u);
}

TEST(BlobCacheTest, LetsTheLeastRecentlyUsedGo) {
  BlobCache cache(10'000);
  cache.Put("h1", ContentOf(4'000));
  cache.Put("h2", ContentOf(4'000));
  EXPECT_NE(cache.Find("h1"), nullptr);
  cache.Put("h3", ContentOf(4'000));
  EXPECT_EQ(cache.Find("h2"), nullptr);
  EXPECT_NE(cache.Find("h1"), nullptr);
  EXPECT_NE(cache.Find("h3"), nullptr);
}

TEST(BlobCacheTest, StaysWithinItsBoundWhateverComes) {
  BlobCache cache(10'000);
  cache.Put("large", ContentOf(20'000));
  EXPECT_EQ(cache.Find("large"), nullptr);
  for (int i = 0; i < 1'000; ++i) {
    cache.Put("h" + std::to_string(i), ContentOf(static_cast<size_t>(i % 7)));
    EXPECT_LE(cache.bytes(), 10'000u);
  }
  EXPECT_NE(cache.Find("h999"), nullptr);
}

TEST(BlobCacheTest, PuttingTheSameAgainCountsItOnce) {
  BlobCache cache(10'000);
  cache.Put("h1", ContentOf(1'000));
  const size_t once = cache.bytes();
  cache.Put("h1", ContentOf(1'000));
  EXPECT_EQ(cache.bytes(), once);
}

TEST(BlobCacheTest, IsUsedByManyThreads) {
  BlobCache cache(5'000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      for (int i = 0; i < 500; ++i) {
        const std::string hash = "h" + std::to_string((i * 7 + t) % 20);
        if (const auto content = cache.Find(hash)) {
          EXPECT_EQ(content->size(), 500u);
        } else {
          cache.Put(hash, ContentOf(500));
        }
        if (i % 50 == 0) cache.Erase(hash);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(cache.bytes(), 5'000u);
}

}  // namespace
}  // namespace berth::store
