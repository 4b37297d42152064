#include "agentd/attempt_key.h"

#include <charconv>

namespace berth::agentd {
namespace {

// Reads a number without sign or leading zero from the front of `text`.
template <typename Number>
bool TakeNumber(std::string_view& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || text.front() == '-' || (text.front() == '0' && end > text.data() + 1))
    return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

bool TakeChar(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

AttemptKey FromProto(const v1::AttemptKey& key) {
  return {key.job_id(), key.group(), key.index(), key.attempt()};
}

v1::AttemptKey ToProto(const AttemptKey& key) {
  v1::AttemptKey proto;
  proto.set_job_id(key.job_id);
  proto.set_group(key.group);
  proto.set_index(key.index);
  proto.set_attempt(key.attempt);
  return proto;
}

std::string ToString(const AttemptKey& key) {
  return std::to_string(key.job_id) + "." + std::to_string(key.group) + "." +
         std::to_string(key.index) + "#" + std::to_string(key.attempt);
}

std::optional<AttemptKey> ParseAttemptKey(std::string_view name) {
  AttemptKey key;
  if (TakeNumber(name, key.job_id) && TakeChar(name, '.') && TakeNumber(name, key.group) &&
      TakeChar(name, '.') && TakeNumber(name, key.index) && TakeChar(name, '#') &&
      TakeNumber(name, key.attempt) && name.empty()) {
    return key;
  }
  return std::nullopt;
}

}  // namespace berth::agentd
