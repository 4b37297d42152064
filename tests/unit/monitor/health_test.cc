#include "monitor/health.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "monitor/loop_check.h"
#include "tests/support/fake_clock.h"

namespace berth::monitor {
namespace {

std::string Verbose(const Health& health, Probe probe, const std::set<std::string>& excluded = {}) {
  return HealthText("readyz", health.Ask(probe, excluded), excluded, true);
}

TEST(HealthTest, HasAPingToBeginWith) {
  const Health health;
  EXPECT_EQ(HealthText("livez", health.Ask(Probe::kLive), {}, false), "ok");
  EXPECT_EQ(Verbose(health, Probe::kReady), "[+]ping ok\nreadyz check passed\n");
}

TEST(HealthTest, AsksTheChecksOfAProbeInTheirOrder) {
  Health health;
  health.Add("store", {Probe::kReady}, [] { return absl::UnavailableError("the disk is full"); });
  health.Add("loop", {Probe::kLive, Probe::kReady}, [] { return absl::OkStatus(); });
  EXPECT_EQ(Verbose(health, Probe::kReady),
            "[+]ping ok\n[-]store failed: the disk is full\n[+]loop ok\nreadyz check failed\n");
  EXPECT_EQ(Verbose(health, Probe::kLive), "[+]ping ok\n[+]loop ok\nreadyz check passed\n");
}

TEST(HealthTest, AFailureIsSpeltOutEvenToWhoDidNotAsk) {
  Health health;
  health.AddState("recovered", {Probe::kReady}, absl::UnavailableError("reading the store"));
  EXPECT_EQ(HealthText("readyz", health.Ask(Probe::kReady), {}, false),
            "[+]ping ok\n[-]recovered failed: reading the store\nreadyz check failed\n");
}

TEST(HealthTest, AStateIsWhatItWasLastSetTo) {
  Health health;
  health.AddState("recovered", {Probe::kReady}, absl::UnavailableError("reading the store"));
  EXPECT_FALSE(health.Ask(Probe::kReady)[1].ok());
  health.Set("recovered", absl::OkStatus());
  EXPECT_TRUE(health.Ask(Probe::kReady)[1].ok());
  health.Set("recovered", absl::UnavailableError("shutting down"));
  EXPECT_EQ(health.Ask(Probe::kReady)[1].status.message(), "shutting down");
}

TEST(HealthTest, AnExcludedCheckIsNotAskedAndCountsAsOk) {
  Health health;
  bool asked = false;
  health.Add("store", {Probe::kReady}, [&] {
    asked = true;
    return absl::UnavailableError("no");
  });
  EXPECT_EQ(Verbose(health, Probe::kReady, {"store"}),
            "[+]ping ok\n[+]store excluded: ok\nreadyz check passed\n");
  EXPECT_FALSE(asked);
}

TEST(HealthTest, ExcludingWhatIsNotThereIsWarnedAbout) {
  EXPECT_EQ(Verbose(Health(), Probe::kReady, {"disk"}),
            "[+]ping ok\nwarn: there is no check \"disk\" to exclude\nreadyz check passed\n");
}

TEST(HealthDeathTest, NamesAreUniqueAndStatesAreKnown) {
  Health health;
  EXPECT_DEATH(health.AddState("ping", {Probe::kLive}, absl::OkStatus()), "named ping");
  EXPECT_DEATH(health.Set("ping", absl::OkStatus()), "no health state named ping");
}

TEST(HealthTest, IsAskedAndSetByDifferentThreads) {
  Health health;
  health.AddState("state", {Probe::kReady}, absl::OkStatus());
  std::thread setter([&] {
    for (int i = 0; i < 1'000; ++i) {
      health.Set("state", i % 2 == 0 ? absl::UnavailableError("not now") : absl::OkStatus());
    }
  });
  for (int i = 0; i < 1'000; ++i) {
    const auto results = health.Ask(Probe::kReady);
    EXPECT_TRUE(results[1].ok() || results[1].status.message() == "not now");
  }
  setter.join();
}

TEST(LoopCheckTest, ALoopIsWellWhileItPublishes) {
  berth::testing::FakeClock clock;
  std::shared_ptr<const scheduler::LoopSnapshot> snapshot;
  const auto check = LoopCheck([&] { return snapshot; }, clock, 10'000);
  EXPECT_TRUE(absl::IsUnavailable(check()));
  auto published = std::make_shared<scheduler::LoopSnapshot>();
  published->published_monotonic_ms = clock.MonotonicMs();
  snapshot = published;
  EXPECT_TRUE(check().ok());
  clock.Advance(10'000);
  EXPECT_TRUE(check().ok());
  clock.Advance(2'000);
  const absl::Status status = check();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_EQ(status.message(), "the loop has not turned for 12.0s");
}

}  // namespace
}  // namespace berth::monitor
