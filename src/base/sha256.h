#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace berth::base {

// The SHA-256 of `bytes` as 64 lower-case hexadecimal digits: the address of content.
// Cost: about 1 ms per MiB.
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
  std::string Hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace berth::base
