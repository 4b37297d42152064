#pragma once

#include <google/protobuf/message.h>

#include <set>
#include <string>

namespace berth::jobfile {

// Every field of the messages that are there, and those of them that are set somewhere.
inline void CollectFields(const google::protobuf::Message& message, std::set<std::string>& all,
                          std::set<std::string>& set) {
  const auto* const type = message.GetDescriptor();
  const auto* const reflection = message.GetReflection();
  for (int i = 0; i < type->field_count(); ++i) all.insert(type->field(i)->full_name());
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const auto* const field : fields) {
    set.insert(field->full_name());
    if (field->is_map() ||
        field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) {
      continue;
    }
    if (!field->is_repeated()) {
      CollectFields(reflection->GetMessage(message, field), all, set);
      continue;
    }
    for (int k = 0; k < reflection->FieldSize(message, field); ++k) {
      CollectFields(reflection->GetRepeatedMessage(message, field, k), all, set);
    }
  }
}

}  // namespace berth::jobfile
