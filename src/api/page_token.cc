#include "api/page_token.h"

#include <charconv>
#include <optional>

#include "absl/strings/escaping.h"
#include "base/fixed_hash.h"
#include "base/strings.h"
#include "wire/names.h"

namespace berth::api {
namespace {

// Text of version 2: "2/EPOCH/JOB/GROUP/POSITION/ATTEMPT/NAME/HASH", in URL-safe base64. The hash
// is over what comes before it, seeded by the request's: it tells slips, not attacks.
constexpr std::string_view kVersion = "2";
constexpr size_t kLongestToken = 1024;

uint64_t HashOf(std::string_view content, std::string_view request) {
  return base::FixedHash(content, base::FixedHash(request));
}

// Takes the text up to the next slash off `rest`.
std::optional<std::string_view> TakeField(std::string_view& rest) {
  const size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view field = rest.substr(0, slash);
  rest.remove_prefix(slash + 1);
  return field;
}

template <typename Number>
bool TakeNumber(std::string_view& rest, Number& number) {
  const auto field = TakeField(rest);
  if (!field) return false;
  const auto [end, error] = std::from_chars(field->data(), field->data() + field->size(), number);
  return error == std::errc() && end == field->data() + field->size();
}

std::optional<PageToken> Read(std::string_view content) {
  PageToken token;
  const auto version = TakeField(content);
  if (!version || *version != kVersion) return std::nullopt;
  if (!TakeNumber(content, token.first_epoch) || !TakeNumber(content, token.after.job.value) ||
      !TakeNumber(content, token.after.group) || !TakeNumber(content, token.after.position) ||
      !TakeNumber(content, token.after_attempt)) {
    return std::nullopt;
  }
  const auto name = TakeField(content);
  if (!name || !content.empty()) return std::nullopt;
  if (!name->empty() && !wire::kNodeName.matches(*name)) return std::nullopt;
  token.after_name = std::string(*name);
  return token;
}

}  // namespace

std::string EncodePageToken(const PageToken& token, std::string_view request) {
  std::string content(kVersion);
  for (const uint64_t number :
       {token.first_epoch, token.after.job.value, uint64_t{token.after.group},
        uint64_t{token.after.position}, uint64_t{token.after_attempt}}) {
    content += "/" + std::to_string(number);
  }
  content += "/" + token.after_name + "/";
  const uint64_t hash = HashOf(content, request);
  return absl::WebSafeBase64Escape(content + std::to_string(hash));
}

absl::StatusOr<PageToken> DecodePageToken(std::string_view text, std::string_view request) {
  const absl::Status refused = absl::InvalidArgumentError(
      "is not a token of this list; send next_page_token back as it came, with the same request, "
      "or leave it out to begin again");
  std::string plain;
  if (text.size() > kLongestToken || !absl::WebSafeBase64Unescape(base::A(text), &plain)) {
    return refused;
  }
  const size_t end = plain.rfind('/') + 1;  // 0 when there is none
  const std::string_view content = std::string_view(plain).substr(0, end);
  if (std::string_view(plain).substr(end) != std::to_string(HashOf(content, request))) {
    return refused;
  }
  const auto token = Read(content);
  if (!token) return refused;
  return *token;
}

}  // namespace berth::api
