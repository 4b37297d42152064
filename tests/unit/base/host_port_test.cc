#include "base/host_port.h"

#include <gtest/gtest.h>

namespace berth::base {
namespace {

TEST(HostPortTest, SplitsAtTheLastColon) {
  const auto plain = ParseHostPort("127.0.0.1:7460");
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(plain->host, "127.0.0.1");
  EXPECT_EQ(plain->port, 7460);
  const auto bracketed = ParseHostPort("[::1]:0");
  ASSERT_TRUE(bracketed.ok()) << bracketed.status();
  EXPECT_EQ(bracketed->host, "::1");
  EXPECT_EQ(bracketed->port, 0);
}

TEST(HostPortTest, RefusesWhatIsNone) {
  for (const char* text : {"", "localhost", ":1", "h:", "h:x", "h:65536", "h:-1", "::1:7460",
                           "[]:1", "[::1]", "http://h:1", "a b:1", "[h:1", "h]:1"}) {
    EXPECT_FALSE(ParseHostPort(text).ok()) << text;
  }
}

TEST(HostPortTest, KnowsThisMachine) {
  for (const char* host : {"localhost", "127.0.0.1", "127.9.9.9", "::1", "0:0:0:0:0:0:0:1"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
  }
  for (const char* host : {"127.0.0.999", "127.0.0.1.evil.example", "127.1", "128.0.0.1", "0.0.0.0",
                           "::", "::2", "localhost.evil.example", ""}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

}  // namespace
}  // namespace berth::base
