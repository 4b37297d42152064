#include "agents/data_channels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/agents/link_harness.h"

namespace berth::agents {
namespace {

using ::testing::HasSubstr;

// Notes what it receives, and asks for the next piece as often as the test says.
class TestReceiver final : public wire::DataReceiver {
 public:
  void OnFrame(v1::DataFromAgent frame) override {
    base::MutexLock lock(mutex_);
    frames_.push_back(std::move(frame));
    changed_.NotifyAll();
  }
  void OnSent() override {
    base::MutexLock lock(mutex_);
    ++sent_;
    changed_.NotifyAll();
  }
  void OnEnd(absl::Status status, Reason reason) override {
    base::MutexLock lock(mutex_);
    EXPECT_FALSE(end_.has_value()) << "ended twice";
    end_ = {std::move(status), reason};
    changed_.NotifyAll();
  }

  v1::OutputChunk AwaitPiece(size_t number) {
    base::MutexLock lock(mutex_);
    while (frames_.size() < number) changed_.Wait(mutex_);
    return frames_[number - 1].output();
  }
  void AwaitSent(size_t number) {
    base::MutexLock lock(mutex_);
    while (sent_ < number) changed_.Wait(mutex_);
  }
  std::pair<absl::Status, Reason> AwaitEnd() {
    base::MutexLock lock(mutex_);
    while (!end_) changed_.Wait(mutex_);
    return *end_;
  }
  size_t pieces() const {
    base::MutexLock lock(mutex_);
    return frames_.size();
  }

 private:
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<v1::DataFromAgent> frames_ BERTH_GUARDED_BY(mutex_);
  size_t sent_ BERTH_GUARDED_BY(mutex_) = 0;
  std::optional<std::pair<absl::Status, Reason>> end_ BERTH_GUARDED_BY(mutex_);
};

// One call of AgentService.Data, as an agent makes it.
class TestChannel {
 public:
  TestChannel(const std::shared_ptr<grpc::Channel>& channel, const std::string& token)
      : stub_(v1::AgentService::NewStub(channel)), stream_(stub_->Data(&context_)) {
    v1::DataFromAgent first;
    first.set_token(token);
    stream_->Write(first);
  }
  ~TestChannel() {
    if (!ended_) {
      context_.TryCancel();
      End();
    }
  }
  bool Write(bool is_stderr, int64_t offset, const std::string& data) {
    v1::DataFromAgent message;
    message.mutable_output()->set_is_stderr(is_stderr);
    message.mutable_output()->set_offset(offset);
    message.mutable_output()->set_data(data);
    return stream_->Write(message);
  }
  void WriteError(const std::string& error, v1::ReasonCode reason) {
    v1::DataFromAgent message;
    message.set_error(error);
    message.set_reason(reason);
    stream_->Write(message);
  }
  void Close() { stream_->WritesDone(); }
  bool Read(v1::DataFromDaemon& frame) { return stream_->Read(&frame); }
  void Break() { context_.TryCancel(); }
  wire::Refusal End() {
    v1::DataFromDaemon message;
    while (stream_->Read(&message)) {
    }
    ended_ = true;
    return wire::FromGrpcStatus(stream_->Finish());
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<v1::AgentService::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::DataFromAgent, v1::DataFromDaemon>> stream_;
  bool ended_ = false;
};

class DataChannelsTest : public LinkTest {
 protected:
  std::shared_ptr<wire::DataChannel> Open(uint64_t stream) {
    wire::DataRequest request{.stream = stream, .node = "n7", .open = {}};
    v1::ReadOutput& read = *request.open.mutable_read_output();
    read.mutable_key()->set_job_id(12);
    read.set_standard_output(true);
    return link_.data().Open(request, receiver_);
  }
  std::shared_ptr<wire::DataChannel> OpenExec(uint64_t stream) {
    wire::DataRequest request{.stream = stream, .node = "n7", .open = {}};
    request.open.mutable_exec()->add_command("cat");
    return link_.data().Open(request, receiver_);
  }

