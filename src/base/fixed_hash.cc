#include "base/fixed_hash.h"

#include <bit>
#include <cstddef>
#include <cstring>

namespace berth::base {
namespace {

std::uint64_t LittleEndianWord(const char* bytes, std::size_t count) {
  std::uint64_t word = 0;
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(&word, bytes, count);
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      word |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    }
  }
  return word;
}

}  // namespace

std::uint64_t FixedHash(std::string_view bytes, std::uint64_t seed) {
  std::uint64_t hash = FixedHash(static_cast<std::uint64_t>(bytes.size()), seed);
  while (!bytes.empty()) {
    const std::size_t count = bytes.size() < 8 ? bytes.size() : 8;
    hash = FixedMix(hash ^ LittleEndianWord(bytes.data(), count)) + 0x9e3779b97f4a7c15u;
    bytes.remove_prefix(count);
  }
  return hash;
}

}  // namespace berth::base
