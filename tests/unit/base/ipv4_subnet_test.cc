#include "base/ipv4_subnet.h"

#include <gtest/gtest.h>

namespace berth::base {
namespace {

TEST(Ipv4SubnetTest, ReadsNetworks) {
  const auto subnet = ParseIpv4Subnet("100.64.0.0/16");
  ASSERT_TRUE(subnet.has_value());
  EXPECT_EQ(FormatIpv4(subnet->first), "100.64.0.0");
  EXPECT_EQ(subnet->size(), 65536u);
  EXPECT_EQ(FormatIpv4(subnet->first + 258), "100.64.1.2");
}

TEST(Ipv4SubnetTest, RefusesWhatIsNone) {
  for (const char* text : {"", "100.64.0.0", "100.64.0.0/", "100.64.0.0/31", "100.64.0.0/7",
                           "100.64.0.1/16", "100.64/16", "fe80::/64", "100.64.0.0/16x", "/16"}) {
    EXPECT_FALSE(ParseIpv4Subnet(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace berth::base
