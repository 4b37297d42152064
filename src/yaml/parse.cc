#include "yaml/parse.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <istream>
#include <limits>
#include <optional>
#include <set>
#include <streambuf>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/utf8.h"

namespace berth::yaml {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string Place(const std::string& file, Position position) {
  return file + ":" + std::to_string(position.line) + ":" + std::to_string(position.column) + ": ";
}

Position PositionOf(const YAML::Mark& mark) {
  // yaml-cpp counts from 0, and says -1 where it does not know.
  return {std::max(mark.line, 0) + 1, std::max(mark.column, 0) + 1};
}

Position PositionOf(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto line_start = before.rfind('\n');
  const std::size_t column =
      line_start == std::string_view::npos ? offset : offset - line_start - 1;
  return {static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1,
          static_cast<int>(column) + 1};
}

// A stream over bytes that somebody else owns.
class ViewBuffer final : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    // The get area is never written through.
    char* const begin =
        const_cast<char*>(text.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
    setg(begin, begin, begin + text.size());
  }
};

// Builds the tree from the parser's events. Keeps the first thing it refuses; events after that are
// let pass, because an exception of ours has no place here.
class TreeBuilder final : public YAML::EventHandler {
 public:
  bool refused() const { return !refusal_.empty(); }
  const std::string& refusal() const { return refusal_; }
  Position refused_at() const { return refused_at_; }
  Value TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    RefuseAnchor(mark, anchor);
    Add(mark, Value());
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Refuse(mark, "aliases (*name) are not accepted: write the value out");
    Add(mark, Value());
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    RefuseAnchor(mark, anchor);
    // "?" is a plain scalar, "!" one in quotes or in a block.
    if (tag == "?") {
      Add(mark, ResolvePlainScalar(text));
      return;
    }
    if (tag != "!" && !tag.empty()) RefuseTag(mark, tag);
    Add(mark, Value::String(text));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, false);
  }
  void OnSequenceEnd() override { Close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, true);
  }
  void OnMapEnd() override { Close(); }

 private:
  // A list or map that is not closed yet.
  struct Container {
    bool is_map = false;
    Position position;
    Value::List items;
    Value::Map entries;
    std::set<std::string> keys;
    bool has_key = false;
  };

  void Refuse(const YAML::Mark& mark, std::string why) {
    if (refused()) return;
    refusal_ = std::move(why);
    refused_at_ = PositionOf(mark);
  }

  void RefuseAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) Refuse(mark, "anchors (&name) are not accepted: write the value out");
  }

  void RefuseTag(const YAML::Mark& mark, const std::string& tag) {
    Refuse(mark, "tags are not accepted (" + Value::String(tag).Describe() +
                     "): write text that looks like a number in quotes");
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, bool is_map) {
    RefuseAnchor(mark, anchor);
    if (tag != "?" && tag != "!" && !tag.empty()) RefuseTag(mark, tag);
    if (ExpectsKey()) Refuse(mark, "a key must be text, not a list or a map");
    Container container;
    container.is_map = is_map;
    container.position = PositionOf(mark);
    open_.push_back(std::move(container));
  }

  void Close() {
    Container done = std::move(open_.back());
    open_.pop_back();
    Value value = done.is_map ? Value::Mapping(std::move(done.entries))
                              : Value::Sequence(std::move(done.items));
    Place(done.position, std::move(value));
  }

  void Add(const YAML::Mark& mark, Value value) {
    if (ExpectsKey() && value.is_null())
      Refuse(mark, "a key is missing; one that is spelled null or ~ goes in quotes");
    Place(PositionOf(mark), std::move(value));
  }

  bool ExpectsKey() const { return !open_.empty() && open_.back().is_map && !open_.back().has_key; }

  // Puts a finished value where it belongs: as a key, a map's value, an item, or the root.
  void Place(Position position, Value value) {
    value.set_position(position);
    if (refused()) {
      if (!open_.empty() && open_.back().is_map) open_.back().has_key = !open_.back().has_key;
      return;
    }
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    Container& container = open_.back();
    if (!container.is_map) {
      container.items.push_back(std::move(value));
      return;
    }
    if (container.has_key) {
      // Nothing was written, so the parser's place is wherever the next thing stands.
      if (value.is_null()) value.set_position(container.entries.back().key_position);
      container.entries.back().value = std::move(value);
      container.has_key = false;
      return;
    }
    container.has_key = true;
    if (!container.keys.insert(value.text()).second) {
      refusal_ = "the key " + Value::String(value.text()).Describe() + " stands here twice";
      refused_at_ = position;
      return;
    }
    container.entries.push_back({value.text(), Value(), position});
  }

  std::vector<Container> open_;
  Value root_;
  std::string refusal_;
  Position refused_at_;
};

