#include "wire/names.h"

#include <gtest/gtest.h>

namespace berth::wire {
namespace {

std::string Text(size_t bytes) { return std::string(bytes, 'a'); }

TEST(NamesTest, EachRuleTakesWhatItsPatternSays) {
  EXPECT_TRUE(kJobName.matches("my_Job.v2-final"));
  EXPECT_TRUE(kJobName.matches(Text(63)));
  EXPECT_FALSE(kJobName.matches(Text(64)));
  EXPECT_FALSE(kJobName.matches(""));
  EXPECT_FALSE(kJobName.matches("a b"));
  EXPECT_FALSE(kJobName.matches(std::string_view("a\0b", 3)));

  EXPECT_TRUE(kGroupName.matches("worker-2"));
  EXPECT_FALSE(kGroupName.matches("2-worker"));
  EXPECT_FALSE(kGroupName.matches("Worker"));
  EXPECT_FALSE(kGroupName.matches("a.b"));

  EXPECT_TRUE(kNodeName.matches("n7.rack-2.example"));
  EXPECT_TRUE(kNodeName.matches(Text(253)));
  EXPECT_FALSE(kNodeName.matches(Text(254)));
  EXPECT_FALSE(kNodeName.matches("-n7"));
  EXPECT_FALSE(kNodeName.matches("n7."));
  EXPECT_FALSE(kNodeName.matches("N7"));

  EXPECT_TRUE(kLabelKey.matches("topology.kubernetes.io/zone"));
  EXPECT_FALSE(kLabelKey.matches("zone="));
  EXPECT_TRUE(kExtendedResource.matches("vendor.com/fpga_slots"));
  EXPECT_FALSE(kExtendedResource.matches("/slots"));
  EXPECT_TRUE(kDeviceKind.matches("gpu"));
  EXPECT_FALSE(kDeviceKind.matches("GPU"));
  EXPECT_TRUE(kVariableName.matches("_PATH2"));
  EXPECT_FALSE(kVariableName.matches("2PATH"));
  EXPECT_FALSE(kVariableName.matches("A=B"));
}

TEST(NamesTest, AViolationNamesTheTextAndThePattern) {
  Violations violations;
  EXPECT_FALSE(CheckName(kGroupName, "Worker", FieldPath("name"), violations));
  EXPECT_EQ(violations.Summary(),
            "name: \"Worker\" is not allowed; it must match [a-z][a-z0-9-]{0,62}");
}

TEST(NamesTest, AnAbsentNameIsSaidToBeRequired) {
  Violations violations;
  EXPECT_FALSE(CheckName(kGroupName, "", FieldPath("name"), violations));
  EXPECT_EQ(violations.Summary(), "name: is required; it must match [a-z][a-z0-9-]{0,62}");
}

TEST(NamesTest, HostileTextIsNotRepeated) {
  Violations violations;
  CheckName(kGroupName, "\x1b[2J", FieldPath("a"), violations);
  CheckName(kGroupName, "\xff\xfe", FieldPath("b"), violations);
  CheckName(kGroupName, Text(100'000), FieldPath("c"), violations);
  for (const FieldViolation& violation : violations.list()) {
    EXPECT_EQ(violation.description.find('\x1b'), std::string::npos);
    EXPECT_EQ(violation.description.find('\xff'), std::string::npos);
    EXPECT_LT(violation.description.size(), 200u);
  }
}

TEST(NamesTest, TextIsUtf8WithoutControlCharacters) {
  Violations violations;
  EXPECT_TRUE(CheckText("größe", 10, FieldPath("a"), violations));
  EXPECT_FALSE(CheckText("größe", 6, FieldPath("a"), violations));
  EXPECT_FALSE(CheckText("a\nb", 10, FieldPath("a"), violations));
  EXPECT_FALSE(CheckText("a\xc3", 10, FieldPath("a"), violations));
  EXPECT_TRUE(CheckProse("a\n\tb", 10, FieldPath("a"), violations));
  EXPECT_FALSE(CheckProse("a\x01", 10, FieldPath("a"), violations));
}

TEST(NamesTest, AnArgumentHasNoZeroByte) {
  Violations violations;
  EXPECT_TRUE(CheckArgument("a\nb\x1b", FieldPath("a"), violations));
  EXPECT_FALSE(CheckArgument(std::string_view("a\0b", 3), FieldPath("a"), violations));
  EXPECT_EQ(violations.Summary(), "a: has a byte 0 at byte 1, which no program can be given");
}

}  // namespace
}  // namespace berth::wire
