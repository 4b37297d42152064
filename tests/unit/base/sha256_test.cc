#include "base/sha256.h"

#include <gtest/gtest.h>

namespace berth::base {
namespace {

// From FIPS 180-4's examples.
TEST(Sha256Test, MatchesThePublishedExamples) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha256Test, OfPiecesIsThatOfTheWhole) {
  Sha256 sum;
  sum.Add("a");
  sum.Add("");
  sum.Add("bc");
  EXPECT_EQ(sum.Digest().Hex(), Sha256Hex("abc"));
}

TEST(Sha256Test, AnAddressIsReadBackAndNothingElseIs) {
  const Sha256Digest digest = Sha256Of("abc");
  const std::string hex = digest.Hex();
  EXPECT_EQ(Sha256Digest::FromHex(hex), digest);
  EXPECT_EQ(Sha256Digest::FromHex(hex.substr(1)), std::nullopt);
  EXPECT_EQ(Sha256Digest::FromHex(hex + "00"), std::nullopt);
  EXPECT_EQ(Sha256Digest::FromHex("g" + hex.substr(1)), std::nullopt);
  EXPECT_EQ(Sha256Digest::FromHex("BA" + hex.substr(2)), std::nullopt);
}

}  // namespace
}  // namespace berth::base
