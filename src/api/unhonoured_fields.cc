#include "api/unhonoured_fields.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>

#include <set>

namespace berth::api {
namespace {

using wire::FieldPath;

template <typename Message>
struct Unhonoured {
  const char* field;
  bool (*present)(const Message& message);
};

constexpr Unhonoured<v1::JobSpec> kOfJob[] = {
    {"priority_class", [](const v1::JobSpec& m) { return !m.priority_class().empty(); }},
    {"dependencies", [](const v1::JobSpec& m) { return m.dependencies_size() > 0; }},
    {"reservation", [](const v1::JobSpec& m) { return !m.reservation().empty(); }},
    {"begin_unix_ms", [](const v1::JobSpec& m) { return m.has_begin_unix_ms(); }},
    {"deadline_unix_ms", [](const v1::JobSpec& m) { return m.has_deadline_unix_ms(); }},
    {"held", [](const v1::JobSpec& m) { return m.held(); }},
};

constexpr Unhonoured<v1::TaskGroup> kOfGroup[] = {
    {"gang", [](const v1::TaskGroup& m) { return m.has_gang(); }},
};

constexpr Unhonoured<v1::ArraySpec> kOfArray[] = {
    {"max_running", [](const v1::ArraySpec& m) { return m.max_running() != 0; }},
};

constexpr Unhonoured<v1::TaskTemplate> kOfTemplate[] = {
    {"cluster_resources", [](const v1::TaskTemplate& m) { return m.cluster_resources_size() > 0; }},
};

constexpr Unhonoured<v1::Payload> kOfPayload[] = {
    {"output_directory", [](const v1::Payload& m) { return !m.output_directory().empty(); }},
};

template <typename Message, size_t kSize>
void Find(const Unhonoured<Message> (&table)[kSize], const Message& message, const FieldPath& path,
          wire::Violations& violations) {
  for (const Unhonoured<Message>& entry : table) {
    if (entry.present(message)) violations.AddNotHonoured(FieldPath(path, entry.field));
  }
}

void FindUnknown(const google::protobuf::Message& message, const FieldPath& path,
                 wire::Violations& violations) {
  using google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection& fields = *message.GetReflection();
  const google::protobuf::UnknownFieldSet& unknown = fields.GetUnknownFields(message);
  std::set<int> numbers;  // a list is one field, however long it is
  for (int i = 0; i < unknown.field_count(); ++i) numbers.insert(unknown.field(i).number());
  for (const int number : numbers) violations.AddUnknown(path, number);

  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.type() != FieldDescriptor::TYPE_MESSAGE || field.is_map()) continue;
    if (!field.is_repeated()) {
      if (fields.HasField(message, &field)) {
        FindUnknown(fields.GetMessage(message, &field), FieldPath(path, field.name()), violations);
      }
      continue;
    }
    const int count = fields.FieldSize(message, &field);
    for (int k = 0; k < count; ++k) {
      FindUnknown(fields.GetRepeatedMessage(message, &field, k), FieldPath(path, field.name(), k),
                  violations);
    }
  }
}

}  // namespace

void FindUnknownFields(const v1::JobSpec& job, wire::Violations& violations) {
  FindUnknown(job, FieldPath::Root(), violations);
}

void FindUnhonouredFields(const v1::JobSpec& job, wire::Violations& violations) {
  Find(kOfJob, job, FieldPath::Root(), violations);
  for (int g = 0; g < job.groups_size(); ++g) {
    const v1::TaskGroup& group = job.groups(g);
    const FieldPath group_path(FieldPath::Root(), "groups", g);
    Find(kOfGroup, group, group_path, violations);
    Find(kOfArray, group.array(), FieldPath(group_path, "array"), violations);
    const v1::TaskTemplate& task = group.template_();
    const FieldPath task_path(group_path, "template");
    Find(kOfTemplate, task, task_path, violations);
    Find(kOfPayload, task.payload(), FieldPath(task_path, "payload"), violations);
  }
}

}  // namespace berth::api
