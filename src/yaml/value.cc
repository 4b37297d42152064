#include "yaml/value.h"

#include <algorithm>

namespace berth::yaml {

Value Value::Bool(bool value) {
  Value result;
  result.data_ = value;
  result.text_ = value ? "true" : "false";
  return result;
}

Value Value::Int(int64_t value) {
  Value result;
  result.data_ = value;
  result.text_ = std::to_string(value);
  return result;
}

Value Value::Double(double value) {
  Value result;
  result.data_ = value;
  return result;
}

Value Value::String(std::string value) {
  Value result;
  result.text_ = value;
  result.data_ = std::move(value);
  return result;
}

Value Value::Sequence(List items) {
  Value result;
  result.data_ = std::move(items);
  return result;
}

Value Value::Mapping(Map entries) {
  Value result;
  result.data_ = std::move(entries);
  return result;
}

const Value* Value::Find(std::string_view key) const {
  const Map& entries = map();
  const auto at = std::find_if(entries.begin(), entries.end(),
                               [&](const Entry& entry) { return entry.key == key; });
  return at == entries.end() ? nullptr : &at->value;
}

void Value::Set(std::string key, Value value) {
  if (is_null()) data_ = Map();
  std::get<Map>(data_).push_back({std::move(key), std::move(value), Position()});
}

std::string Value::Describe() const {
  if (is_null()) return "nothing";
  if (is_list()) return "a list";
  if (is_map()) return "a map";
  constexpr std::size_t kMaxQuoted = 64;
  std::string shown;
  for (const char c : std::string_view(text_).substr(0, kMaxQuoted)) {
    shown += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  if (text_.size() > kMaxQuoted) shown += "...";
  if (is_bool()) return "the boolean " + shown;
  if (is_int()) return "the integer " + shown;
  if (is_double()) return "the number " + shown;
  return "\"" + shown + "\"";
}

}  // namespace berth::yaml
