#include "cli/output/message_value.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "berth/v1/types.pb.h"
#include "cli/names.h"
#include "jobfile/job_yaml.h"

namespace berth::cli {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// TASK_STATE_RUNNING → running, by the name of the type.
std::string StripPrefix(const EnumDescriptor* type, int number) {
  const auto* const value = type->FindValueByNumber(number);
  if (value == nullptr) return std::to_string(number);
  std::string prefix;
  for (const char c : type->name()) {
    if (c >= 'A' && c <= 'Z' && !prefix.empty()) prefix += '_';
    prefix += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  prefix += '_';
  std::string name = value->name();
  if (name.starts_with(prefix)) name.erase(0, prefix.size());
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    if (c == '_') return '-';
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return name;
}

std::string EnumText(const EnumDescriptor* type, int number) {
  if (type == v1::ReasonCode_descriptor()) return NameOf(static_cast<v1::ReasonCode>(number));
  if (type == v1::TaintEffect_descriptor()) {
    return std::string(NameOf(static_cast<v1::TaintEffect>(number)));
  }
  return StripPrefix(type, number);
}

// One value of a field: `index` is its place in a repeated one, or -1.
yaml::Value FieldValue(const Message& message, const FieldDescriptor* field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool repeated = index >= 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return yaml::Value::Int(repeated ? reflection.GetRepeatedInt32(message, field, index)
                                       : reflection.GetInt32(message, field));
    case FieldDescriptor::CPPTYPE_INT64:
      return yaml::Value::Int(repeated ? reflection.GetRepeatedInt64(message, field, index)
                                       : reflection.GetInt64(message, field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return yaml::Value::Int(repeated ? reflection.GetRepeatedUInt32(message, field, index)
                                       : reflection.GetUInt32(message, field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return yaml::Value::Int(
          static_cast<int64_t>(repeated ? reflection.GetRepeatedUInt64(message, field, index)
                                        : reflection.GetUInt64(message, field)));
    case FieldDescriptor::CPPTYPE_BOOL:
      return yaml::Value::Bool(repeated ? reflection.GetRepeatedBool(message, field, index)
                                        : reflection.GetBool(message, field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return yaml::Value::Double(repeated ? reflection.GetRepeatedDouble(message, field, index)
                                          : reflection.GetDouble(message, field));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return yaml::Value::Double(repeated ? reflection.GetRepeatedFloat(message, field, index)
                                          : reflection.GetFloat(message, field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return yaml::Value::String(EnumText(
          field->enum_type(), repeated ? reflection.GetRepeatedEnumValue(message, field, index)
                                       : reflection.GetEnumValue(message, field)));
    case FieldDescriptor::CPPTYPE_STRING:
      return yaml::Value::String(repeated ? reflection.GetRepeatedString(message, field, index)
                                          : reflection.GetString(message, field));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return MessageToValue(repeated ? reflection.GetRepeatedMessage(message, field, index)
                                     : reflection.GetMessage(message, field));
  }
  return yaml::Value();
}

yaml::Value MapValue(const Message& message, const FieldDescriptor* field) {
  const Reflection& reflection = *message.GetReflection();
  const FieldDescriptor* const key = field->message_type()->map_key();
  const FieldDescriptor* const value = field->message_type()->map_value();
  std::vector<std::pair<std::string, yaml::Value>> entries;
  for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, field, i);
    entries.emplace_back(FieldValue(entry, key, -1).text(), FieldValue(entry, value, -1));
  }
  // A protobuf map has no order of its own.
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  yaml::Value map = yaml::Value::Mapping({});
  for (auto& [name, content] : entries) map.Set(name, std::move(content));
  return map;
}

bool IsShown(const Message& message, const FieldDescriptor* field) {
  const Reflection& reflection = *message.GetReflection();
  if (field->is_repeated()) return reflection.FieldSize(message, field) > 0;
  if (field->has_presence()) return reflection.HasField(message, field);
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    return reflection.HasField(message, field);
  }
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    return reflection.GetEnumValue(message, field) != 0;
  }
  return true;
}

}  // namespace

yaml::Value MessageToValue(const Message& message) {
  const Descriptor* const type = message.GetDescriptor();
  if (type == v1::JobSpec::descriptor()) {
    return jobfile::JobToYaml(static_cast<const v1::JobSpec&>(message));
  }
  yaml::Value value = yaml::Value::Mapping({});
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* const field = type->field(i);
    if (!IsShown(message, field)) continue;
    if (field->is_map()) {
      value.Set(field->json_name(), MapValue(message, field));
    } else if (field->is_repeated()) {
      yaml::Value::List items;
      const int size = message.GetReflection()->FieldSize(message, field);
      for (int k = 0; k < size; ++k) items.push_back(FieldValue(message, field, k));
      value.Set(field->json_name(), yaml::Value::Sequence(std::move(items)));
    } else {
      value.Set(field->json_name(), FieldValue(message, field, -1));
    }
  }
  return value;
}

}  // namespace berth::cli
