#pragma once

#include <array>
#include <compare>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace berth::base {

// A SHA-256: the address of content.
struct Sha256Digest {
  std::array<unsigned char, 32> bytes{};

  // 64 lower-case hexadecimal digits.
  std::string Hex() const;
  // And back; nullopt: they are something else.
  static std::optional<Sha256Digest> FromHex(std::string_view hex);
  auto operator<=>(const Sha256Digest&) const = default;
};

// Cost of both: about 1 ms per MiB.
Sha256Digest Sha256Of(std::string_view bytes);
std::string Sha256Hex(std::string_view bytes);

// The same of bytes that come piece by piece.
//
// Threading: one at a time. Errors: none.
class Sha256 {
 public:
  Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  ~Sha256();

  void Add(std::string_view bytes);
  // Of all that was added. Once.
  Sha256Digest Digest();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace berth::base
