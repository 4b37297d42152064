#include "base/status_macros.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "absl/strings/cord.h"
#include "base/annotate.h"
#include "base/strings.h"

namespace berth::base {
namespace {

absl::Status First(const absl::Status& first, int& steps) {
  BERTH_RETURN_IF_ERROR(first);
  ++steps;
  return absl::OkStatus();
}

TEST(ReturnIfErrorTest, ReturnsTheErrorAndOtherwiseGoesOn) {
  int steps = 0;
  EXPECT_EQ(First(absl::NotFoundError("node \"n7\""), steps), absl::NotFoundError("node \"n7\""));
  EXPECT_EQ(steps, 0);
  EXPECT_TRUE(First(absl::OkStatus(), steps).ok());
  EXPECT_EQ(steps, 1);
}

absl::StatusOr<std::unique_ptr<int>> Make(int value) {
  if (value < 0) return absl::OutOfRangeError("negative");
  return std::make_unique<int>(value);
}

absl::StatusOr<int> Sum(int a, int b) {
  BERTH_ASSIGN_OR_RETURN(const std::unique_ptr<int> left, Make(a));
  std::unique_ptr<int> right;
  BERTH_ASSIGN_OR_RETURN(right, Make(b));
  return *left + *right;
}

TEST(AssignOrReturnTest, MovesTheValueOrReturnsTheError) {
  EXPECT_EQ(Sum(2, 3).value(), 5);
  EXPECT_EQ(Sum(-1, 3).status(), absl::OutOfRangeError("negative"));
  EXPECT_EQ(Sum(2, -1).status(), absl::OutOfRangeError("negative"));
}

absl::StatusOr<std::map<int, int>> Pair(int key, int value) {
  return std::map<int, int>{{key, value}};
}

absl::StatusOr<int> WithCommas() {
  BERTH_ASSIGN_OR_RETURN(auto map, Pair(1, 2));
  return map.at(1);
}

TEST(AssignOrReturnTest, AcceptsExpressionsWithCommas) { EXPECT_EQ(WithCommas().value(), 2); }

TEST(AnnotateTest, PutsTheContextFirstAndKeepsCodeAndPayloads) {
  absl::Status status = absl::InvalidArgumentError("weight is -1");
  status.SetPayload("type.googleapis.com/test", absl::Cord("detail"));
  const absl::Status annotated = Annotate(status, "profile \"default\"");
  EXPECT_EQ(annotated.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(S(annotated.message()), "profile \"default\": weight is -1");
  EXPECT_EQ(annotated.GetPayload("type.googleapis.com/test"), absl::Cord("detail"));
}

TEST(AnnotateTest, LeavesOkAlone) { EXPECT_TRUE(Annotate(absl::OkStatus(), "x").ok()); }

}  // namespace
}  // namespace berth::base
