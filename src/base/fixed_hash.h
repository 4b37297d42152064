#pragma once

#include <cstdint>
#include <string_view>

// Hashes that are the same in every build, on every machine and in every release: they may be
// stored, decide an order, or seed a generator. The algorithm below is a contract with data on disk
// and with recorded runs; tests/unit/base/fixed_hash_test.cc holds its golden values. Not for
// secrets, and not against collisions made on purpose: content is addressed by SHA-256
// (base/sha256.h).
namespace berth::base {

// The finaliser of splitmix64: a bijection of 64-bit words in which each input bit changes half of
// the output.
//   z ^= z >> 30;  z *= 0xbf58476d1ce4e5b9;  z ^= z >> 27;  z *= 0x94d049bb133111eb;  z ^= z >> 31
constexpr std::uint64_t FixedMix(std::uint64_t word) {
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
  word = (word ^ (word >> 27)) * 0x94d049bb133111ebu;
  return word ^ (word >> 31);
}

// Hash of one word under a seed: FixedMix(FixedMix(seed + G) ^ word), where G = 0x9e3779b97f4a7c15.
// A bijection of `word` for each seed.
constexpr std::uint64_t FixedHash(std::uint64_t word, std::uint64_t seed = 0) {
  return FixedMix(FixedMix(seed + 0x9e3779b97f4a7c15u) ^ word);
}

// Hash of a string of bytes under a seed: h = FixedHash(length, seed), then for each 8 bytes, read
// as a little-endian word, the last padded with zeros: h = FixedMix(h ^ word) + G. Cost: about 2 ns
// per 8 bytes.
std::uint64_t FixedHash(std::string_view bytes, std::uint64_t seed = 0);

// The hash of a sequence: fold its elements' hashes from the left. Not symmetric.
constexpr std::uint64_t FixedHashCombine(std::uint64_t so_far, std::uint64_t next) {
  return FixedHash(next, so_far);
}

}  // namespace berth::base
