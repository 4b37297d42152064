#include "wire/message_buffer.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>

#include <map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"

namespace berth::wire {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr int kMostDepth = 100;  // protobuf's own limit for nesting

// Walks the fields of one message; nullopt when it is clean or cannot be walked to its end.
std::optional<std::string> FindIn(const Descriptor& type, std::string_view bytes, int depth) {
  if (depth > kMostDepth) return std::nullopt;
  CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()),
                      static_cast<int>(bytes.size()));
  std::map<int, int> seen;  // how often each repeated field came so far
  while (const uint32_t tag = in.ReadTag()) {
    const FieldDescriptor* field = type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
    const bool is_delimited =
        WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
    const bool is_text = field != nullptr && field->type() == FieldDescriptor::TYPE_STRING;
    const bool is_message = field != nullptr && field->type() == FieldDescriptor::TYPE_MESSAGE;
    if (!is_delimited || (!is_text && !is_message)) {
      if (!WireFormatLite::SkipField(&in, tag)) return std::nullopt;
      continue;
    }
    uint32_t length = 0;
    if (!in.ReadVarint32(&length) ||
        length > bytes.size() - static_cast<size_t>(in.CurrentPosition())) {
      return std::nullopt;
    }
    const std::string_view content =
        bytes.substr(static_cast<size_t>(in.CurrentPosition()), length);
    if (!in.Skip(static_cast<int>(length))) return std::nullopt;

    std::string name = field->name();
    if (field->is_repeated() && !field->is_map()) {
      name += "[" + std::to_string(seen[field->number()]++) + "]";
    }
    if (is_text) {
      if (base::FindInvalidUtf8(content) != std::string_view::npos) return name;
    } else if (const auto inner = FindIn(*field->message_type(), content, depth + 1)) {
      // Inside a map entry the fields are called "key" and "value".
      return field->is_map() ? name + " (" + *inner + ")" : name + "." + *inner;
    }
  }
  return std::nullopt;
}

std::string AllBytes(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return "";
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

}  // namespace

std::optional<std::string> FindInvalidUtf8Field(const Descriptor& type, const std::string& bytes) {
  return FindIn(type, bytes, 0);
}

absl::Status ParseMessage(grpc::ByteBuffer& buffer, google::protobuf::Message& message) {
  bool parsed = false;
  {
    grpc::ProtoBufferReader reader(&buffer);
    parsed = reader.status().ok() && message.ParseFromZeroCopyStream(&reader);
  }
  absl::Status status;
  if (!parsed) {
    const auto field = FindInvalidUtf8Field(*message.GetDescriptor(), AllBytes(buffer));
    status = field.has_value()
                 ? absl::InvalidArgumentError(*field + ": not valid UTF-8")
                 : absl::InvalidArgumentError("the bytes received are no " +
                                              message.GetDescriptor()->full_name() +
                                              ": client and server disagree on the protocol");
  }
  buffer.Clear();
  return status;
}

grpc::ByteBuffer ToBuffer(const google::protobuf::Message& message) {
  grpc::ByteBuffer buffer;
  bool own = false;
  const grpc::Status status =
      grpc::GenericSerialize<grpc::ProtoBufferWriter, google::protobuf::Message>(message, &buffer,
                                                                                 &own);
  BERTH_CHECK(status.ok()) << status.error_message();
  return buffer;
}

std::string DeterministicBytes(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream sink(&bytes);
    google::protobuf::io::CodedOutputStream out(&sink);
    out.SetSerializationDeterministic(true);
    BERTH_CHECK(message.SerializeToCodedStream(&out))
        << "cannot serialise " << message.GetTypeName();
  }
  return bytes;
}

}  // namespace berth::wire
