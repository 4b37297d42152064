#include "wire/field_path.h"

#include <gtest/gtest.h>

namespace berth::wire {
namespace {

TEST(FieldPathTest, ReadsAsInTheMessage) {
  const FieldPath group(FieldPath::Root(), "groups", 2);
  const FieldPath task(group, "template");
  const FieldPath resources(task, "resources");
  EXPECT_EQ(FieldPath(resources, "cpu_milli").ToString(), "groups[2].template.resources.cpu_milli");
  EXPECT_EQ(FieldPath::Root().ToString(), "");
  EXPECT_EQ(FieldPath(FieldPath::Root(), "labels", std::string_view("team")).ToString(),
            "labels[\"team\"]");
}

TEST(FieldPathTest, ShowsNoRawBytesOfASendersKey) {
  const FieldPath entry(FieldPath::Root(), "labels", std::string_view("a\x1b[31m\"\xff"));
  EXPECT_EQ(entry.ToString(), "labels[\"a?[31m??\"]");
  const std::string long_key(1000, 'k');
  EXPECT_LT(FieldPath(FieldPath::Root(), "labels", long_key).ToString().size(), 100u);
}

TEST(ViolationsTest, SummaryNamesTheFirstAndCountsTheRest) {
  Violations violations;
  EXPECT_TRUE(violations.empty());
  violations.Add(FieldPath("name"), "is too long");
  EXPECT_EQ(violations.Summary(), "name: is too long");
  violations.Add(FieldPath("queue"), "is unknown");
  violations.AddNotHonoured(FieldPath("held"));
  EXPECT_EQ(violations.Summary(), "name: is too long; and 2 more");
  EXPECT_TRUE(violations.any_invalid());
}

TEST(ViolationsTest, WhatIsOnlyNotHonouredIsNotInvalid) {
  Violations violations;
  violations.AddNotHonoured(FieldPath("held"));
  EXPECT_FALSE(violations.empty());
  EXPECT_FALSE(violations.any_invalid());
}

TEST(ViolationsTest, KeepsABoundedNumber) {
  Violations violations;
  for (int i = 0; i < 100'000; ++i) violations.Add(FieldPath(FieldPath::Root(), "a", i), "bad");
  EXPECT_EQ(violations.list().size(), Violations::kMost);
  EXPECT_EQ(violations.Summary(), "a[0]: bad; and 99999 more");
}

}  // namespace
}  // namespace berth::wire
