// Strict reading of a YAML tree into structs.
//
// A decoder asks a MapReader for each key that it knows and calls Finish(), which reports every key
// that nobody asked for, with the known name that was likely meant. Values of a wrong type, unit or
// range are reported where they stand; the target keeps what it had. Nothing stops at the first
// problem: Problems holds them all, and the caller drops the result when there is any.
//
// Threading: one thread at a time. Cost: O(tree).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "yaml/problems.h"
#include "yaml/value.h"

namespace berth::yaml {

// A value with its name for messages. Borrows both; they must outlive it.
class Node {
 public:
  Node(const Value& value, std::string path, Problems& problems)
      : value_(&value), path_(std::move(path)), problems_(&problems) {}

  const Value& value() const { return *value_; }
  // "groups[0].resources.cpu"; empty for the root.
  const std::string& path() const { return path_; }
  Problems& problems() const { return *problems_; }

  void Fail(std::string message) const;

  // Scalars. Empty, with a problem reported, when the value is not one. A string is the text of any
  // scalar but null, as it was written: 1.10 stays "1.10". It holds no NUL byte.
  std::optional<std::string> String() const;
  std::optional<bool> Bool() const;
  std::optional<int64_t> Int(int64_t least, int64_t most) const;
  std::optional<double> Double(double least, double most) const;
  std::optional<int64_t> CpuMilli() const;
  std::optional<int64_t> Bytes() const;
  std::optional<int64_t> BitsPerSecond() const;
  std::optional<absl::Duration> Duration(absl::Duration least, absl::Duration most) const;
  // Position of the text in `names`.
  std::optional<std::size_t> OneOf(std::span<const std::string_view> names) const;

  // The items of a list; none, with a problem reported, when it is no list. Null is an empty list.
  std::vector<Node> Items() const;
  // As Items, of strings.
  std::vector<std::string> Strings() const;
  // Keys and strings of a map. Null is an empty map.
  std::map<std::string, std::string> StringMap() const;

 private:
  const Value* value_;
  std::string path_;
  Problems* problems_;
};

// Reads the entries of one map. Null counts as a map without entries; what is not a map is reported
// once, and every key is then absent.
class MapReader {
 public:
  explicit MapReader(const Node& node);

  // The value of `key`, which is known from now on. Absent: empty.
  std::optional<Node> Get(std::string_view key);
  // As Get; reports that the key is missing.
  std::optional<Node> Require(std::string_view key);

  // Each: when the key is there with a valid value, writes it to *target and returns true.
  bool String(std::string_view key, std::string* target);
  bool Bool(std::string_view key, bool* target);
  bool Int(std::string_view key, int64_t least, int64_t most, int64_t* target);
  bool Int32(std::string_view key, int32_t least, int32_t most, int32_t* target);
  bool CpuMilli(std::string_view key, int64_t* target);
  bool Bytes(std::string_view key, int64_t* target);
  bool BitsPerSecond(std::string_view key, int64_t* target);
  bool Duration(std::string_view key, absl::Duration least, absl::Duration most,
                absl::Duration* target);
  bool StringMap(std::string_view key, std::map<std::string, std::string>* target);

  // Reports `key`, when it is there, with "is not honoured yet" and `why`.
  void NotHonoured(std::string_view key, std::string_view why);
  // Knows `key` and lets it be.
  void Ignore(std::string_view key);

  // Reports a problem of `key` where it stands, else of the map.
  void Fail(std::string_view key, std::string message) const;

  // Reports every key that was not asked for. Call once, last.
  void Finish();

 private:
  std::string PathOf(std::string_view key) const;

  const Node node_;
  const bool is_map_;
  std::vector<std::string> known_;
};

}  // namespace berth::yaml
