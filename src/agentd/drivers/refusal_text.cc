#include "agentd/drivers/refusal_text.h"

#include <string.h>

#include "base/utf8.h"

namespace berth::agentd {
namespace {

constexpr size_t kMostQuotedBytes = 200;

}  // namespace

std::string Shortened(std::string_view text) {
  const std::string valid = base::ToValidUtf8(text);
  const std::string_view kept = base::CutUtf8(valid, kMostQuotedBytes);
  return std::string(kept) + (kept.size() < valid.size() ? "\u2026" : "");
}

std::string Quoted(std::string_view text) { return "\"" + Shortened(text) + "\""; }

std::string ErrorText(int error) {
  char buffer[256];
  return strerror_r(error, buffer, sizeof(buffer));
}

}  // namespace berth::agentd
