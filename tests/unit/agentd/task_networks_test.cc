// Real namespaces and interfaces, under names that no agent has.
#include "agentd/network/task_networks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agentd/network/ip_tool.h"
#include "base/mutex.h"
#include "tests/support/await.h"

namespace berth::agentd {
namespace {

using berth::testing::Await;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

AttemptKey Key(uint64_t job) { return {job, 0, 0, 1}; }

class TaskNetworksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!MayMakeNamespaces()) GTEST_SKIP() << "takes root, to make network namespaces";
  }
  void TearDown() override {
    networks_.RemoveLeftovers([](const AttemptKey&) { return false; });
    EXPECT_TRUE(Await([&] { return Files().empty(); }));
  }
  static bool MayMakeNamespaces() {
    const std::string name = "berth-test-" + std::to_string(getpid());
    return RunIpTool({"ip", "netns", "add", name}, "").ok() &&
           RunIpTool({"ip", "netns", "delete", name}, "").ok();
  }

  // What this test's agent has in /run/netns.
  std::vector<std::string> Files() const {
    std::vector<std::string> found;
    if (own_.empty()) return found;
    for (const auto& entry : std::filesystem::directory_iterator("/run/netns")) {
      const std::string path = entry.path().string();
      if (path.find(own_) == 0) found.push_back(path);
    }
    return found;
  }

  // The path, or the error's text.
  std::string Make(TaskNetworks& networks, const AttemptKey& key, int64_t bits_per_s = 0) {
    std::optional<absl::StatusOr<std::string>> done;
    networks.Make(key, bits_per_s, [&](absl::StatusOr<std::string> result) { done = result; });
    EXPECT_TRUE(Await([&] {
      RunPosted();
      return done.has_value();
    }));
    if (!done->ok()) return std::string(done->status().message());
    // "/run/netns/berth-1a2b3-0-5.0.0_1"
    own_ = (**done).substr(0, (**done).find('-', sizeof("/run/netns/berth-") - 1) + 1);
    return **done;
  }
  void RunPosted() {
    std::vector<std::function<void()>> work;
    {
      base::MutexLock lock(mutex_);
      work.swap(posted_);
    }
    for (const auto& each : work) each();
  }

  base::Mutex mutex_;
  std::vector<std::function<void()>> posted_;
  const TaskNetworks::Post post_ = [this](std::function<void()> work) {
    base::MutexLock lock(mutex_);
    posted_.push_back(std::move(work));
  };
  // Two networks' room, of what is set aside for benchmarks of networks.
  const base::Ipv4Subnet subnet_ = *base::ParseIpv4Subnet("198.18.77.0/29");
  const std::string owner_ = "/test/" + std::to_string(getpid());
  std::string own_;
  TaskNetworks networks_{subnet_, owner_, post_};
};

TEST_F(TaskNetworksTest, ANetworkReachesTheNodeAndGoesWithItsInterfaces) {
  const std::string path = Make(networks_, Key(5));
  ASSERT_THAT(path, HasSubstr("/run/netns/berth-"));
  EXPECT_EQ(networks_.PathOf(Key(5)), path);
  const std::string name = std::filesystem::path(path).filename().string();
  // The node's end is what leads out.
  const absl::Status route = RunIpTool(
      {"ip", "netns", "exec", name, "sh", "-c", "ip route | grep -q 'default via 198.18.77.1 '"},
      "");
  EXPECT_TRUE(route.ok()) << route;
  networks_.Remove(Key(5));
  EXPECT_EQ(networks_.PathOf(Key(5)), "");
  EXPECT_TRUE(Await([&] { return !std::filesystem::exists(path); }));
}

TEST_F(TaskNetworksTest, ABandwidthIsLimitedAtBothEnds) {
  const std::string path = Make(networks_, Key(5), 10'000'000);
  ASSERT_THAT(path, HasSubstr("/run/netns/berth-"));
  const std::string name = std::filesystem::path(path).filename().string();
  const std::string has_limit = "tc qdisc show dev $0 | grep -q 'tbf.*rate 10Mbit'";
  const absl::Status inside =
      RunIpTool({"ip", "netns", "exec", name, "sh", "-c", has_limit, "eth0"}, "");
  EXPECT_TRUE(inside.ok()) << inside;
  const std::string device = "bt" + name.substr(6, 5) + "-0";
  const absl::Status outside = RunIpTool({"sh", "-c", has_limit, device}, "");
  EXPECT_TRUE(outside.ok()) << outside;
}

