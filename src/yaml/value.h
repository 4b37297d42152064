// A YAML document as a tree of typed values, each with its place in the file.
//
// The tree is what the decoders of config/ and jobfile/ read, and what a plugin's arguments are
// kept as. It is plain data and knows nothing of the library that parsed it.
//
// Threading: values; const access from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace berth::yaml {

// Where something stands in its file, counted from 1. 0: nowhere (it was made in memory).
struct Position {
  int line = 0;
  int column = 0;
};

class Value {
 public:
  struct Entry;
  using List = std::vector<Value>;
  // In the order of the file; keys are unique.
  using Map = std::vector<Entry>;

  // Null.
  Value() = default;

  static Value Bool(bool value);
  static Value Int(int64_t value);
  static Value Double(double value);
  static Value String(std::string value);
  static Value Sequence(List items);
  static Value Mapping(Map entries);

  bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_int() const { return std::holds_alternative<int64_t>(data_); }
  bool is_double() const { return std::holds_alternative<double>(data_); }
  bool is_string() const { return std::holds_alternative<std::string>(data_); }
  bool is_list() const { return std::holds_alternative<List>(data_); }
  bool is_map() const { return std::holds_alternative<Map>(data_); }
  bool is_scalar() const { return !is_list() && !is_map(); }

  // REQUIRES: the value is of that kind.
  bool as_bool() const { return std::get<bool>(data_); }
  int64_t as_int() const { return std::get<int64_t>(data_); }
  double as_double() const { return std::get<double>(data_); }
  const std::string& as_string() const { return std::get<std::string>(data_); }
  const List& list() const { return std::get<List>(data_); }
  const Map& map() const { return std::get<Map>(data_); }

  // The entry of `key`, or null. REQUIRES: is_map(). O(entries).
  const Value* Find(std::string_view key) const;

  // Adds an entry at the end; null becomes a map first. REQUIRES: a map or null, without `key`.
  void Set(std::string key, Value value);

  // A scalar exactly as it was written, without quotes: "1.10" where as_double() is 1.1. Empty for
  // lists and maps.
  const std::string& text() const { return text_; }
  void set_text(std::string text) { text_ = std::move(text); }

  // What it is, for messages: `the integer 7`, `a list`, `nothing`.
  std::string Describe() const;

  Position position() const { return position_; }
  void set_position(Position position) { position_ = position; }

  // Compares contents; places and spelling do not count.
  friend bool operator==(const Value& a, const Value& b) { return a.data_ == b.data_; }

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, List, Map> data_;
  std::string text_;
  Position position_;
};

struct Value::Entry {
  std::string key;
  Value value;
  Position key_position;

  friend bool operator==(const Entry& a, const Entry& b) {
    return a.key == b.key && a.value == b.value;
  }
};

}  // namespace berth::yaml
