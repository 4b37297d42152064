#include "api/errors.h"

#include <gtest/gtest.h>

namespace berth::api {
namespace {

scheduler::Reply Refused(absl::Status status, Reason reason, std::string field = "") {
  scheduler::Reply reply;
  reply.status = std::move(status);
  reply.reason = reason;
  reply.field = std::move(field);
  reply.epoch = 77;
  return reply;
}

TEST(ErrorsTest, ARefusalOfTheLoopKeepsItsReasonAndField) {
  const wire::Refusal refusal =
      RefusalOf(Refused(absl::NotFoundError("job 7: there is none"), Reason::kNotFound, "job_id"));
  EXPECT_EQ(refusal.code, absl::StatusCode::kNotFound);
  EXPECT_EQ(refusal.reason, Reason::kNotFound);
  EXPECT_EQ(refusal.message, "job 7: there is none");
  ASSERT_EQ(refusal.violations.size(), 1u);
  EXPECT_EQ(refusal.violations[0].field, "job_id");
  EXPECT_EQ(refusal.retry_after_ms, 0);
}

TEST(ErrorsTest, AnEpochThatIsTooOldComesWithTheCurrentOne) {
  const wire::Refusal refusal =
      RefusalOf(Refused(absl::OutOfRangeError("gone"), Reason::kEpochTooOld));
  EXPECT_EQ(refusal.metadata.at("epoch"), "77");
}

TEST(ErrorsTest, PushBackComesWithATime) {
  EXPECT_GT(
      RefusalOf(Refused(absl::ResourceExhaustedError("full"), Reason::kInboxFull)).retry_after_ms,
      0);
}

TEST(ErrorsTest, ACallThatIsNotServedIsNamed) {
  const wire::Refusal refusal = CallNotHonoured("Plan");
  EXPECT_EQ(refusal.code, absl::StatusCode::kUnimplemented);
  EXPECT_EQ(refusal.reason, Reason::kFieldNotHonoured);
  EXPECT_EQ(refusal.message.rfind("Plan: ", 0), 0u);
}

}  // namespace
}  // namespace berth::api
