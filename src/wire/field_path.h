// Where in a message something is wrong, and what.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace berth::wire {

// The way from a message to one of its fields: "groups[0].template.resources.memory_bytes".
//
// A chain on the stack of the functions that walk the message: nothing is put together until
// somebody asks. Each link refers to its parent and to the key given to it, which outlive it.
class FieldPath {
 public:
  explicit FieldPath(std::string_view name) : name_(name) {}
  FieldPath(const FieldPath& parent, std::string_view name) : parent_(&parent), name_(name) {}
  FieldPath(const FieldPath& parent, std::string_view name, int index)
      : parent_(&parent), name_(name), index_(index) {}
  // An entry of a map: labels["team"].
  FieldPath(const FieldPath& parent, std::string_view name, std::string_view key)
      : parent_(&parent), name_(name), key_(key), has_key_(true) {}
  FieldPath(const FieldPath&) = delete;
  FieldPath& operator=(const FieldPath&) = delete;

  // The root of a message: adds nothing to the path.
  static const FieldPath& Root();

  std::string ToString() const;

 private:
  FieldPath() = default;

  const FieldPath* parent_ = nullptr;
  std::string_view name_;
  int index_ = -1;
  std::string_view key_;
  bool has_key_ = false;
};

struct FieldViolation {
  std::string field;        // path; may be empty
  std::string description;  // what is wrong, and what is accepted

  bool operator==(const FieldViolation&) const = default;
};

// All that is wrong with a message: people mend everything at once.
//
// Keeps the first kMost; a hostile message with a million faults costs no more than that.
class Violations {
 public:
  static constexpr size_t kMost = 50;

  void Add(const FieldPath& field, std::string description);
  // A field that the schema has and this version does nothing with.
  void AddNotHonoured(const FieldPath& field);
  // A field that the schema of this version does not have, within the message at `message`.
  void AddUnknown(const FieldPath& message, int number);

  bool empty() const { return invalid_ == 0 && not_honoured_ == 0; }
  // Some field is wrong, and not just unheard of.
  bool any_invalid() const { return invalid_ > 0; }
  const std::vector<FieldViolation>& list() const { return list_; }
  // "groups[0].name: ...; and 2 more".
  std::string Summary() const;

 private:
  size_t invalid_ = 0;
  size_t not_honoured_ = 0;
  std::vector<FieldViolation> list_;
};

}  // namespace berth::wire
