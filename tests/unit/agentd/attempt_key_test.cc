#include "agentd/attempt_key.h"

#include <gtest/gtest.h>

namespace berth::agentd {
namespace {

TEST(AttemptKeyTest, ComesBackFromItsName) {
  const AttemptKey key{10'000'000'012, 2, 2'147'483'646, 3};
  EXPECT_EQ(ToString(key), "10000000012.2.2147483646#3");
  EXPECT_EQ(ParseAttemptKey(ToString(key)), key);
  EXPECT_EQ(FromProto(ToProto(key)), key);
}

TEST(AttemptKeyTest, RefusesWhatIsNotExactlyAName) {
  for (const char* name : {"", ".", "..", "12", "12.0.3", "12.0.3#", "12.0.3#1x", "x12.0.3#1",
                           "12.0.-3#1", "12.00.3#1", "12.0.3#99999999999", "12 .0.3#1"}) {
    EXPECT_FALSE(ParseAttemptKey(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace berth::agentd
