#include "api/unhonoured_fields.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "api/admission.h"

namespace berth::api {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// "JobSpec.held", "Unit.UNIT_VALUE": every field and enum value of the file whose
// comment says that it is not honoured yet.
std::set<std::string> DeclaredUnhonoured(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << path;
  const std::regex opens(R"(^(message|enum) (\w+) \{)");
  const std::regex field(R"(^  (?:optional |repeated )?(?:map<[^>]*>|[\w.]+) (\w+) = \d+;(.*))");
  const std::regex value(R"(^  ([A-Z_0-9]+) = \d+;(.*))");
  std::set<std::string> found;
  std::string type;
  std::string comment;
  for (std::string line; std::getline(file, line);) {
    std::smatch match;
    if (std::regex_search(line, match, opens)) {
      type = match[2];
      comment.clear();
    } else if (line.starts_with("}")) {
      type.clear();
    } else if (line.starts_with("  //")) {
      comment += line.substr(4);
    } else if (!type.empty() &&
               (std::regex_search(line, match, field) || std::regex_search(line, match, value))) {
      const std::string said = comment + std::string(match[2]);
      if (std::regex_search(said, std::regex("[Nn]ot honoured yet"))) {
        found.insert(type + "." + std::string(match[1]));
      }
      comment.clear();
    } else if (!line.starts_with("  //")) {
      comment.clear();
    }
  }
  return found;
}

v1::JobSpec GoodJob() {
  v1::JobSpec job;
  v1::TaskGroup& group = *job.add_groups();
  group.mutable_array()->add_ranges()->set_last(3);
  group.mutable_template_()->mutable_payload()->add_command("true");
  v1::DeviceRequest& device = *group.mutable_template_()->add_devices();
  device.set_kind("gpu");
  device.set_count(2);
  return job;
}

// Puts something into a field, whatever its type is.
void Fill(Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  const bool many = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      many ? reflection.AddString(&message, &field, "x")
           : reflection.SetString(&message, &field, "x");
      break;
    case FieldDescriptor::CPPTYPE_INT32:
      many ? reflection.AddInt32(&message, &field, 1) : reflection.SetInt32(&message, &field, 1);
      break;
    case FieldDescriptor::CPPTYPE_INT64:
      many ? reflection.AddInt64(&message, &field, 1) : reflection.SetInt64(&message, &field, 1);
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      reflection.SetBool(&message, &field, true);
      break;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      many ? reflection.AddMessage(&message, &field) : reflection.MutableMessage(&message, &field);
      break;
    default:
      FAIL() << field.full_name() << ": of a type that this test cannot fill";
  }
}

// Every message of this type within `message`, itself included, that is there.
void Collect(Message& message, const std::string& type, std::vector<Message*>& found) {
  if (message.GetDescriptor()->name() == type) found.push_back(&message);
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) continue;
    if (!field->is_repeated()) {
      Collect(*reflection.MutableMessage(&message, field), type, found);
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      Collect(*reflection.MutableRepeatedMessage(&message, field, i), type, found);
    }
  }
}

class UnhonouredFieldsTest : public ::testing::Test {
 protected:
  static wire::Refusal RefusalTo(const v1::JobSpec& job) {
    auto outcome = Admit(job, {});
    const auto* refusal = std::get_if<wire::Refusal>(&outcome);
    return refusal == nullptr ? wire::Refusal{} : *refusal;
  }

  const std::set<std::string> declared_ = DeclaredUnhonoured("proto/berth/v1/types.proto");
};

TEST_F(UnhonouredFieldsTest, TheCommentsAreFound) {
  EXPECT_TRUE(declared_.contains("JobSpec.held"));
  EXPECT_TRUE(declared_.contains("TaskGroup.gang"));
  EXPECT_TRUE(declared_.contains("Payload.output_directory"));
  EXPECT_TRUE(declared_.contains("ArraySpec.max_running"));
  EXPECT_FALSE(declared_.contains("OnPartition.ON_PARTITION_KILL"));
  EXPECT_FALSE(declared_.contains("JobSpec.name"));
  EXPECT_GE(declared_.size(), 10u);
}

TEST_F(UnhonouredFieldsTest, TheGoodJobIsAdmitted) { EXPECT_EQ(RefusalTo(GoodJob()).message, ""); }

TEST_F(UnhonouredFieldsTest, EachFieldThatTheProtoDeclaresSoIsRefusedByName) {
  int tried = 0;
  for (const std::string& name : declared_) {
    const std::string type = name.substr(0, name.find('.'));
    const std::string field_name = name.substr(name.find('.') + 1);
    v1::JobSpec job = GoodJob();
    std::vector<Message*> places;
    Collect(job, type, places);
    if (places.empty()) continue;  // an enum's value, or not part of a submission
    const FieldDescriptor* field = places.front()->GetDescriptor()->FindFieldByName(field_name);
    ASSERT_NE(field, nullptr) << name;
    Fill(*places.front(), *field);

    const wire::Refusal refusal = RefusalTo(job);
    EXPECT_EQ(refusal.code, absl::StatusCode::kUnimplemented) << name;
    EXPECT_EQ(refusal.reason, Reason::kFieldNotHonoured) << name;
    ASSERT_EQ(refusal.violations.size(), 1u) << name;
    EXPECT_TRUE(refusal.violations[0].field.ends_with(field_name)) << refusal.violations[0].field;
    ++tried;
  }
  EXPECT_GE(tried, 10);
}

TEST_F(UnhonouredFieldsTest, AllOfThemAreNamedAtOnce) {
  v1::JobSpec job = GoodJob();
  job.set_held(true);
  job.mutable_groups(0)->mutable_gang();
  EXPECT_EQ(RefusalTo(job).violations.size(), 2u);
}

TEST_F(UnhonouredFieldsTest, PresenceCountsAndNotTheValue) {
  v1::JobSpec job = GoodJob();
  job.set_begin_unix_ms(0);
  EXPECT_EQ(RefusalTo(job).violations.at(0).field, "begin_unix_ms");
}

}  // namespace
}  // namespace berth::api
