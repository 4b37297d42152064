#include "snapshot/snapshot_format.h"

#include "base/fixed_hash.h"

namespace berth::snapshot {
namespace {

constexpr size_t kLengthAt = 1;
constexpr size_t kHeadSumAt = 5;
constexpr size_t kPayloadSumAt = 9;

uint64_t HeadSum(char kind, uint64_t length, uint64_t offset) {
  const uint64_t word = (length << 8) | static_cast<unsigned char>(kind);
  return base::FixedHash(word, offset);
}

}  // namespace

void PutNumber(uint64_t value, size_t bytes, std::string& out) {
  for (size_t i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
}

uint64_t GetNumber(std::string_view text, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) {
    value |= uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
  }
  return value;
}

uint64_t PayloadSum(char kind, std::string_view payload, uint64_t offset) {
  return base::FixedHash(payload, HeadSum(kind, payload.size(), offset));
}

std::string EncodeHead(char kind, std::string_view payload, uint64_t offset) {
  std::string head(1, kind);
  PutNumber(payload.size(), 4, head);
  PutNumber(HeadSum(kind, payload.size(), offset) & UINT32_MAX, 4, head);
  PutNumber(PayloadSum(kind, payload, offset), 8, head);
  return head;
}

bool DecodeHead(std::string_view text, uint64_t offset, FrameHead& head) {
  head.kind = text[0];
  head.length = static_cast<uint32_t>(GetNumber(text.substr(kLengthAt), 4));
  head.payload_sum = GetNumber(text.substr(kPayloadSumAt), 8);
  const uint64_t sum = HeadSum(head.kind, head.length, offset) & UINT32_MAX;
  return sum == GetNumber(text.substr(kHeadSumAt), 4);
}

}  // namespace berth::snapshot
