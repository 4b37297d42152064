#include "features/script_signature.h"

#include <algorithm>

#include "base/fixed_hash.h"

namespace berth::features {
namespace {

constexpr size_t kMostBytes = size_t{64} * 1024;

bool IsDigit(unsigned char c) { return c >= '0' && c <= '9'; }
bool IsWord(unsigned char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

// Takes words one after the other and keeps the least hash of the runs that fall to each place.
class Sketch {
 public:
  [[nodiscard]] bool full() const { return left_ == 0; }

  void Text(std::string_view text) {
    uint64_t word = 0;
    bool in_number = false, in_word = false;
    text = text.substr(0, left_);
    // An argument counts one byte more: there may be any number of empty ones.
    left_ -= std::min(left_, text.size() + 1);
    for (const char byte : text) {
      const auto c = static_cast<unsigned char>(byte);
      if (!IsWord(c)) {
        if (in_word) Word(word);
        word = 0;
        in_word = in_number = false;
        continue;
      }
      in_word = true;
      if (IsDigit(c)) {
        if (in_number) continue;
        in_number = true;
      } else {
        in_number = false;
      }
      word = word * 0x100000001b3u + (IsDigit(c) ? '0' : c) + 1;
    }
    if (in_word) Word(word);
  }

  ScriptSignature Finish() {
    // A text of one or two words has no run of three: what there is stands for one.
    if (words_ == 1 || words_ == 2) Run(base::FixedHashCombine(last_, before_));
    ScriptSignature signature;
    if (words_ == 0) return signature;
    // An empty place takes what the next full one holds, changed by the distance: so that texts
    // with few runs agree where they are alike, and only there.
    for (size_t i = 0; i < ScriptSignature::kPlaces; ++i) {
      size_t distance = 0;
      while (least_[(i + distance) % ScriptSignature::kPlaces] == kNone) ++distance;
      const uint64_t held = least_[(i + distance) % ScriptSignature::kPlaces];
      // Never 0 in all places: that is the empty signature.
      signature.places[i] = static_cast<uint32_t>(base::FixedHash(held, distance)) | 1;
    }
    return signature;
  }

 private:
  static constexpr uint64_t kNone = UINT64_MAX;

  void Word(uint64_t word) {
    word = base::FixedMix(word);
    if (++words_ >= 3) {
      Run(base::FixedHashCombine(base::FixedHashCombine(before_, last_), word));
    }
    before_ = last_;
    last_ = word;
  }

  void Run(uint64_t hash) {
    uint64_t& least = least_[hash % ScriptSignature::kPlaces];
    least = std::min(least, hash >> 8);
  }

  std::array<uint64_t, ScriptSignature::kPlaces> least_ = [] {
    std::array<uint64_t, ScriptSignature::kPlaces> none{};
    none.fill(kNone);
    return none;
  }();
  size_t left_ = kMostBytes;
  uint64_t last_ = 0, before_ = 0;
  size_t words_ = 0;
};

}  // namespace

uint64_t ScriptSignature::Band(size_t band) const {
  uint64_t hash = band;
  for (size_t i = 0; i < kBandPlaces; ++i) {
    hash = base::FixedHashCombine(hash, places[band * kBandPlaces + i]);
  }
  return hash;
}

size_t ScriptSignature::Agreement(const ScriptSignature& other) const {
  size_t equal = 0;
  for (size_t i = 0; i < kPlaces; ++i) equal += places[i] == other.places[i] ? 1 : 0;
  return equal;
}

ScriptSignature SignScript(std::string_view script, std::span<const std::string> command) {
  Sketch sketch;
  sketch.Text(script);
  for (const std::string& argument : command) {
    if (sketch.full()) break;
    sketch.Text(argument);
  }
  return sketch.Finish();
}

}  // namespace berth::features
