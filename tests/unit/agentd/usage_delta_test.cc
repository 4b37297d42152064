#include "agentd/usage_delta.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace berth::agentd {
namespace {

class UsageDeltaTest : public ::testing::Test {
 protected:
  v1::Heartbeat Fill() {
    v1::Heartbeat heartbeat;
    delta_.Fill(parts_, attempts_, latencies_, heartbeat);
    return heartbeat;
  }
  void SetMemory(uint64_t job, int64_t bytes) {
    v1::Usage usage;
    usage.set_memory_bytes(bytes);
    attempts_.emplace_back(AttemptKey{job, 0, 0, 1}, usage);
  }

  v1::NodeUsage parts_;
  std::vector<std::pair<AttemptKey, v1::Usage>> attempts_;
  std::vector<v1::PeerLatency> latencies_;
  UsageDelta delta_;
};

TEST_F(UsageDeltaTest, TellsWhatIsNewAndNothingTwice) {
  parts_.mutable_cpu_pressure();
  parts_.mutable_scratch()->set_free_bytes(7);
  SetMemory(1, 100);
  v1::Heartbeat heartbeat = Fill();
  EXPECT_TRUE(heartbeat.parts().has_cpu_pressure());
  EXPECT_EQ(heartbeat.parts().scratch().free_bytes(), 7);
  ASSERT_EQ(heartbeat.attempts_size(), 1);
  heartbeat = Fill();
  EXPECT_FALSE(heartbeat.has_parts());
  EXPECT_EQ(heartbeat.attempts_size(), 0);
}

TEST_F(UsageDeltaTest, TellsOfThePartThatChanged) {
  parts_.mutable_cpu_pressure()->set_some_milli(1);
  parts_.mutable_disks()->add_disks()->set_name("sda");
  Fill();
  parts_.mutable_cpu_pressure()->set_some_milli(0);
  const v1::Heartbeat heartbeat = Fill();
  ASSERT_TRUE(heartbeat.parts().has_cpu_pressure());
  EXPECT_EQ(heartbeat.parts().cpu_pressure().some_milli(), 0);
  EXPECT_FALSE(heartbeat.parts().has_disks());
}

TEST_F(UsageDeltaTest, TellsOfTheAttemptThatChanged) {
  SetMemory(1, 100);
  SetMemory(2, 100);
  SetMemory(3, 0);  // of which nothing is known
  EXPECT_EQ(Fill().attempts_size(), 2);
  attempts_.clear();
  SetMemory(1, 100);
  SetMemory(2, 50);
  v1::Heartbeat heartbeat = Fill();
  ASSERT_EQ(heartbeat.attempts_size(), 1);
  EXPECT_EQ(heartbeat.attempts(0).key().job_id(), 2u);
  EXPECT_EQ(heartbeat.attempts(0).usage().memory_bytes(), 50);
  // Also that there is none any more.
  attempts_.clear();
  SetMemory(2, 0);
  EXPECT_EQ(Fill().attempts_size(), 1);
}

TEST_F(UsageDeltaTest, TellsOfALatencyThatChangedByATenth) {
  latencies_.resize(1);
  latencies_[0].set_node("n2");
  latencies_[0].set_round_trip_us(1000);
  EXPECT_EQ(Fill().latencies_size(), 1);
  latencies_[0].set_round_trip_us(1090);
  EXPECT_EQ(Fill().latencies_size(), 0);
  latencies_[0].set_round_trip_us(1200);
  EXPECT_EQ(Fill().latencies_size(), 1);
  latencies_[0].set_round_trip_us(0);  // it does not answer any more
  EXPECT_EQ(Fill().latencies_size(), 1);
  EXPECT_EQ(Fill().latencies_size(), 0);
}

TEST_F(UsageDeltaTest, ALatencyThatIsNotMeasuredAnyMoreIsToldAsNotKnown) {
  latencies_.resize(1);
  latencies_[0].set_node("n2");
  latencies_[0].set_round_trip_us(1000);
  Fill();
  const v1::PeerLatency measured = latencies_[0];
  latencies_.clear();
  const v1::Heartbeat heartbeat = Fill();
  ASSERT_EQ(heartbeat.latencies_size(), 1);
  EXPECT_EQ(heartbeat.latencies(0).node(), "n2");
  EXPECT_EQ(heartbeat.latencies(0).round_trip_us(), 0);
  EXPECT_EQ(Fill().latencies_size(), 0);
  latencies_ = {measured};  // and again, as it was
  EXPECT_EQ(Fill().latencies_size(), 1);
}

}  // namespace
}  // namespace berth::agentd
