#include "yaml/decode.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/status/statusor.h"
#include "base/did_you_mean.h"
#include "base/quantities.h"
#include "base/strings.h"

namespace berth::yaml {
namespace {

std::string Quote(std::string_view text) { return Value::String(std::string(text)).Describe(); }

// What was likely meant by an unknown key: a name that is spelled nearly so, or one of which the
// key is the long or the short form (stateDirectory, stateDir).
std::string Proposal(const std::string& key, const std::vector<std::string_view>& names) {
  std::string proposal = base::DidYouMean(key, names);
  constexpr std::size_t kLeastCommon = 4;
  for (const std::string_view name : names) {
    const std::size_t common = std::min(key.size(), name.size());
    if (!proposal.empty() || common < kLeastCommon) continue;
    if (key.compare(0, common, name, 0, common) == 0) {
      proposal = " (did you mean \"" + std::string(name) + "\"?)";
    }
  }
  return proposal;
}

// The parsed amount, or nothing with the parser's own words reported.
template <typename T>
std::optional<T> OrFail(const Node& node, absl::StatusOr<T> parsed) {
  if (parsed.ok()) return *std::move(parsed);
  node.Fail(base::S(parsed.status().message()));
  return std::nullopt;
}

// The text of a scalar that stands for an amount.
std::optional<std::string> AmountText(const Node& node, const char* expected) {
  const Value& value = node.value();
  if (value.is_scalar() && !value.is_null() && !value.is_bool()) return value.text();
  node.Fail(std::string("expected ") + expected + ", found " + value.Describe());
  return std::nullopt;
}

}  // namespace

void Node::Fail(std::string message) const {
  problems_->Add(value_->position(), path_, std::move(message));
}

std::optional<std::string> Node::String() const {
  if (value_->is_null()) {
    Fail("has no value; write \"\" for an empty text, or leave the key out");
    return std::nullopt;
  }
  if (!value_->is_scalar()) {
    Fail("expected text, found " + value_->Describe());
    return std::nullopt;
  }
  if (value_->text().find('\0') != std::string::npos) {
    Fail("contains a NUL byte");
    return std::nullopt;
  }
  return value_->text();
}

std::optional<bool> Node::Bool() const {
  if (value_->is_bool()) return value_->as_bool();
  Fail("expected true or false, found " + value_->Describe());
  return std::nullopt;
}

std::optional<int64_t> Node::Int(int64_t least, int64_t most) const {
  // A number that does not fit int64 resolves to a double; its text says what is wrong with it.
  if (value_->is_int() || (value_->is_double() &&
                           value_->text().find_first_not_of("+-0123456789") == std::string::npos)) {
    if (value_->is_int() && value_->as_int() >= least && value_->as_int() <= most) {
      return value_->as_int();
    }
    Fail(value_->text() + " is out of range: from " + std::to_string(least) + " to " +
         std::to_string(most));
    return std::nullopt;
  }
  // 1_000_000 is text to YAML.
  if (value_->is_string()) {
    if (const auto parsed = base::ParseCount(value_->text(), least, most); parsed.ok()) {
      return *parsed;
    }
  }
  Fail("expected a whole number from " + std::to_string(least) + " to " + std::to_string(most) +
       ", found " + value_->Describe());
  return std::nullopt;
}

std::optional<double> Node::Double(double least, double most) const {
  const bool number = value_->is_int() || value_->is_double();
  const double found = value_->is_int()      ? static_cast<double>(value_->as_int())
                       : value_->is_double() ? value_->as_double()
                                             : 0;
  if (number && found >= least && found <= most) return found;
  Fail("expected a number from " + std::to_string(least) + " to " + std::to_string(most) +
       ", found " + value_->Describe());
  return std::nullopt;
}

std::optional<int64_t> Node::CpuMilli() const {
  const std::optional<std::string> text = AmountText(*this, "an amount of CPU, as 2 or 500m");
  return text ? OrFail(*this, base::ParseCpuMilli(*text)) : std::nullopt;
}

std::optional<int64_t> Node::Bytes() const {
  const std::optional<std::string> text = AmountText(*this, "an amount of bytes, as 2Gi");
  return text ? OrFail(*this, base::ParseBytes(*text)) : std::nullopt;
}

std::optional<int64_t> Node::BitsPerSecond() const {
  const std::optional<std::string> text = AmountText(*this, "a bandwidth, as 10Gbit");
  return text ? OrFail(*this, base::ParseBitsPerSecond(*text)) : std::nullopt;
}

std::optional<absl::Duration> Node::Duration(absl::Duration least, absl::Duration most) const {
  const std::optional<std::string> text = AmountText(*this, "a duration, as 10s");
  if (!text) return std::nullopt;
  const std::optional<absl::Duration> parsed = OrFail(*this, base::ParseDuration(*text));
  if (!parsed) return std::nullopt;
  if (*parsed < least || *parsed > most) {
    Fail(*text + " is out of range: from " + base::FormatExactDuration(least) + " to " +
         base::FormatExactDuration(most));
    return std::nullopt;
  }
  return parsed;
}

std::optional<std::size_t> Node::OneOf(std::span<const std::string_view> names) const {
  const std::optional<std::string> text = String();
  if (!text) return std::nullopt;
  const auto at = std::find(names.begin(), names.end(), *text);
  if (at != names.end()) return static_cast<std::size_t>(at - names.begin());
  std::string accepted;
  for (const std::string_view name : names) {
    if (!accepted.empty()) accepted += name == names.back() ? " or " : ", ";
    accepted += name;
  }
  Fail("expected " + accepted + ", found " + value_->Describe() + base::DidYouMean(*text, names));
  return std::nullopt;
}

std::vector<Node> Node::Items() const {
  std::vector<Node> items;
  if (value_->is_null()) return items;
  if (!value_->is_list()) {
    Fail("expected a list, found " + value_->Describe());
    return items;
  }
  for (const Value& item : value_->list()) {
    items.emplace_back(item, path_ + "[" + std::to_string(items.size()) + "]", *problems_);
  }
  return items;
}

std::vector<std::string> Node::Strings() const {
  std::vector<std::string> strings;
  for (const Node& item : Items()) {
    if (std::optional<std::string> text = item.String()) strings.push_back(*std::move(text));
  }
  return strings;
}

std::map<std::string, std::string> Node::StringMap() const {
  std::map<std::string, std::string> strings;
  if (value_->is_null()) return strings;
  if (!value_->is_map()) {
    Fail("expected a map of text, found " + value_->Describe());
    return strings;
  }
  for (const Value::Entry& entry : value_->map()) {
    const Node child(entry.value, path_ + "." + entry.key, *problems_);
    if (entry.key.find('\0') != std::string::npos) child.Fail("its key contains a NUL byte");
    if (std::optional<std::string> text = child.String()) strings[entry.key] = *std::move(text);
  }
  return strings;
}

MapReader::MapReader(const Node& node)
    : node_(node), is_map_(node.value().is_map() || node.value().is_null()) {
  if (!is_map_) node_.Fail("expected a map, found " + node_.value().Describe());
}

std::string MapReader::PathOf(std::string_view key) const {
  return node_.path().empty() ? std::string(key) : node_.path() + "." + std::string(key);
}

std::optional<Node> MapReader::Get(std::string_view key) {
  known_.emplace_back(key);
  if (!node_.value().is_map()) return std::nullopt;
  const Value* const value = node_.value().Find(key);
  if (value == nullptr) return std::nullopt;
  return Node(*value, PathOf(key), node_.problems());
}

std::optional<Node> MapReader::Require(std::string_view key) {
  std::optional<Node> node = Get(key);
  if (!node && is_map_) {
    node_.problems().Add(node_.value().position(), PathOf(key), "is required and missing");
  }
  return node;
}

namespace {

template <typename T, typename U>
bool Assign(std::optional<T> value, U* target) {
  if (!value) return false;
  *target = static_cast<U>(*std::move(value));
  return true;
}

}  // namespace

bool MapReader::String(std::string_view key, std::string* target) {
  const std::optional<Node> node = Get(key);
  return node && Assign(node->String(), target);
}

bool MapReader::Bool(std::string_view key, bool* target) {
  const std::optional<Node> node = Get(key);
  return node && Assign(node->Bool(), target);
}

bool MapReader::Int(std::string_view key, int64_t least, int64_t most, int64_t* target) {
  const std::optional<Node> node = Get(key);
  return node && Assign(node->Int(least, most), target);
}

bool MapReader::Int32(std::string_view key, int32_t least, int32_t most, int32_t* target) {
  const std::optional<Node> node = Get(key);
  return node && Assign(node->Int(least, most), target);
}

bool MapReader::CpuMilli(std::string_view key, int64_t* target) {
  const std::optional<Node> node = Get(key);
  return node && Assign(node->CpuMilli(), target);
}

bool MapReader::Bytes(std::string_view key, int64_t* target) {
  const std::optional<Node> node = Get(key);
  return node && Assign(node->Bytes(), target);
}

bool MapReader::BitsPerSecond(std::string_view key, int64_t* target) {
  const std::optional<Node> node = Get(key);
  return node && Assign(node->BitsPerSecond(), target);
}

bool MapReader::Duration(std::string_view key, absl::Duration least, absl::Duration most,
                         absl::Duration* target) {
  const std::optional<Node> node = Get(key);
  return node && Assign(node->Duration(least, most), target);
}

bool MapReader::StringMap(std::string_view key, std::map<std::string, std::string>* target) {
  const std::optional<Node> node = Get(key);
  if (!node) return false;
  *target = node->StringMap();
  return true;
}

void MapReader::NotHonoured(std::string_view key, std::string_view why) {
  if (const std::optional<Node> node = Get(key)) {
    node->Fail("is not honoured yet: " + std::string(why));
  }
}

void MapReader::Ignore(std::string_view key) { known_.emplace_back(key); }

void MapReader::Fail(std::string_view key, std::string message) const {
  const Value* const value = node_.value().is_map() ? node_.value().Find(key) : nullptr;
  node_.problems().Add((value != nullptr ? *value : node_.value()).position(), PathOf(key),
                       std::move(message));
}

void MapReader::Finish() {
  if (!node_.value().is_map()) return;
  const std::vector<std::string_view> names(known_.begin(), known_.end());
  // A proposal costs more than the rest of a line; a file of unknown keys alone gets no more.
  constexpr int kMostProposals = 20;
  int proposals = 0;
  for (const Value::Entry& entry : node_.value().map()) {
    if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
    std::string message = "unknown key " + Quote(entry.key);
    if (proposals++ < kMostProposals) message += Proposal(entry.key, names);
    node_.problems().Add(entry.key_position, node_.path(), std::move(message));
  }
}

}  // namespace berth::yaml
