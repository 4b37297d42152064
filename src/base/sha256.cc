#include "base/sha256.h"

#include <openssl/evp.h>

#include "base/check.h"

namespace berth::base {

std::string Sha256Digest::Hex() const {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * bytes.size());
  for (const unsigned char byte : bytes) {
    hex += kHex[byte >> 4];
    hex += kHex[byte & 0xF];
  }
  return hex;
}

std::optional<Sha256Digest> Sha256Digest::FromHex(std::string_view hex) {
  Sha256Digest digest;
  if (hex.size() != 2 * digest.bytes.size()) return std::nullopt;
  for (size_t i = 0; i < hex.size(); ++i) {
    const char c = hex[i];
    const bool is_letter = c >= 'a' && c <= 'f';
    if (!is_letter && (c < '0' || c > '9')) return std::nullopt;
    const int value = is_letter ? c - 'a' + 10 : c - '0';
    digest.bytes[i / 2] = static_cast<unsigned char>(digest.bytes[i / 2] << 4 | value);
  }
  return digest;
}

Sha256Digest Sha256Of(std::string_view bytes) {
  Sha256Digest digest;
  unsigned int length = 0;
  BERTH_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.bytes.data(), &length, EVP_sha256(),
                         nullptr) == 1);
  BERTH_CHECK(length == digest.bytes.size());
  return digest;
}

std::string Sha256Hex(std::string_view bytes) { return Sha256Of(bytes).Hex(); }

struct Sha256::State {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                  EVP_MD_CTX_free};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  BERTH_CHECK(state_->context != nullptr);
  BERTH_CHECK(EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) == 1);
}

Sha256::~Sha256() = default;

void Sha256::Add(std::string_view bytes) {
  BERTH_CHECK(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1);
}

Sha256Digest Sha256::Digest() {
  Sha256Digest digest;
  unsigned int length = 0;
  BERTH_CHECK(EVP_DigestFinal_ex(state_->context.get(), digest.bytes.data(), &length) == 1);
  BERTH_CHECK(length == digest.bytes.size());
  return digest;
}

}  // namespace berth::base