  std::shared_ptr<TestReceiver> receiver_ = std::make_shared<TestReceiver>();
};

TEST_F(DataChannelsTest, TheAgentIsAskedToDialAndItsPiecesArrive) {
  auto [agent, stream] = Connected();
  const auto transfer = Open(stream);
  transfer->Next();
  const v1::DaemonMessage message = agent->Hear();
  const v1::OpenData& open = message.open_data();
  EXPECT_EQ(open.token().size(), 36u);
  EXPECT_EQ(open.read_output().key().job_id(), 12u);
  EXPECT_TRUE(open.read_output().standard_output());

  TestChannel channel(channel_, open.token());
  channel.Write(false, 0, "abc");
  EXPECT_EQ(receiver_->AwaitPiece(1).data(), "abc");
  channel.Write(true, 5, "oops");
  transfer->Next();
  const v1::OutputChunk second = receiver_->AwaitPiece(2);
  EXPECT_TRUE(second.is_stderr());
  EXPECT_EQ(second.offset(), 5);
  channel.Close();
  transfer->Next();
  EXPECT_TRUE(receiver_->AwaitEnd().first.ok());
  EXPECT_EQ(channel.End().code, absl::StatusCode::kOk);
}

TEST_F(DataChannelsTest, NothingIsReadThatWasNotAskedFor) {
  auto [agent, stream] = Connected();
  const auto transfer = Open(stream);
  transfer->Next();
  TestChannel channel(channel_, agent->Hear().open_data().token());
  std::thread writer([&] {
    for (int i = 0; i < 100; ++i) channel.Write(false, i, "x");
    channel.Close();
  });
  for (size_t i = 1; i <= 100; ++i) {
    receiver_->AwaitPiece(i);
    EXPECT_EQ(receiver_->pieces(), i);
    transfer->Next();
  }
  EXPECT_TRUE(receiver_->AwaitEnd().first.ok());
  writer.join();
}

TEST_F(DataChannelsTest, WhatIsSentArrivesInOrderAlsoWhatWasSentBeforeTheAgentDialled) {
  auto [agent, stream] = Connected();
  const auto transfer = OpenExec(stream);
  transfer->Next();
  v1::DataFromDaemon frame;
  frame.set_data("one");
  transfer->Send(frame);
  TestChannel channel(channel_, agent->Hear().open_data().token());
  v1::DataFromDaemon heard;
  ASSERT_TRUE(channel.Read(heard));
  EXPECT_EQ(heard.data(), "one");
  for (int i = 1; i <= 50; ++i) {
    receiver_->AwaitSent(static_cast<size_t>(i));
    frame.set_data(std::to_string(i));
    transfer->Send(frame);
    ASSERT_TRUE(channel.Read(heard));
    EXPECT_EQ(heard.data(), std::to_string(i));
  }
  channel.Close();
  EXPECT_TRUE(receiver_->AwaitEnd().first.ok());
}

TEST_F(DataChannelsTest, ASenderWaitsForAnAgentThatDoesNotRead) {
  auto [agent, stream] = Connected();
  const auto transfer = OpenExec(stream);
  transfer->Next();
  TestChannel channel(channel_, agent->Hear().open_data().token());
  v1::DataFromDaemon frame;
  frame.set_data(std::string(2 << 20, 'x'));
  transfer->Send(frame);  // more than a connection takes unread
  transfer->Close();      // ends all the same
  channel.End();
}

TEST_F(DataChannelsTest, AnAgentsErrorHasTheCodeOfItsReason) {
  auto [agent, stream] = Connected();
  const auto transfer = OpenExec(stream);
  transfer->Next();
  TestChannel channel(channel_, agent->Hear().open_data().token());
  channel.WriteError("task 12.3: it does not run", v1::REASON_CODE_TASK_NOT_RUNNING);
  const auto [status, reason] = receiver_->AwaitEnd();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(reason, Reason::kTaskNotRunning);
}

TEST_F(DataChannelsTest, AnAgentThatServesAsManyAsItMaySaysThatItIsFull) {
  auto [agent, stream] = Connected();
  const auto transfer = OpenExec(stream);
  transfer->Next();
  TestChannel channel(channel_, agent->Hear().open_data().token());
  channel.WriteError("the node serves as many as it may", v1::REASON_CODE_INBOX_FULL);
  const auto [status, reason] = receiver_->AwaitEnd();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(reason, Reason::kInboxFull);
}

TEST_F(DataChannelsTest, AnAgentThatIsNotConnectedIsNamed) {
  const auto transfer = Open(4711);
  transfer->Next();
  const auto [status, reason] = receiver_->AwaitEnd();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(reason, Reason::kOutputUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("node \"n7\""));
}

TEST_F(DataChannelsTest, WhatTheAgentCannotReadIsSaidInItsWords) {
  auto [agent, stream] = Connected();
  const auto transfer = Open(stream);
  transfer->Next();
  TestChannel channel(channel_, agent->Hear().open_data().token());
  channel.WriteError("attempt 12.3#1: its output was removed", v1::REASON_CODE_OUTPUT_UNAVAILABLE);
  const auto [status, reason] = receiver_->AwaitEnd();
  EXPECT_EQ(std::string(status.message()), "attempt 12.3#1: its output was removed");
  EXPECT_EQ(reason, Reason::kOutputUnavailable);
}

TEST_F(DataChannelsTest, AChannelThatBreaksIsNotTakenForTheEnd) {
  auto [agent, stream] = Connected();
  const auto transfer = Open(stream);
  transfer->Next();
  TestChannel channel(channel_, agent->Hear().open_data().token());
  channel.Write(false, 0, "abc");
  receiver_->AwaitPiece(1);
  channel.Break();
  transfer->Next();
  const auto [status, reason] = receiver_->AwaitEnd();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(reason, Reason::kOutputUnavailable);
}

TEST_F(DataChannelsTest, AChannelThatBreaksWhileNothingIsAskedForIsNoticed) {
  auto [agent, stream] = Connected();
  const auto transfer = Open(stream);
  transfer->Next();
  TestChannel channel(channel_, agent->Hear().open_data().token());
  channel.Write(false, 0, "abc");
  receiver_->AwaitPiece(1);
  channel.Break();
  channel.End();
  transfer->Next();
  EXPECT_EQ(receiver_->AwaitEnd().first.code(), absl::StatusCode::kUnavailable);
}

TEST_F(DataChannelsTest, AReaderWhoGoesAwayEndsTheAgentsCall) {
  auto [agent, stream] = Connected();
  const auto transfer = Open(stream);
  transfer->Next();
  TestChannel channel(channel_, agent->Hear().open_data().token());
  channel.Write(false, 0, "abc");
  receiver_->AwaitPiece(1);
  transfer->Close();
  EXPECT_EQ(channel.End().code, absl::StatusCode::kOk);
}

TEST_F(DataChannelsTest, AReaderWhoIsGoneBeforeTheAgentDialsIsNotServed) {
  auto [agent, stream] = Connected();
  auto transfer = Open(stream);
  transfer->Next();
  const std::string token = agent->Hear().open_data().token();
  transfer->Close();
  TestChannel channel(channel_, token);
  EXPECT_EQ(channel.End().code, absl::StatusCode::kNotFound);
}

TEST_F(DataChannelsTest, ATokenIsGoodForOneCall) {
  auto [agent, stream] = Connected();
  const auto transfer = Open(stream);
  transfer->Next();
  const std::string token = agent->Hear().open_data().token();
  TestChannel channel(channel_, token);
  channel.Write(false, 0, "abc");
  receiver_->AwaitPiece(1);
  TestChannel again(channel_, token);
  EXPECT_EQ(again.End().code, absl::StatusCode::kNotFound);
  TestChannel guess(channel_, "00000000000000000000000000000000");
  EXPECT_EQ(guess.End().code, absl::StatusCode::kNotFound);
}

TEST_F(DataChannelsTest, WhoMayNotBeAnAgentMayNotDial) {
  {
    base::MutexLock lock(mutex_);
    refuse_ = true;
  }
  TestChannel channel(channel_, "token");
  EXPECT_EQ(channel.End().code, absl::StatusCode::kPermissionDenied);
}

TEST_F(DataChannelsTest, EndsAtAnyMomentLeaveNothingBehind) {
  auto [agent, stream] = Connected();
  for (int round = 0; round < 60; ++round) {
    receiver_ = std::make_shared<TestReceiver>();
    auto transfer = Open(stream);
    transfer->Next();
    const std::string token = agent->Hear().open_data().token();
    auto channel = std::make_unique<TestChannel>(channel_, token);
    if (round % 2 == 0) channel->Write(false, 0, "abc");
    std::thread closer([&] { round % 3 == 0 ? transfer->Close() : channel->Break(); });
    if (round % 4 == 0) channel->Close();
    closer.join();
    transfer = nullptr;
    channel->End();
  }
}

}  // namespace
}  // namespace berth::agents
