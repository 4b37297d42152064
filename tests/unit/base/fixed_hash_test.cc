#include "base/fixed_hash.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>

namespace berth::base {
namespace {

// What these say is on disk somewhere: a change of the algorithm is a change of format.
TEST(FixedHashTest, WordsHashToTheirGoldenValues) {
  EXPECT_EQ(FixedHash(std::uint64_t{0}), 0x48218226ff3cd4bfu);
  EXPECT_EQ(FixedHash(std::uint64_t{1}), 0x9e0160293a33aaf7u);
  EXPECT_EQ(FixedHash(std::uint64_t{1}, 1), 0x5c52bd4054e958c9u);
  EXPECT_EQ(FixedHash(UINT64_MAX), 0xf2c27ef86a95b080u);
  EXPECT_EQ(FixedHash(std::uint64_t{12345678901234567890u}, 42), 0xb488c2b63308b46bu);
}

TEST(FixedHashTest, BytesHashToTheirGoldenValues) {
  EXPECT_EQ(FixedHash(""), 0x48218226ff3cd4bfu);
  EXPECT_EQ(FixedHash("a"), 0x6e60fbc64401958eu);
  EXPECT_EQ(FixedHash("abcdefgh"), 0x9e5659556b9a983cu);
  EXPECT_EQ(FixedHash("abcdefghi"), 0xcb2221638d128723u);
  EXPECT_EQ(FixedHash("node-a", 7), 0xe744ab6d3f45b048u);
  EXPECT_EQ(FixedHash(std::string(17, '\xff')), 0x4ae0d577951a9d9fu);
}

TEST(FixedHashTest, SequencesHashToTheirGoldenValueAndOrderMatters) {
  const auto fold = [](std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    return FixedHashCombine(FixedHashCombine(FixedHash(a), b), c);
  };
  EXPECT_EQ(fold(1, 2, 3), 0xddc23805ac429ab5u);
  EXPECT_NE(fold(1, 2, 3), fold(1, 3, 2));
}

TEST(FixedHashTest, PaddingIsNotMistakenForContent) {
  EXPECT_EQ(FixedHash(std::string_view("\0", 1)), 0xe4063c5658ecca60u);
  EXPECT_EQ(FixedHash(std::string_view("\0\0", 2)), 0x30a6d8e2f0f4aa5bu);
}

TEST(FixedHashTest, DependsOnBytesAndNotOnTheirAlignment) {
  const std::string text = "the same sixteen and three";
  const std::uint64_t expected = FixedHash(text);
  for (int offset = 0; offset < 8; ++offset) {
    const std::string shifted = std::string(static_cast<std::size_t>(offset), 'x') + text;
    EXPECT_EQ(FixedHash(std::string_view(shifted).substr(static_cast<std::size_t>(offset))),
              expected);
  }
}

TEST(FixedHashTest, NeighbouringWordsSpreadOverFewLowBits) {
  std::unordered_set<std::uint64_t> buckets;
  for (std::uint64_t word = 0; word < 4096; ++word) buckets.insert(FixedHash(word) & 0xFFF);
  // 4096 balls in 4096 boxes leave 1 - 1/e of them filled, 2589 give or take 30.
  EXPECT_GT(buckets.size(), 2400u);
}

}  // namespace
}  // namespace berth::base
