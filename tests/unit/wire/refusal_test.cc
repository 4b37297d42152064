#include "wire/refusal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "berth/v1/types.pb.h"

namespace berth::wire {
namespace {

TEST(RefusalTest, CrossesTheWireWhole) {
  const Refusal sent = {.code = absl::StatusCode::kOutOfRange,
                        .reason = Reason::kEpochTooOld,
                        .message = "epoch 3 is gone",
                        .violations = {{"from_epoch", "is too old"}},
                        .metadata = {{"epoch", "77"}},
                        .retry_after_ms = 1250};
  const grpc::Status status = ToGrpcStatus(sent);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(status.error_message(), "epoch 3 is gone");

  const Refusal got = FromGrpcStatus(status);
  EXPECT_EQ(got.code, sent.code);
  EXPECT_EQ(got.reason, sent.reason);
  EXPECT_EQ(got.message, sent.message);
  EXPECT_EQ(got.violations, sent.violations);
  EXPECT_EQ(got.metadata, sent.metadata);
  EXPECT_EQ(got.retry_after_ms, sent.retry_after_ms);
}

TEST(RefusalTest, GarbledDetailsAreLeftOut) {
  const Refusal got = FromGrpcStatus(
      grpc::Status(grpc::StatusCode::NOT_FOUND, "job 7: there is none", "\xff\xff not a message"));
  EXPECT_EQ(got.code, absl::StatusCode::kNotFound);
  EXPECT_EQ(got.message, "job 7: there is none");
  EXPECT_EQ(got.reason, Reason::kNone);
}

TEST(RefusalTest, PushBackSaysWhenToComeAgain) {
  const Refusal refusal = RefusalOf(absl::ResourceExhaustedError("the inbox is full"));
  EXPECT_EQ(refusal.reason, Reason::kInboxFull);
  EXPECT_EQ(FromGrpcStatus(ToGrpcStatus(refusal)).retry_after_ms, kRetryAfterMs);
}

// A full disk is not free again in a moment, so nobody is asked to come back then.
TEST(RefusalTest, AStatusMayHaveAReasonOfItsOwn) {
  const Refusal refusal =
      RefusalOf(WithReason(absl::ResourceExhaustedError("no room left"), Reason::kDiskFull));
  EXPECT_EQ(refusal.code, absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(refusal.reason, Reason::kDiskFull);
  EXPECT_EQ(refusal.message, "no room left");
  EXPECT_EQ(refusal.retry_after_ms, 0);
}

TEST(RefusalTest, FieldsThatAreNotHonouredAreUnimplemented) {
  Violations violations;
  violations.AddNotHonoured(FieldPath("held"));
  EXPECT_EQ(RefusalOf(violations).code, absl::StatusCode::kUnimplemented);
  EXPECT_EQ(RefusalOf(violations).reason, Reason::kFieldNotHonoured);
  violations.Add(FieldPath("name"), "is wrong");
  EXPECT_EQ(RefusalOf(violations).code, absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(RefusalOf(violations).reason, Reason::kInvalidField);
  EXPECT_EQ(RefusalOf(violations).violations.size(), 2u);
}

TEST(RefusalTest, WhatIsTooMuchForGrpcIsCut) {
  Refusal sent = {.code = absl::StatusCode::kInvalidArgument,
                  .reason = Reason::kInvalidField,
                  .message = std::string(5000, 'm')};
  for (int i = 0; i < 50; ++i) {
    sent.violations.push_back({"field[" + std::to_string(i) + "]", std::string(200, 'd')});
  }
  const grpc::Status status = ToGrpcStatus(sent);
  EXPECT_LE(status.error_message().size() + status.error_details().size() * 4 / 3, 7800u);
  EXPECT_THAT(status.error_message(), ::testing::EndsWith("mm..."));
  const Refusal got = FromGrpcStatus(status);
  EXPECT_EQ(got.reason, Reason::kInvalidField);
  const size_t kept = got.violations.size() - 1;
  EXPECT_GT(kept, 5u);
  EXPECT_EQ(got.violations[kept - 1], sent.violations[kept - 1]);
  EXPECT_EQ(got.violations[kept],
            (FieldViolation{"", "and " + std::to_string(50 - kept) + " more"}));
}

// A character outside ASCII takes nine bytes or more on the wire.
TEST(RefusalTest, AMessageIsCutBetweenCharactersByWhatItTakes) {
  std::string words;
  while (words.size() < 6000) words += "日";
  const grpc::Status status = ToGrpcStatus({.code = absl::StatusCode::kNotFound, .message = words});
  EXPECT_LE(status.error_message().size() * 3, 1536u + 9);
  EXPECT_EQ(status.error_message(), words.substr(0, status.error_message().size() - 3) + "...");
  EXPECT_EQ((status.error_message().size() - 3) % 3, 0u);
}

// The state's reasons and the wire's are one list.
TEST(RefusalTest, EveryReasonOfTheWireHasItsNameAndNumber) {
  const auto* type = v1::ReasonCode_descriptor();
  for (int i = 0; i < type->value_count(); ++i) {
    if (type->value(i)->number() == 0) continue;
    const auto reason = static_cast<Reason>(type->value(i)->number());
    EXPECT_EQ("REASON_CODE_" + ReasonName(reason), type->value(i)->name());
    EXPECT_EQ(ReasonNamed(ReasonName(reason)), reason);
  }
  EXPECT_EQ(ReasonName(Reason::kInboxFull), "INBOX_FULL");
  EXPECT_EQ(ReasonName(Reason::kAlreadyEnded), "ALREADY_ENDED");
  EXPECT_EQ(ReasonName(Reason::kInsufficientMemory), "INSUFFICIENT_MEMORY");
  EXPECT_EQ(ReasonName(Reason::kNone), "");
  EXPECT_EQ(ReasonNamed("NO_SUCH_REASON"), Reason::kNone);
}

}  // namespace
}  // namespace berth::wire
