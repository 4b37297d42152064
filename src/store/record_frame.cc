#include "store/record_frame.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/fixed_hash.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "store/record_keys.h"
#include "store/schema_version.h"

namespace berth::store {
namespace {

using google::protobuf::FieldDescriptor;

constexpr size_t kVersionBytes = 2;
constexpr size_t kHeaderBytes = 10;

uint64_t Checksum(Table table, std::string_view key, uint16_t version, std::string_view message) {
  const uint64_t seed = (uint64_t{version} << 8) | static_cast<unsigned char>(table);
  return base::FixedHash(message, base::FixedHash(key, seed));
}

std::string Where(Table table, std::string_view key) {
  return "table " + std::string(ToString(table)) + ", " + DescribeKey(table, key) + ": ";
}

// The first text field that is not UTF-8, in the message or in those within it; nullptr when there
// is none. The parser would refuse the record.
const FieldDescriptor* FindTextNotUtf8(const google::protobuf::Message& message) {
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  const google::protobuf::Reflection& fields = *message.GetReflection();
  std::string scratch;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* field = type.field(i);
    const bool is_text = field->type() == FieldDescriptor::TYPE_STRING;
    if (!is_text && field->type() != FieldDescriptor::TYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      if (is_text) {
        if (!base::IsValidUtf8(fields.GetStringReference(message, field, &scratch))) return field;
      } else if (fields.HasField(message, field)) {
        const auto* inner = FindTextNotUtf8(fields.GetMessage(message, field));
        if (inner != nullptr) return inner;
      }
      continue;
    }
    const int count = fields.FieldSize(message, field);
    for (int k = 0; k < count; ++k) {
      if (is_text) {
        if (!base::IsValidUtf8(fields.GetRepeatedStringReference(message, field, k, &scratch))) {
          return field;
        }
      } else if (const auto* inner =
                     FindTextNotUtf8(fields.GetRepeatedMessage(message, field, k))) {
        return inner;
      }
    }
  }
  return nullptr;
}

}  // namespace

std::string FrameRecord(Table table, std::string_view key,
                        const google::protobuf::Message& message) {
  // Better to stop before such a record is written than never to start again after it.
  if (const FieldDescriptor* bad = FindTextNotUtf8(message)) {
    BERTH_CHECK(false) << Where(table, key) << bad->full_name() << " is not UTF-8";
  }
  const size_t size = message.ByteSizeLong();
  BERTH_CHECK(size <= std::numeric_limits<int32_t>::max()) << Where(table, key) << "too large";
  std::string value(kHeaderBytes + size, '\0');
  // Without maps in any message, the bytes follow from the content alone.
  message.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(value.data()) + kHeaderBytes);
  const uint16_t version = kSchemaVersion;
  const uint64_t checksum =
      Checksum(table, key, version, std::string_view(value).substr(kHeaderBytes));
  std::memcpy(value.data(), &version, sizeof version);
  std::memcpy(value.data() + kVersionBytes, &checksum, sizeof checksum);
  return value;
}

absl::StatusOr<uint16_t> ParseRecord(Table table, std::string_view key, std::string_view value,
                                     google::protobuf::MessageLite& message) {
  if (value.size() < kHeaderBytes) {
    return RecordDamaged(table, key,
                         "the record is cut short: " + std::to_string(value.size()) + " bytes");
  }
  uint16_t version = 0;
  uint64_t checksum = 0;
  std::memcpy(&version, value.data(), sizeof version);
  std::memcpy(&checksum, value.data() + kVersionBytes, sizeof checksum);
  value.remove_prefix(kHeaderBytes);
  if (checksum != Checksum(table, key, version, value)) {
    return RecordDamaged(table, key, "the record's checksum does not match its content");
  }
  if (version > kSchemaVersion || version < kOldestSchemaVersion) {
    return absl::FailedPreconditionError(Where(table, key) + "the record has schema version " +
                                         std::to_string(version) + ", and this berthd reads " +
                                         std::to_string(kOldestSchemaVersion) + " to " +
                                         std::to_string(kSchemaVersion));
  }
  if (value.size() > std::numeric_limits<int32_t>::max() ||
      !message.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return RecordDamaged(table, key, "the record's content is not what its table holds");
  }
  return version;
}

absl::Status RecordDamaged(Table table, std::string_view key, std::string_view what) {
  return absl::DataLossError(Where(table, key).append(what));
}

}  // namespace berth::store