bool IsOneOf(const std::string& text, std::initializer_list<const char*> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

// [-+]? digits, or 0x / 0o digits. Empty when it is none, or does not fit.
std::optional<int64_t> ResolveInt(const std::string& text) {
  int base = 10;
  std::size_t start = 0;
  if (text.starts_with("0x") || text.starts_with("0o")) {
    base = text[1] == 'x' ? 16 : 8;
    start = 2;
  } else if (text[0] == '+') {
    start = 1;
  }
  if (start == text.size() || (start > 0 && text[start] == '-')) return std::nullopt;
  int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data() + start, end, value, base);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

// [-+]? (digits . digits? | . digits | digits) exponent?, .inf, .nan
std::optional<double> ResolveDouble(const std::string& text) {
  std::size_t at = text[0] == '-' || text[0] == '+' ? 1 : 0;
  const double sign = text[0] == '-' ? -1 : 1;
  const std::string rest = text.substr(at);
  if (IsOneOf(rest, {".inf", ".Inf", ".INF"})) {
    return sign * std::numeric_limits<double>::infinity();
  }
  if (IsOneOf(text, {".nan", ".NaN", ".NAN"})) return std::numeric_limits<double>::quiet_NaN();
  const auto digits = [&] {
    const std::size_t from = at;
    while (at < text.size() && IsDigit(text[at])) ++at;
    return at - from;
  };
  std::size_t mantissa = digits();
  if (at < text.size() && text[at] == '.') {
    ++at;
    mantissa += digits();
  }
  if (mantissa == 0) return std::nullopt;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    if (digits() == 0) return std::nullopt;
  }
  if (at != text.size()) return std::nullopt;
  double value = 0;
  const char* const begin = text.data() + (text[0] == '+' ? 1 : 0);
  const auto result = std::from_chars(begin, text.data() + text.size(), value);
  if (result.ec == std::errc::result_out_of_range) {
    return sign * std::numeric_limits<double>::infinity();
  }
  return value;
}

// What the parser's own message says, without the mark that it repeats.
std::string Explain(const YAML::ParserException& error) {
  std::string what = error.msg;
  if (what.empty()) what = "is not valid YAML";
  return what;
}

}  // namespace

Value ResolvePlainScalar(std::string text) {
  Value value;
  if (text.empty() || IsOneOf(text, {"~", "null", "Null", "NULL"})) {
    value = Value();
  } else if (IsOneOf(text, {"true", "True", "TRUE"})) {
    value = Value::Bool(true);
  } else if (IsOneOf(text, {"false", "False", "FALSE"})) {
    value = Value::Bool(false);
  } else if (const std::optional<int64_t> whole = ResolveInt(text)) {
    value = Value::Int(*whole);
  } else if (const std::optional<double> number = ResolveDouble(text)) {
    value = Value::Double(*number);
  } else {
    return Value::String(std::move(text));
  }
  value.set_text(std::move(text));
  return value;
}

absl::StatusOr<Value> ParseYaml(std::string_view text, const std::string& file,
                                std::size_t max_bytes) {
  if (text.size() > max_bytes) {
    return absl::InvalidArgumentError(file + ": has more than " + std::to_string(max_bytes) +
                                      " bytes, the most that is read");
  }
  if (const std::size_t bad = base::FindInvalidUtf8(text); bad != std::string_view::npos) {
    return absl::InvalidArgumentError(Place(file, PositionOf(text, bad)) + "is not valid UTF-8");
  }
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return absl::InvalidArgumentError(Place(file, PositionOf(text, nul)) +
                                      "a NUL byte: this is not a text file");
  }

  ViewBuffer buffer(text);
  std::istream stream(&buffer);
  TreeBuilder builder;
  try {
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    if (builder.refused()) {
      return absl::InvalidArgumentError(Place(file, builder.refused_at()) + builder.refusal());
    }
    TreeBuilder second;
    if (parser.HandleNextDocument(second)) {
      return absl::InvalidArgumentError(file +
                                        ": has a second document (after a line of three dashes): "
                                        "write one to a file");
    }
  } catch (const YAML::ParserException& error) {
    return absl::InvalidArgumentError(Place(file, PositionOf(error.mark)) + Explain(error));
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(file + ": is not valid YAML: " + error.what());
  }
  return builder.TakeRoot();
}

}  // namespace berth::yaml