TEST_F(TaskNetworksTest, AFullSubnetIsToldAndANetworkThatGoesMakesRoom) {
  ASSERT_THAT(Make(networks_, Key(1)), HasSubstr("/run/netns/"));
  ASSERT_THAT(Make(networks_, Key(2)), HasSubstr("/run/netns/"));
  EXPECT_THAT(Make(networks_, Key(3)), HasSubstr("all 2 networks that taskSubnet"));
  networks_.Remove(Key(1));
  ASSERT_TRUE(Await([&] {
    RunPosted();
    return Files().size() == 1;
  }));
  EXPECT_TRUE(Await([&] { return Make(networks_, Key(3)).find("/run/netns/") == 0; }));
}

TEST_F(TaskNetworksTest, AnAgentAfterThisOneFindsThemAndRemovesThoseOfNobody) {
  const std::string kept = Make(networks_, Key(1));
  const std::string leftover = Make(networks_, Key(2));
  TaskNetworks after(subnet_, owner_, post_);
  after.Open();
  EXPECT_EQ(after.PathOf(Key(1)), kept);
  EXPECT_EQ(after.PathOf(Key(2)), leftover);
  after.RemoveLeftovers([](const AttemptKey& key) { return key == Key(1); });
  ASSERT_TRUE(Await([&] { return !std::filesystem::exists(leftover); }));
  EXPECT_THAT(Files(), ElementsAre(kept));

  TaskNetworks of_another(subnet_, owner_ + "x", post_);
  of_another.Open();
  EXPECT_EQ(of_another.PathOf(Key(1)), "");
  of_another.RemoveLeftovers([](const AttemptKey&) { return false; });
  EXPECT_THAT(Files(), ElementsAre(kept));
}

TEST_F(TaskNetworksTest, WhatIsThereAlreadyUnderTheNameIsAnErrorThatLeavesNothing) {
  ASSERT_THAT(Make(networks_, Key(1)), HasSubstr("/run/netns/"));
  const std::string device = own_.substr(sizeof("/run/netns/berth-") - 1, 5);
  const std::string taken = "bt" + device + "-1";
  const absl::Status made =
      RunIpTool({"ip", "link", "add", taken, "type", "veth", "peer", "name", taken + "p"}, "");
  ASSERT_TRUE(made.ok()) << made;
  EXPECT_THAT(Make(networks_, Key(2)), HasSubstr("File exists"));
  EXPECT_EQ(Files().size(), 1u);
  EXPECT_EQ(networks_.PathOf(Key(2)), "");
  EXPECT_FALSE(std::filesystem::exists("/sys/class/net/" + taken));
  EXPECT_EQ(Make(networks_, Key(2)).find(own_ + "1-"), 0u) << "its number is free again";
}

TEST_F(TaskNetworksTest, ANumberOfWhichSomethingIsLeftIsNotUsedUntilThatIsGone) {
  const std::string path = Make(networks_, Key(1));
  ASSERT_THAT(path, HasSubstr("/run/netns/"));
  // What `ip netns delete` cannot remove: a folder.
  ASSERT_EQ(umount2(path.c_str(), MNT_DETACH), 0);
  ASSERT_EQ(unlink(path.c_str()), 0);
  ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
  networks_.Remove(Key(1));
  EXPECT_EQ(Make(networks_, Key(2)).find(own_ + "1-"), 0u);
  EXPECT_THAT(Make(networks_, Key(3)),
              HasSubstr("all 2 networks that taskSubnet in the node's agent.yaml has room for are "
                        "in use"));
  ASSERT_EQ(rmdir(path.c_str()), 0);
  EXPECT_TRUE(Await([&] { return Make(networks_, Key(3)).find(own_ + "0-") == 0; }));
}

TEST(IpToolTest, SaysWhichProgramIsNotThereAndWhatOneSays) {
  EXPECT_THAT(std::string(RunIpTool({"berth-no-such-tool"}, "").message()),
              HasSubstr("no program \"berth-no-such-tool\""));
  EXPECT_THAT(std::string(RunIpTool({"sh", "-c", "echo sorry >&2; exit 3"}, "").message()),
              HasSubstr("sh: sorry"));
  EXPECT_TRUE(RunIpTool({"grep", "-q", "word"}, "a word\n").ok());
}

TEST(IpToolTest, WaitsNoLongerThanItIsTold) {
  const absl::Status late = RunIpTool({"sh", "-c", "sleep 1000; true"}, "", absl::Milliseconds(50));
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(late.message()), HasSubstr("sh did not end in 50ms and was killed"));
}

TEST(IpToolTest, TheProgramIgnoresAndBlocksNoSignal) {
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &blocked, &before), 0);
  const auto handler = signal(SIGINT, SIG_IGN);
  const absl::Status interrupted = RunIpTool({"sh", "-c", "kill -INT $$; exit 0"}, "");
  const absl::Status terminated = RunIpTool({"sh", "-c", "kill -TERM $$; exit 0"}, "");
  signal(SIGINT, handler);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_FALSE(interrupted.ok());
  EXPECT_FALSE(terminated.ok());
}

}  // namespace
}  // namespace berth::agentd
