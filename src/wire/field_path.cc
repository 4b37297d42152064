#include "wire/field_path.h"

#include <utility>

namespace berth::wire {
namespace {

// Keys come from the sender: quoted, cut, and without what would garble a terminal.
std::string QuotedKey(std::string_view key) {
  constexpr size_t kMostBytes = 64;
  std::string text = "[\"";
  for (const char c : key.substr(0, kMostBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    text += byte < 0x20 || byte >= 0x7f || c == '"' ? '?' : c;
  }
  return text + (key.size() > kMostBytes ? "...\"]" : "\"]");
}

}  // namespace

const FieldPath& FieldPath::Root() {
  static const FieldPath root;
  return root;
}

std::string FieldPath::ToString() const {
  std::string text = parent_ == nullptr ? "" : parent_->ToString();
  if (!text.empty() && !name_.empty()) text += ".";
  text.append(name_);
  if (index_ >= 0) text += "[" + std::to_string(index_) + "]";
  if (has_key_) text += QuotedKey(key_);
  return text;
}

void Violations::Add(const FieldPath& field, std::string description) {
  ++invalid_;
  if (list_.size() < kMost) list_.push_back({field.ToString(), std::move(description)});
}

void Violations::AddNotHonoured(const FieldPath& field) {
  ++not_honoured_;
  if (list_.size() < kMost) {
    list_.push_back(
        {field.ToString(), "is not honoured by this version of berthd; leave the field out"});
  }
}

void Violations::AddUnknown(const FieldPath& message, int number) {
  ++not_honoured_;
  if (list_.size() < kMost) {
    list_.push_back(
        {message.ToString(), "field " + std::to_string(number) +
                                 " is not known to this berthd; it may be of a newer client"});
  }
}

std::string Violations::Summary() const {
  if (list_.empty()) return "";
  const FieldViolation& first = list_.front();
  std::string text =
      first.field.empty() ? first.description : first.field + ": " + first.description;
  const size_t more = invalid_ + not_honoured_ - 1;
  if (more > 0) text += "; and " + std::to_string(more) + " more";
  return text;
}

}  // namespace berth::wire
