#include "features/cache_key.h"

#include <re2/re2.h>

#include <array>
#include <bit>
#include <cstdint>

namespace berth::features {
namespace {

struct KeyRule {
  re2::RE2 pattern;
  const char* replacement;
};

// In order: a date before the numbers in it.
const std::array<KeyRule, 7>& KeyRules() {
  static const auto* const rules = new std::array<KeyRule, 7>{{
      {re2::RE2(
           R"re(\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)re"),
       "#uuid"},
      {re2::RE2(
           R"re(\b(?:19|20)\d\d[-/.](?:1[0-2]|0?[1-9])[-/.](?:[12]\d|3[01]|0?[1-9])(?:[T _]\d\d[:\-]?\d\d(?:[:\-]?\d\d(?:\.\d+)?)?(?:Z|[+\-]\d\d:?\d\d)?)?)re"),
       "#date"},
      {re2::RE2(R"re((?i)((?:\b|_)(?:random[_\-]?)?seed["']?\s*[=: ]\s*)\d+)re"), "\\1#"},
      {re2::RE2(R"re(\b(?:\d+[a-fA-F]|[a-fA-F]+\d)[0-9a-fA-F]{10,}\b)re"), "#hex"},
      {re2::RE2(R"re((/[^\s/"']*?)\d{4,})re"), "\\1#"},
      {re2::RE2(R"re([ \t]+)re"), " "},
      {re2::RE2(R"re(\n\s*\n)re"), "\n"},
  }};
  return *rules;
}

void AddWithLength(std::string_view part, base::Sha256& sha) {
  const uint64_t size = part.size();
  char length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(size >> (8 * i));
  sha.Add({length, sizeof length});
  sha.Add(part);
}

}  // namespace

std::string NormalisedForKey(std::string_view text) {
  std::string out(text);
  for (const KeyRule& rule : KeyRules()) {
    re2::RE2::GlobalReplace(&out, rule.pattern, rule.replacement);
  }
  return out;
}

base::Sha256Digest CacheKey(const CacheKeyParts& parts) {
  base::Sha256 sha;
  const CleanJobText& text = parts.text;
  for (const std::string* field :
       {&text.name, &text.description, &text.script, &text.command, &text.image}) {
    AddWithLength(NormalisedForKey(*field), sha);
  }
  for (const std::string_view part :
       {parts.declared, std::string_view(parts.files.schema_version),
        std::string_view(parts.files.prompt_version), parts.model, parts.name_space, parts.salt}) {
    AddWithLength(part, sha);
  }
  return sha.Digest();
}

int64_t DeclaredBucket(int64_t amount) {
  if (amount <= 0) return 0;
  if (amount > int64_t{1} << 62) return int64_t{1} << 62;
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(amount)));
}

}  // namespace berth::features
