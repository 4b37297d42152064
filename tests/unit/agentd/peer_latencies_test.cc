#include "agentd/latency/peer_latencies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace berth::agentd {
namespace {

using ::testing::IsEmpty;

// Real time, five hundred times as fast: a round every 20 ms.
class FastClock final : public base::Clock {
 public:
  [[nodiscard]] int64_t MonotonicMs() const override {
    const auto since = std::chrono::steady_clock::now() - began_;
    return std::chrono::duration_cast<std::chrono::microseconds>(since).count() / 2;
  }
  [[nodiscard]] int64_t WallMs() const override { return MonotonicMs(); }

 private:
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

bool HasIcmp() {
  const base::UniqueFd raw(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
  const base::UniqueFd datagrams(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
  return raw.valid() || datagrams.valid();
}

class PeerLatenciesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HasIcmp()) GTEST_SKIP() << "no ICMP socket here";
  }
  void SetPeers(const std::vector<std::pair<std::string, std::string>>& peers) {
    v1::Peers message;
    for (const auto& [node, address] : peers) {
      v1::Peer& peer = *message.add_peers();
      peer.set_node(node);
      peer.set_address(address);
    }
    latencies_.SetPeers(message);
  }
  // Runs the loop until so many are known; false: not within a minute.
  bool RunUntilKnown(size_t count) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    bool known = false;
    // The loop sleeps by real time: never for long.
    std::function<void()> look = [&] {
      known = latencies_.Known().size() == count;
      if (known || std::chrono::steady_clock::now() > deadline) return loop_.Stop();
      loop_.At(clock_.MonotonicMs() + 1, look);
    };
    look();
    loop_.Run();
    return known;
  }

  FastClock clock_;
  EventLoop loop_{clock_};
  PeerLatencies latencies_{loop_, clock_};
};

TEST_F(PeerLatenciesTest, NothingIsKnownBeforeAFewAnswers) {
  SetPeers({{"n1", "127.0.0.1"}});
  EXPECT_THAT(latencies_.Known(), IsEmpty());
}

TEST_F(PeerLatenciesTest, MeasuresWhoAnswersAndTellsWhoDoesNot) {
  // No socket may send to everyone unless it asks for that.
  SetPeers({{"here", "127.0.0.1"}, {"gone", "255.255.255.255"}});
  ASSERT_TRUE(RunUntilKnown(2));
  const auto known = latencies_.Known();
  EXPECT_EQ(known[0].node(), "gone");
  EXPECT_EQ(known[0].round_trip_us(), 0);
  EXPECT_EQ(known[1].node(), "here");
  EXPECT_GT(known[1].round_trip_us(), 0);
  EXPECT_LT(known[1].round_trip_us(), 60'000'000);
}

TEST_F(PeerLatenciesTest, WhoStaysIsKnownAndWhoGoesIsForgotten) {
  SetPeers({{"n1", "127.0.0.1"}, {"n2", "127.0.0.2"}});
  ASSERT_TRUE(RunUntilKnown(2));
  SetPeers({{"n2", "127.0.0.2"}, {"n3", "127.0.0.3"}});
  ASSERT_EQ(latencies_.Known().size(), 1u);
  EXPECT_EQ(latencies_.Known()[0].node(), "n2");
  EXPECT_TRUE(RunUntilKnown(2));
}

TEST_F(PeerLatenciesTest, ANodeThatChangesItsAddressIsMeasuredAnew) {
  SetPeers({{"n1", "127.0.0.1"}});
  ASSERT_TRUE(RunUntilKnown(1));
  SetPeers({{"n1", "127.0.0.2"}});
  EXPECT_THAT(latencies_.Known(), IsEmpty());
}

TEST_F(PeerLatenciesTest, MeasuresOverVersion6AndLeavesOutWhatIsNoAddress) {
  const base::UniqueFd v6(socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
  if (!v6.valid()) GTEST_SKIP() << "no IPv6 here";
  SetPeers({{"n1", "::1"}, {"name", "host.example"}});
  ASSERT_TRUE(RunUntilKnown(1));
  EXPECT_EQ(latencies_.Known()[0].node(), "n1");
}

}  // namespace
}  // namespace berth::agentd
