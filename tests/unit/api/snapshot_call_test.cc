#include "api/snapshot_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>

#include "tests/unit/api/server_harness.h"

namespace berth::api {
namespace {

using ::testing::HasSubstr;

class SnapshotCallTest : public ServerTest {
 protected:
  SnapshotCallTest() {
    On<state::NoteSnapshot>([](const state::Command& command, const state::NoteSnapshot&) {
      if (command.principal.is_operator) return Ok(std::monostate());
      scheduler::Reply reply;
      reply.status = absl::PermissionDeniedError("snapshot: operators may");
      reply.reason = Reason::kNotAllowed;
      return reply;
    });
  }

  using Stream = std::unique_ptr<grpc::ClientReader<v1::SaveSnapshotResponse>>;

  static wire::Refusal End(Stream& stream) {
    v1::SaveSnapshotResponse response;
    while (stream->Read(&response)) {
    }
    return wire::FromGrpcStatus(stream->Finish());
  }

  // What the source of a snapshot uses is used on the server's thread, which ends with the server:
  // after a test's own variables are gone.
  std::string sent_;
  int calls_ = 0;
  std::promise<void> began_;
  std::promise<absl::Status> ended_;
  grpc::ClientContext context_;
};

TEST_F(SnapshotCallTest, AllOfItComesInOrderInMessagesOfBoundedSize) {
  for (int i = 0; i < 300'000; ++i) sent_ += std::to_string(i);
  admin_.save_snapshot = [this](const auto& sink) {
    std::string_view rest = sent_;
    for (size_t size = 1; !rest.empty(); size *= 3) {
      if (const absl::Status taken = sink(rest.substr(0, size)); !taken.ok()) return taken;
      rest.remove_prefix(std::min(size, rest.size()));
    }
    return absl::OkStatus();
  };
  Start();
  Stream stream = admin_stub_->SaveSnapshot(&context_, {});
  std::string received;
  v1::SaveSnapshotResponse response;
  while (stream->Read(&response)) {
    EXPECT_FALSE(response.data().empty());
    EXPECT_LE(response.data().size(), size_t{1} << 20);
    received += response.data();
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(received, sent_);
}

TEST_F(SnapshotCallTest, OnlyOperatorsGetOneAndTheLoopHearsOfOthers) {
  bool asked = false;
  admin_.save_snapshot = [&](const auto&) {
    asked = true;
    return absl::OkStatus();
  };
  Start();
  Stream stream = anonymous_admin_->SaveSnapshot(&context_, {});
  const wire::Refusal refusal = End(stream);
  EXPECT_EQ(refusal.code, absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(loop_.taken().size(), 1u);
  EXPECT_FALSE(asked);
}

TEST_F(SnapshotCallTest, AnErrorOfTheStoreIsItsEnd) {
  admin_.save_snapshot = [](const auto& sink) {
    return sink("some").ok() ? absl::DataLossError("table jobs: damaged") : absl::OkStatus();
  };
  Start();
  Stream stream = admin_stub_->SaveSnapshot(&context_, {});
  const wire::Refusal refusal = End(stream);
  EXPECT_EQ(refusal.code, absl::StatusCode::kDataLoss);
  EXPECT_THAT(refusal.message, HasSubstr("damaged"));
}

TEST_F(SnapshotCallTest, ASecondOneIsRefusedUntilTheFirstIsDone) {
  std::promise<void> go;
  std::shared_future<void> going = go.get_future().share();
  admin_.save_snapshot = [this, going](const auto& sink) {
    if (++calls_ == 1) {
      began_.set_value();
      going.wait();
    }
    return sink("state");
  };
  Start();
  Stream first = admin_stub_->SaveSnapshot(&context_, {});
  began_.get_future().wait();
  grpc::ClientContext second_context;
  Stream second = admin_stub_->SaveSnapshot(&second_context, {});
  const wire::Refusal refusal = End(second);
  EXPECT_EQ(refusal.code, absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(refusal.message, HasSubstr("another one"));
  go.set_value();
  EXPECT_EQ(End(first).code, absl::StatusCode::kOk);
  // Its turn ends a moment after its last message.
  for (wire::Refusal third{.code = absl::StatusCode::kResourceExhausted};
       third.code != absl::StatusCode::kOk;) {
    grpc::ClientContext context;
    Stream stream = admin_stub_->SaveSnapshot(&context, {});
    third = End(stream);
    ASSERT_TRUE(third.code == absl::StatusCode::kOk ||
                third.code == absl::StatusCode::kResourceExhausted)
        << third.message;
  }
}

TEST_F(SnapshotCallTest, AReaderThatGoesEndsTheReadingOfTheStore) {
  admin_.save_snapshot = [this](const auto& sink) {
    const std::string piece(size_t{1} << 20, 'x');
    absl::Status status;
    while (status.ok()) status = sink(piece);
    ended_.set_value(status);
    return status;
  };
  Start();
  Stream stream = admin_stub_->SaveSnapshot(&context_, {});
  v1::SaveSnapshotResponse response;
  ASSERT_TRUE(stream->Read(&response));
  context_.TryCancel();
  EXPECT_FALSE(ended_.get_future().get().ok());
  EXPECT_EQ(End(stream).code, absl::StatusCode::kCancelled);
}

TEST_F(SnapshotCallTest, AServerThatStopsDoesNotWaitForAReaderThatStandsStill) {
  admin_.save_snapshot = [this](const auto& sink) {
    const std::string piece(size_t{1} << 20, 'x');
    absl::Status status;
    while (status.ok()) status = sink(piece);
    ended_.set_value(status);
    return status;
  };
  Start();
  Stream stream = admin_stub_->SaveSnapshot(&context_, {});
  v1::SaveSnapshotResponse response;
  ASSERT_TRUE(stream->Read(&response));
  server_->Stop(std::chrono::milliseconds(0));
  EXPECT_FALSE(ended_.get_future().get().ok());
}

}  // namespace
}  // namespace berth::api
