#include "features/untrusted_text.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "base/utf8.h"

namespace berth::features {
namespace {

struct CodePoints {
  char32_t first;
  char32_t last;
};

// Without a shape of their own, or changing that of others. In order.
constexpr std::array kUnseen = std::to_array<CodePoints>({
    {0xAD, 0xAD},        // soft hyphen
    {0x34F, 0x34F},      // combining grapheme joiner
    {0x61C, 0x61C},      // Arabic letter mark
    {0x115F, 0x1160},    // Hangul fillers
    {0x17B4, 0x17B5},    // Khmer vowels without a shape
    {0x180B, 0x180F},    // Mongolian selectors
    {0x200B, 0x200F},    // zero-width, and marks of direction
    {0x202A, 0x202E},    // embeddings and overrides of direction
    {0x2060, 0x206F},    // joiners, invisible operators, isolates
    {0x3164, 0x3164},    // Hangul filler
    {0xFE00, 0xFE0F},    // variation selectors
    {0xFEFF, 0xFEFF},    // byte order mark
    {0xFFA0, 0xFFA0},    // half-width Hangul filler
    {0xFFF0, 0xFFFB},    // annotations
    {0x1BCA0, 0x1BCA3},  // of shorthand
    {0x1D173, 0x1D17A},  // of musical notation
    {0xE0000, 0xE0FFF},  // tags, further variation selectors
});

bool IsUnseen(char32_t c) {
  const auto* range = std::lower_bound(kUnseen.begin(), kUnseen.end(), c,
                                       [](const CodePoints& r, char32_t p) { return r.last < p; });
  return range != kUnseen.end() && range->first <= c;
}

bool IsNoncharacter(char32_t c) { return (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF); }

// How many bytes of an escape sequence stand at the beginning of `text`, after its introducer.
// CSI: parameters, then one byte from @ to ~.
size_t ControlSequenceBytes(std::string_view text) {
  size_t i = 0;
  while (i < text.size() && text[i] >= 0x20 && text[i] <= 0x3F) ++i;
  return i < text.size() && text[i] >= 0x40 && text[i] <= 0x7E ? i + 1 : i;
}

// A string for the terminal (a title, a link, ...), up to its end: BEL or ESC \. One that does not
// end on its line is taken for stray characters, so that it hides nothing of the text.
size_t ControlStringBytes(std::string_view text) {
  const size_t end = text.find_first_of("\a\x1b\n");
  if (end == std::string_view::npos || text[end] == '\n') return 0;
  if (text[end] == '\a') return end + 1;
  return end + 1 < text.size() && text[end + 1] == '\\' ? end + 2 : 0;
}

// Of what follows ESC.
size_t EscapeBytes(std::string_view text) {
  if (text.empty()) return 0;
  if (text[0] == '[') return 1 + ControlSequenceBytes(text.substr(1));
  if (std::string_view("]PX^_").find(text[0]) != std::string_view::npos) {
    return 1 + ControlStringBytes(text.substr(1));
  }
  size_t i = 0;  // such as ESC ( B
  while (i < text.size() && text[i] >= 0x20 && text[i] <= 0x2F) ++i;
  return i < text.size() && text[i] >= 0x30 && text[i] <= 0x7E ? i + 1 : i;
}

struct SecretPattern {
  const char* pattern;
  const char* replacement;
};

// In the order in which they are looked for: what has most of a shape first. What is left of a
// match (\1) says what the secret was for.
constexpr std::array kSecretPatterns = std::to_array<SecretPattern>({
    {R"re((?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z))re",
     "[private key removed]"},
    {R"re(\b(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA)[A-Z0-9]{16}\b)re", "[AWS key removed]"},
    {R"re(\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})\b)re",
     "[GitHub token removed]"},
    {R"re(\bglpat-[A-Za-z0-9_\-]{16,})re", "[GitLab token removed]"},
    {R"re(\b(?:hf|api_org)_[A-Za-z0-9]{20,}\b)re", "[Hugging Face token removed]"},
    {R"re(\bsk-[A-Za-z0-9_\-]{16,})re", "[API key removed]"},
    {R"re(\bxox[abeoprs]-[A-Za-z0-9\-]{8,})re", "[Slack token removed]"},
    {R"re(https://hooks\.slack\.com/[A-Za-z0-9/_\-]+)re", "[Slack hook removed]"},
    {R"re(\bAIza[A-Za-z0-9_\-]{30,})re", "[Google key removed]"},
    {R"re(\bya29\.[A-Za-z0-9_\-.]{20,})re", "[Google token removed]"},
    {R"re(\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*)re", "[JWT removed]"},
    {R"re(\b(?:npm_|pypi-|dop_v1_|SG\.|sk_live_|rk_live_|sk_test_|AGE-SECRET-KEY-)[A-Za-z0-9_\-.]{16,})re",
     "[token removed]"},
    // The user and password of a URL, up to the last @ before its path.
    {R"re(([A-Za-z][A-Za-z0-9+.\-]{1,20}://)[^\s/"'<>]*@)re", "\\1[login removed]@"},
    {R"re((?i)\b((?:proxy-)?authorization["']?\s*[:=]\s*["']?)[^\s"'\[][^\r\n"']*)re",
     "\\1[removed]"},
    {R"re((?i)\b(bearer\s+)[A-Za-z0-9._~+/=\-]{8,})re", "\\1[removed]"},
    {R"re((?i)\b((?:set-)?cookie:\s*)[^\r\n"']+)re", "\\1[removed]"},
    // Signatures in the query of a URL.
    {R"re((?i)([?&](?:sig|signature|x-amz-signature|x-amz-security-token|x-amz-credential|token|access_token|key|api_key|password)=)[^&\s"']+)re",
     "\\1[removed]"},
    // NAME_WITH_SECRET=value, name: value, --name value, "name": "value"; also 密码：value.
    {R"re((?i)((?:[A-Za-z0-9_.\-]*(?:passw(?:or)?d|passwd|passphrase|secret|token|api[_\-]?key|apikey|access[_\-]?key|private[_\-]?key|credentials?|auth[_\-]?key|encryption[_\-]?key|account[_\-]?key|_key|_pass|_pwd|_psk)|\b(?:pwd|pass|pat))["']?\s*[:=]\s*)(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s"'\[;&|)][^\s"';&|)]*))re",
     "\\1[removed]"},
    {R"re((?i)(--?[A-Za-z0-9\-]*(?:passw(?:or)?d|passphrase|secret|token|api-?key|access-?key)\s+)(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s"'\-\[][^\s"']*))re",
     "\\1[removed]"},
    {R"re(((?:密码|口令|密钥|令牌)\s*(?:是|为|[:：=])\s*)[^\s，。；、\[]+)re", "\\1[removed]"},
    {R"re((?i)\b((?:password|passphrase|secret|api key)\s+is\s+)[^\s\[]+)re", "\\1[removed]"},
    {R"re((?i)\b((?:curl|wget)\b[^\n]*?\s(?:-u|--user)[\s=]+)[^\s\[]+)re", "\\1[removed]"},
    {R"re((\bsshpass\s+-p\s*)[^\s\[]+)re", "\\1[removed]"},
    {R"re((\b(?:mysql|mysqldump|mariadb)\b[^\n]*?\s-p)[^\s\[]+)re", "\\1[removed]"},
    // Lines of base64: the inside of a key whose beginning was cut off, a wrapped archive.
    {R"re((?m)^[ \t>#]*[A-Za-z0-9+/]{48,}={0,2}[ \t]*$)re", "[base64 removed]"},
});

