#include "base/rng.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <vector>

namespace berth::base {
namespace {

using ::testing::ElementsAre;

template <typename F>
auto Draw(int count, F draw) {
  std::vector<decltype(draw())> drawn;
  for (int i = 0; i < count; ++i) drawn.push_back(draw());
  return drawn;
}

TEST(RngTest, FollowsThePublishedSequenceFromAGivenState) {
  Rng rng(Rng::State{1, 2, 3, 4});
  EXPECT_THAT(Draw(6, [&] { return rng.Next(); }),
              ElementsAre(11520u, 0u, 1509978240u, 1215971899390074240u, 1216172134540287360u,
                          607988272756665600u));
}

TEST(RngTest, DrawsItsStateFromSplitmix64AtTheSeed) {
  EXPECT_THAT(Rng(0).state(), ElementsAre(0xe220a8397b1dcdafu, 0x6e789e6aa1b965f4u,
                                          0x06c45d188009454fu, 0xf88bb8a8724c81ecu));
  Rng rng(42);
  EXPECT_THAT(Draw(4, [&] { return rng.Next(); }),
              ElementsAre(0x15780b2e0c2ec716u, 0x6104d9866d113a7eu, 0xae17533239e499a1u,
                          0xecb8ad4703b360a1u));
}

TEST(RngTest, UniformFollowsItsGoldenSequence) {
  Rng small(7);
  EXPECT_THAT(Draw(12, [&] { return small.Uniform(100); }),
              ElementsAre(70, 27, 83, 98, 99, 87, 6, 10, 40, 15, 54, 73));
  // A bound just above half of the range rejects nearly every second draw.
  Rng large(7);
  EXPECT_THAT(Draw(5, [&] { return large.Uniform((1ull << 63) + 1); }),
              ElementsAre(6461677535414237997u, 7744196453246319819u, 9049029322324588832u,
                          9139072988219048332u, 1400256439129669809u));
}

TEST(RngTest, UniformDoubleFollowsItsGoldenSequence) {
  Rng rng(7);
  EXPECT_THAT(Draw(3, [&] { return rng.UniformDouble(); }),
              ElementsAre(0x1.66b1f5ee9df2ep-1, 0x1.1d70f6593d20ap-2, 0x1.ade3a6932a58fp-1));
}

TEST(RngTest, UniformReachesEveryValueAboutEquallyOften) {
  Rng rng(1);
  std::array<int, 6> seen{};
  for (int i = 0; i < 60'000; ++i) ++seen.at(rng.Uniform(6));
  for (const int count : seen) EXPECT_NEAR(count, 10'000, 500);
}

TEST(RngTest, GoesOnFromAKeptState) {
  Rng rng(3);
  rng.Next();
  Rng resumed(rng.state());
  EXPECT_EQ(resumed.Next(), rng.Next());
  EXPECT_EQ(resumed.state(), rng.state());
}

TEST(RngDeathTest, RefusesWhatHasNoAnswer) {
  EXPECT_DEATH(Rng(1).Uniform(0), "check failed: bound > 0");
  EXPECT_DEATH(Rng(Rng::State{0, 0, 0, 0}), "never moves");
}

}  // namespace
}  // namespace berth::base
