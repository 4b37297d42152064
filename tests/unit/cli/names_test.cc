#include "cli/names.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace berth::cli {
namespace {

// Every value that the wire has must have a word of its own here.
template <typename Enum>
void ExpectAWordForEach(const google::protobuf::EnumDescriptor* type) {
  std::set<std::string> words;
  for (int i = 0; i < type->value_count(); ++i) {
    if (type->value(i)->number() == 0) continue;
    const std::string word(NameOf(static_cast<Enum>(type->value(i)->number())));
    EXPECT_NE(word, "unknown") << type->value(i)->name();
    EXPECT_FALSE(word.empty()) << type->value(i)->name();
    EXPECT_TRUE(words.insert(word).second) << word;
  }
}

TEST(NamesTest, EveryValueOfTheWireHasItsWord) {
  ExpectAWordForEach<v1::TaskState>(v1::TaskState_descriptor());
  ExpectAWordForEach<v1::JobState>(v1::JobState_descriptor());
  ExpectAWordForEach<v1::NodeState>(v1::NodeState_descriptor());
  ExpectAWordForEach<v1::AttemptEnd>(v1::AttemptEnd_descriptor());
  ExpectAWordForEach<v1::Placeability>(v1::Placeability_descriptor());
  ExpectAWordForEach<v1::TaintEffect>(v1::TaintEffect_descriptor());
  ExpectAWordForEach<v1::ReasonCode>(v1::ReasonCode_descriptor());
}

TEST(NamesTest, WordsNameTheStatesTheyAreOf) {
  EXPECT_EQ(NameOf(v1::TASK_STATE_PARKED), "parked");
  EXPECT_EQ(NameOf(v1::TASK_STATE_QUARANTINED), "quarantined");
  EXPECT_EQ(NameOf(v1::JOB_STATE_CANCELLED), "cancelled");
  EXPECT_EQ(NameOf(v1::NODE_STATE_NOT_READY), "not-ready");
  EXPECT_EQ(NameOf(v1::ATTEMPT_END_COULD_NOT_START), "could-not-start");
  EXPECT_EQ(NameOf(v1::TAINT_EFFECT_NO_EXECUTE), "NoExecute");
  EXPECT_EQ(NameOf(v1::REASON_CODE_NEVER_FITS), "NEVER_FITS");
}

TEST(NamesTest, WordsReadBack) {
  for (const std::string_view name : TaskStateNames()) EXPECT_EQ(NameOf(*TaskStateOf(name)), name);
  for (const std::string_view name : JobStateNames()) EXPECT_EQ(NameOf(*JobStateOf(name)), name);
  EXPECT_FALSE(TaskStateOf("unknown").has_value());
  EXPECT_FALSE(TaskStateOf("done").has_value());
  EXPECT_FALSE(JobStateOf("").has_value());
}

TEST(NamesTest, ANumberFromANewerServerIsShownAsOne) {
  EXPECT_EQ(NameOf(static_cast<v1::TaskState>(77)), "unknown");
  EXPECT_EQ(NameOf(static_cast<v1::ReasonCode>(7777)), "7777");
  EXPECT_EQ(NameOf(v1::REASON_CODE_UNSPECIFIED), "");
}

}  // namespace
}  // namespace berth::cli