struct CompiledSecret {
  std::unique_ptr<re2::RE2> pattern;
  const char* replacement;
};

const std::vector<CompiledSecret>& CompiledSecrets() {
  static const auto* const compiled = [] {
    auto* all = new std::vector<CompiledSecret>();
    for (const SecretPattern& secret : kSecretPatterns) {
      all->push_back({std::make_unique<re2::RE2>(secret.pattern), secret.replacement});
    }
    return all;
  }();
  return *compiled;
}

}  // namespace

std::string PlainText(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  while (!text.empty()) {
    const base::Utf8Character character = base::DecodeUtf8(text);
    const std::string_view bytes = text.substr(0, character.bytes);
    const char32_t c = character.code_point;
    text.remove_prefix(character.bytes);
    if (!character.valid || IsNoncharacter(c)) {
      plain += "\xEF\xBF\xBD";
    } else if (c == 0x1B) {
      text.remove_prefix(EscapeBytes(text));
    } else if (c == 0x9B) {
      text.remove_prefix(ControlSequenceBytes(text));
    } else if (c == '\r') {
      if (text.empty() || text[0] != '\n') plain += '\n';
    } else if (c == 0x85 || c == 0x2028 || c == 0x2029) {
      plain += '\n';
    } else if (c == '\t' || c == '\n' ||
               (c >= 0x20 && c != 0x7F && !(c >= 0x80 && c < 0xA0) && !IsUnseen(c))) {
      plain += bytes;
    }
  }
  return plain;
}

std::string WithoutSecrets(std::string_view text) {
  std::string out(text);
  for (const CompiledSecret& secret : CompiledSecrets()) {
    re2::RE2::GlobalReplace(&out, *secret.pattern, secret.replacement);
  }
  return out;
}

std::string HeadAndTail(std::string_view text, size_t most_bytes) {
  if (text.size() <= most_bytes) return std::string(text);
  constexpr std::string_view kNote = "\n[text left out here]\n";
  const size_t kept = most_bytes - kNote.size();
  const std::string_view head = base::CutUtf8(text, kept - kept / 2);
  std::string_view tail = text.substr(text.size() - kept / 2);
  while (!tail.empty() && (static_cast<unsigned char>(tail[0]) & 0xC0) == 0x80) {
    tail.remove_prefix(1);
  }
  return std::string(head).append(kNote).append(tail);
}

}  // namespace berth::features
