#include "wire/message_buffer.h"

#include <gtest/gtest.h>

#include "berth/v1/scheduler.pb.h"

namespace berth::wire {
namespace {

// The wire form of a message, with each "@" made a byte that is not UTF-8.
grpc::ByteBuffer Garbled(const google::protobuf::Message& message) {
  std::string bytes = message.SerializeAsString();
  for (char& c : bytes) {
    if (c == '@') c = '\xff';
  }
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

TEST(MessageBufferTest, GoesThereAndBack) {
  v1::SubmitJobRequest sent;
  sent.set_request_id("r1");
  sent.mutable_job()->set_name("j");
  grpc::ByteBuffer buffer = ToBuffer(sent);
  v1::SubmitJobRequest got;
  ASSERT_TRUE(ParseMessage(buffer, got).ok());
  EXPECT_EQ(got.SerializeAsString(), sent.SerializeAsString());
}

TEST(MessageBufferTest, AnEmptyMessageIsAMessage) {
  grpc::ByteBuffer buffer = ToBuffer(v1::ListNodesRequest());
  v1::ListNodesRequest got;
  EXPECT_TRUE(ParseMessage(buffer, got).ok());
}

TEST(MessageBufferTest, NamesTheFieldThatIsNotUtf8) {
  v1::SubmitJobRequest sent;
  sent.mutable_job()->add_groups();
  auto* payload = sent.mutable_job()->add_groups()->mutable_template_()->mutable_payload();
  payload->set_script("\xff\xfe bytes may be anything");
  payload->add_command("true");
  payload->add_command("bad@word");
  grpc::ByteBuffer buffer = Garbled(sent);
  v1::SubmitJobRequest got;
  const absl::Status status = ParseMessage(buffer, got);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "job.groups[1].template.payload.command[1]: not valid UTF-8");
}

TEST(MessageBufferTest, NamesAMapsKeyOrValueThatIsNotUtf8) {
  v1::SubmitJobRequest sent;
  (*sent.mutable_job()->mutable_labels())["team"] = "bl@ck";
  grpc::ByteBuffer buffer = Garbled(sent);
  v1::SubmitJobRequest got;
  EXPECT_EQ(ParseMessage(buffer, got).message(), "job.labels (value): not valid UTF-8");
}

TEST(MessageBufferTest, RefusesBytesThatAreNoMessage) {
  for (const std::string& bytes : {std::string("\x0a\x7f short"), std::string("\x07\x07\x07"),
                                   std::string(200, '\x0b'), std::string("\xff\xff\xff\xff\xff")}) {
    const grpc::Slice slice(bytes);
    grpc::ByteBuffer buffer(&slice, 1);
    v1::SubmitJobRequest got;
    EXPECT_EQ(ParseMessage(buffer, got).code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(MessageBufferTest, TheSearchForBadTextSurvivesEveryCutAndFlip) {
  v1::SubmitJobRequest sent;
  (*sent.mutable_job()->mutable_labels())["team"] = "bl@ck";
  sent.mutable_job()->add_groups()->mutable_template_()->mutable_payload()->add_command("@");
  const std::string bytes = sent.SerializeAsString();
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    for (int flip = 0; flip < 256; flip += 51) {
      std::string hostile = bytes.substr(0, cut + 1);
      hostile[cut] = static_cast<char>(hostile[cut] ^ flip);
      FindInvalidUtf8Field(*v1::SubmitJobRequest::descriptor(), hostile);
    }
  }
}

TEST(MessageBufferTest, DeepNestingIsRefusedWithoutRunningOutOfStack) {
  // 100,000 starts of a group, one inside the other.
  const std::string bytes(100'000, '\x0b');
  EXPECT_EQ(FindInvalidUtf8Field(*v1::SubmitJobRequest::descriptor(), bytes), std::nullopt);
}

TEST(MessageBufferTest, EqualMapsGiveEqualBytes) {
  v1::JobSpec a;
  v1::JobSpec b;
  for (int i = 0; i < 100; ++i) {
    (*a.mutable_labels())["k" + std::to_string(i)] = "v";
    (*b.mutable_labels())["k" + std::to_string(99 - i)] = "v";
  }
  EXPECT_EQ(DeterministicBytes(a), DeterministicBytes(b));
}

}  // namespace
}  // namespace berth::wire
