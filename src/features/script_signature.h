// How alike two scripts are, without keeping them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace berth::features {

// A sketch of a text by its runs of three words: the share of equal places in two signatures is
// about the share of runs that the texts have in common (MinHash, by one permutation with
// rotation).
//
// Words are letters, digits and underscores; a run of digits is one digit, whatever the number:
// seeds, dates and paths with counters do not make another script. Bytes beyond ASCII are letters.
struct ScriptSignature {
  static constexpr size_t kPlaces = 32;
  // Each kBandPlaces neighbouring places are a band: alike texts share one nearly always.
  static constexpr size_t kBandPlaces = 4;
  static constexpr size_t kBands = kPlaces / kBandPlaces;

  std::array<uint32_t, kPlaces> places{};

  // There was no word in the text.
  [[nodiscard]] bool empty() const { return *this == ScriptSignature{}; }
  [[nodiscard]] uint64_t Band(size_t band) const;
  // In how many places the two agree, of kPlaces.
  [[nodiscard]] size_t Agreement(const ScriptSignature& other) const;

  bool operator==(const ScriptSignature&) const = default;
};

// Of the script and then the command line: of the first 64 KiB of them.
// Cost: linear, about 2 ns a byte; no allocation.
ScriptSignature SignScript(std::string_view script, std::span<const std::string> command);

}  // namespace berth::features
