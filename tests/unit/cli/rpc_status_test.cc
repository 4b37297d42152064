#include "cli/rpc_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/strings.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace berth::cli {
namespace {

grpc::Status WithDetails(grpc::StatusCode code, const std::string& message,
                         const std::vector<const google::protobuf::Message*>& details) {
  google::rpc::Status status;
  for (const auto* detail : details) status.add_details()->PackFrom(*detail);
  return grpc::Status(code, message, status.SerializeAsString());
}

TEST(RpcStatusTest, ReadsReasonFieldAndDelay) {
  google::rpc::ErrorInfo info;
  info.set_reason("INBOX_FULL");
  (*info.mutable_metadata())["epoch"] = "77";
  google::rpc::BadRequest bad;
  auto* const violation = bad.add_field_violations();
  violation->set_field("job.groups[0].retries");
  violation->set_description("101 is more than 100");
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(1);
  retry.mutable_retry_delay()->set_nanos(500'000'000);
  const absl::Status status =
      FromGrpc(WithDetails(grpc::StatusCode::RESOURCE_EXHAUSTED, "full", {&info, &bad, &retry}));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "INBOX_FULL");
  EXPECT_EQ(FieldOf(status), "job.groups[0].retries");
  EXPECT_EQ(RetryDelayMs(status), 1500);
  EXPECT_EQ(MetadataOf(status, "epoch"), "77");
  EXPECT_EQ(base::S(status.message()), "full\n  job.groups[0].retries: 101 is more than 100");
}

TEST(RpcStatusTest, DoesNotSayTwiceWhatTheMessageSays) {
  google::rpc::BadRequest bad;
  auto* const violation = bad.add_field_violations();
  violation->set_field("name");
  violation->set_description("is too long");
  const absl::Status status =
      FromGrpc(WithDetails(grpc::StatusCode::INVALID_ARGUMENT, "name: is too long", {&bad}));
  EXPECT_EQ(base::S(status.message()), "name: is too long");

  violation->set_field("job_id");
  violation->set_description("job 99: there is none of that id");
  EXPECT_EQ(base::S(FromGrpc(WithDetails(grpc::StatusCode::NOT_FOUND,
                                         "job 99: there is none of that id", {&bad}))
                        .message()),
            "job 99: there is none of that id");
}

TEST(RpcStatusTest, AViolationOfNoFieldIsSaidAsItIs) {
  google::rpc::BadRequest bad;
  bad.add_field_violations()->set_field("name");
  bad.mutable_field_violations(0)->set_description("is too long");
  bad.add_field_violations()->set_description("and 12 more");
  const absl::Status status =
      FromGrpc(WithDetails(grpc::StatusCode::INVALID_ARGUMENT, "name: is too long", {&bad}));
  EXPECT_EQ(base::S(status.message()), "name: is too long\n  and 12 more");
  EXPECT_EQ(FieldOf(status), "name");
}

TEST(RpcStatusTest, LeavesMalformedDetailsOut) {
  const absl::Status status =
      FromGrpc(grpc::Status(grpc::StatusCode::NOT_FOUND, "job 9", "\xff\xff rubbish"));
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(base::S(status.message()), "job 9");
  EXPECT_EQ(ReasonOf(status), "");
  EXPECT_FALSE(RetryDelayMs(status).has_value());
  EXPECT_TRUE(FromGrpc(grpc::Status::OK).ok());
}

TEST(RpcStatusTest, BoundsTheDelayThatAServerAsksFor) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(INT64_MAX);
  retry.mutable_retry_delay()->set_nanos(-5);
  EXPECT_EQ(RetryDelayMs(FromGrpc(WithDetails(grpc::StatusCode::UNAVAILABLE, "", {&retry}))),
            86'400'000);
  retry.mutable_retry_delay()->set_seconds(-7);
  EXPECT_EQ(RetryDelayMs(FromGrpc(WithDetails(grpc::StatusCode::UNAVAILABLE, "", {&retry}))), 0);
}

TEST(RpcStatusTest, ExitCodesAreThoseOfTheDesign) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("")), 2);
  EXPECT_EQ(ExitCodeOf(absl::UnimplementedError("")), 2);
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("")), 3);
  EXPECT_EQ(ExitCodeOf(absl::PermissionDeniedError("")), 4);
  EXPECT_EQ(ExitCodeOf(absl::UnauthenticatedError("")), 4);
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("")), 5);
  EXPECT_EQ(ExitCodeOf(absl::DeadlineExceededError("")), 5);
  EXPECT_EQ(ExitCodeOf(absl::ResourceExhaustedError("")), 5);
  EXPECT_EQ(ExitCodeOf(absl::FailedPreconditionError("")), 1);
  EXPECT_EQ(ExitCodeOf(absl::AlreadyExistsError("")), 1);
  EXPECT_EQ(ExitCodeOf(absl::OutOfRangeError("")), 1);
}

}  // namespace
}  // namespace berth::cli
