// Messages to and from gRPC's buffers.
//
// Services take raw buffers and parse here: the generated handlers answer a message that cannot be
// parsed with an empty UNIMPLEMENTED, and end a stream as if its client had closed it.
#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/support/byte_buffer.h>

#include <optional>
#include <string>

#include "absl/status/status.h"

namespace berth::wire {

// InvalidArgument names the field that is not UTF-8, or says that the bytes are no such message.
// `buffer` is emptied.
absl::Status ParseMessage(grpc::ByteBuffer& buffer, google::protobuf::Message& message);

// REQUIRES: the message is smaller than 2 GiB.
grpc::ByteBuffer ToBuffer(const google::protobuf::Message& message);

// The bytes that two equal messages have in common: map entries in order of key, and what this
// version does not know left as it came.
std::string DeterministicBytes(const google::protobuf::Message& message);

// Path of the first string field in the wire form `bytes` of a message of this type that is not
// UTF-8; nullopt when there is none that can be found. For error messages: cold.
std::optional<std::string> FindInvalidUtf8Field(const google::protobuf::Descriptor& type,
                                                const std::string& bytes);

}  // namespace berth::wire
