// The ends of output that an agent tells berthd.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/agentd/core_harness.h"

namespace berth::agentd {
namespace {

using ::testing::IsEmpty;

class AgentCoreTailsTest : public CoreTest {
 protected:
  static v1::OutputTail Tail(const AttemptKey& key, std::string data) {
    v1::OutputTail tail;
    *tail.mutable_key() = ToProto(key);
    tail.set_data(std::move(data));
    return tail;
  }
  static std::vector<std::string> TailsSent(const std::vector<Effect>& effects) {
    std::vector<std::string> sent;
    for (const Send& send : Only<Send>(effects)) {
      for (const v1::OutputTail& tail : send.message.tails().tails()) sent.push_back(tail.data());
    }
    return sent;
  }
  // The next heartbeat, while these run.
  std::vector<Effect> BeatWith(const std::vector<AttemptKey>& running) {
    now_ms_ = core_->deadline_ms().value();
    Handle(DeadlinePassed{});
    UsageSampled sampled;
    for (const AttemptKey& key : running) sampled.attempts.emplace_back(key, v1::Usage{});
    return Handle(std::move(sampled));
  }
};

TEST_F(AgentCoreTailsTest, AnEndIsToldAfterTheEndOfItsOutput) {
  Connect();
  Run(key_);
  TaskEnded ended = Ended(key_, 0);
  ended.tails.push_back(Tail(key_, "bye\n"));
  const auto sent = Only<Send>(Handle(ended));
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_TRUE(sent[0].message.has_tails());
  EXPECT_TRUE(sent[1].message.has_facts());
}

TEST_F(AgentCoreTailsTest, EachHeartbeatAsksForWhatHasGrown) {
  Connect();
  Run(key_);
  const auto first = Only<ReadTails>(BeatWith({key_}));
  ASSERT_EQ(first.size(), 1u);
  EXPECT_TRUE(first[0].anew);
  const auto second = Only<ReadTails>(BeatWith({key_}));
  ASSERT_EQ(second.size(), 1u);
  EXPECT_FALSE(second[0].anew);
  EXPECT_EQ(second[0].running, std::vector<AttemptKey>{key_});
  // When nothing runs any more, ends may be left.
  const auto idle = Only<ReadTails>(BeatWith({}));
  ASSERT_EQ(idle.size(), 1u);
  EXPECT_THAT(idle[0].running, IsEmpty());
  TailsRead read;
  read.tails.push_back(Tail(key_, "so far"));
  EXPECT_EQ(TailsSent(Handle(read)), std::vector<std::string>{"so far"});
}

TEST_F(AgentCoreTailsTest, WhatEndedWithoutASessionIsAskedForInTheNext) {
  Connect();
  Run(key_);
  Handle(LinkDown{link_});
  TaskEnded ended = Ended(key_, 0);
  ended.tails.push_back(Tail(key_, "bye\n"));
  EXPECT_THAT(TailsSent(Handle(ended)), IsEmpty());
  Connect();
  const auto asked = Only<ReadTails>(BeatWith({}));
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].ended, std::vector<AttemptKey>{key_});
}

TEST_F(AgentCoreTailsTest, OneMessageIsNeverTooLong) {
  Connect();
  TailsRead read;
  for (int i = 0; i < 100; ++i) read.tails.push_back(Tail(key_, std::string(32 << 10, 'x')));
  size_t told = 0;
  for (const Send& send : Only<Send>(Handle(read))) {
    EXPECT_LE(send.message.ByteSizeLong(), size_t{1} << 20);
    told += static_cast<size_t>(send.message.tails().tails_size());
  }
  EXPECT_EQ(told, 100u);
}

}  // namespace
}  // namespace berth::agentd
