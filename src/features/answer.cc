#include "features/answer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "base/strings.h"
#include "features/untrusted_text.h"

namespace berth::features {
namespace {

using Json = nlohmann::json;

constexpr int kMostAnswerDepth = 6;
constexpr size_t kMostListed = 32;
constexpr size_t kMostListedNameBytes = 1024;
constexpr size_t kLeastListedNameBytes = 2;
constexpr int64_t kMebi = 1 << 20;

constexpr std::array<std::string_view, kComputationClasses> kClassKeys = {"cpu", "memory", "io",
                                                                          "network", "gpu"};

constexpr std::array<std::string_view, 54> kGpuKinds = {
    "A100",    "A800",    "H100",    "H200",    "H800",      "H20",     "GH200",   "B100",
    "B200",    "GB200",   "V100",    "P100",    "P40",       "P4",      "T4",      "L4",
    "L40",     "L40S",    "A2",      "A10",     "A10G",      "A16",     "A30",     "A40",
    "A4000",   "A5000",   "A6000",   "K80",     "RTX2080Ti", "RTX3080", "RTX3090", "RTX4080",
    "RTX4090", "RTX5090", "RTX6000", "MI50",    "MI100",     "MI210",   "MI250",   "MI250X",
    "MI300A",  "MI300X",  "MI325X",  "Gaudi2",  "Gaudi3",    "910A",    "910B",    "910C",
    "TPU v2",  "TPU v3",  "TPU v4",  "TPU v5e", "TPU v5p",   "TPU v6e"};

// A number of the answer: how it is called, what one of it is, and the least that means something.
struct AmountField {
  std::string_view key;
  int64_t unit;
  int64_t least;
  Features::Maybe<int64_t> Features::*field;
  int64_t AnswerLimits::*limit;
};
constexpr std::array kAmountFields = std::to_array<AmountField>({
    {"cpu_milli", 1, 1, &Features::cpu_milli, &AnswerLimits::cpu_milli},
    {"memory_mib", kMebi, 1, &Features::memory_bytes, &AnswerLimits::memory_bytes},
    {"storage_mib", kMebi, 1, &Features::storage_bytes, &AnswerLimits::storage_bytes},
    {"gpus", 1, 0, &Features::gpus, &AnswerLimits::gpus},
    {"gpu_memory_mib", kMebi, 1, &Features::gpu_memory_bytes, &AnswerLimits::gpu_memory_bytes},
    {"model_memory_mib", kMebi, 1, &Features::model_memory_bytes,
     &AnswerLimits::model_memory_bytes},
    {"duration_seconds", 1000, 1, &Features::duration_ms, &AnswerLimits::duration_ms},
    {"parallelism", 1, 1, &Features::parallelism, &AnswerLimits::parallelism},
});
// No amount is more, whatever its unit: what is said beyond is nonsense, not much.
constexpr int64_t kMostAmount = int64_t{1} << 33;

struct DataField {
  std::string_view key;
  std::vector<Estimate<NamedData>> Features::*field;
};
constexpr std::array kDataFields = std::to_array<DataField>({
    {"inputs", &Features::inputs},
    {"outputs", &Features::outputs},
    {"intermediate", &Features::intermediate},
});

// Looks at JSON as it is read, before anything is built of it.
class JsonShapeChecker : public nlohmann::json_sax<Json> {
 public:
  explicit JsonShapeChecker(int most_depth) : most_depth_(most_depth) {}

  AnswerFault fault() const { return fault_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t value, const string_t&) override {
    return std::isfinite(value) || Fail(AnswerFault::kOutOfRange);
  }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return Fail(AnswerFault::kWrongType); }
  bool start_object(size_t) override {
    keys_.emplace_back();
    return Deeper();
  }
  bool key(string_t& name) override {
    return keys_.back().insert(name).second || Fail(AnswerFault::kDuplicateKey);
  }
  bool end_object() override {
    keys_.pop_back();
    --depth_;
    return true;
  }
  bool start_array(size_t) override { return Deeper(); }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override {
    return Fail(AnswerFault::kNotJson);
  }

 private:
  bool Deeper() { return ++depth_ <= most_depth_ || Fail(AnswerFault::kTooDeep); }
  bool Fail(AnswerFault fault) {
    fault_ = fault;
    return false;
  }

  const int most_depth_;
  int depth_ = 0;
  std::vector<std::set<std::string>> keys_;
  AnswerFault fault_ = AnswerFault::kNone;
};

bool IsWordByte(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// Whether `name` stands in `text` with no letter or digit beside it that would make it a part of
// another word. Names that begin or end with a character of another script need no such border.
bool OccursIn(std::string_view name, std::string_view text) {
  for (size_t at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
    const size_t end = at + name.size();
    const bool begins = at == 0 || !IsWordByte(name.front()) || !IsWordByte(text[at - 1]);
    const bool ends = end == text.size() || !IsWordByte(name.back()) || !IsWordByte(text[end]);
    if (begins && ends) return true;
  }
  return false;
}

// Letters and digits alone, in lower case: how a device is called with or without blanks and
// dashes.
std::string BareName(std::string_view text) {
  std::string bare;
  for (const char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c))) bare += absl::ascii_tolower(c);
  }
  return bare;
}

class AnswerReader {
 public:
  AnswerReader(const CleanJobText& text, const AnswerLimits& limits)
      : text_(text), limits_(limits) {}

  AnswerReading Read(const Json& answer) && {
    if (ReadAll(answer)) return std::move(reading_);
    reading_.features = {};
    return std::move(reading_);
  }

 private:
  bool ReadAll(const Json& answer) {
    std::vector<std::string_view> keys = {"class_weights", "gpu_kind", "models"};
    for (const AmountField& amount : kAmountFields) keys.push_back(amount.key);
    for (const DataField& data : kDataFields) keys.push_back(data.key);
    const std::vector<std::string_view> rated = keys;
    keys.push_back("confidence");
    if (!HasExactly(answer, keys, "the answer")) return false;
    if (!ReadConfidence(answer.at("confidence"), rated)) return false;
    if (!ReadClass(answer.at("class_weights"))) return false;
    for (const AmountField& amount : kAmountFields) {
      if (!ReadAmount(answer.at(std::string(amount.key)), amount)) return false;
    }
    if (!ReadGpuKind(answer.at("gpu_kind"))) return false;
    for (const DataField& data : kDataFields) {
      if (!ReadData(answer.at(std::string(data.key)), data)) return false;
    }
    return ReadModels(answer.at("models"));
  }

  bool Fail(AnswerFault fault, std::string_view where, std::string_view what) {
    reading_.fault = fault;
    reading_.message.assign(where).append(" ").append(what);
    return false;
  }

  bool HasExactly(const Json& value, const std::vector<std::string_view>& keys,
                  std::string_view where) {
    if (!value.is_object()) return Fail(AnswerFault::kWrongType, where, "must be an object");
    for (const std::string_view key : keys) {
      if (!value.contains(std::string(key))) {
        return Fail(AnswerFault::kMissingKey, where, "lacks " + std::string(key));
      }
    }
    if (value.size() != keys.size()) {
      return Fail(AnswerFault::kExtraKey, where, "has a key that the schema does not have");
    }
    return true;
  }

  bool ReadInteger(const Json& value, int64_t least, int64_t most, std::string_view where,
                   int64_t& out) {
    if (!value.is_number_integer()) {
      return Fail(AnswerFault::kWrongType, where, "must be an integer");
    }
    const bool beyond =
        value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(most);
    if (beyond || value.get<int64_t>() < least) {
      return Fail(AnswerFault::kOutOfRange, where,
                  "must be from " + std::to_string(least) + " to " + std::to_string(most));
    }
    out = value.get<int64_t>();
    return true;
  }

  bool ReadConfidence(const Json& value, const std::vector<std::string_view>& rated) {
    if (!HasExactly(value, rated, "confidence")) return false;
    for (const std::string_view key : rated) {
      int64_t confidence = 0;
      const std::string where = "confidence." + std::string(key);
      if (!ReadInteger(value.at(std::string(key)), 0, 100, where, confidence)) return false;
      confidence_.emplace_back(
          key, std::min<int32_t>(static_cast<int32_t>(confidence), limits_.confidence));
    }
    return true;
  }

  template <typename T>
  Estimate<T> Estimated(std::string_view key, T value) const {
    const auto found = std::find_if(confidence_.begin(), confidence_.end(),
                                    [key](const auto& entry) { return entry.first == key; });
    return {.value = std::move(value), .confidence = found->second, .source = Source::kModel};
  }

  bool ReadClass(const Json& value) {
    if (value.is_null()) return true;
    if (!HasExactly(value, {kClassKeys.begin(), kClassKeys.end()}, "class_weights")) return false;
    std::array<int64_t, kComputationClasses> said{};
    int64_t sum = 0;
    for (size_t i = 0; i < said.size(); ++i) {
      const std::string where = "class_weights." + std::string(kClassKeys[i]);
      if (!ReadInteger(value.at(std::string(kClassKeys[i])), 0, 100, where, said[i])) return false;
      sum += said[i];
    }
    if (sum == 0) return Fail(AnswerFault::kOutOfRange, "class_weights", "must add up to 100");
    // Nearly 100 is taken for what it means; what rounding leaves goes to the greatest.
    ClassWeights weights{};
    int32_t given = 0;
    for (size_t i = 0; i < said.size(); ++i) {
      weights[i] = static_cast<int32_t>(said[i] * 100 / sum);
      given += weights[i];
    }
    *std::max_element(weights.begin(), weights.end()) += 100 - given;
    reading_.features.computation_class = Estimated("class_weights", weights);
    return true;
  }

  bool ReadAmount(const Json& value, const AmountField& amount) {
    if (value.is_null()) return true;
    int64_t said = 0;
    if (!ReadInteger(value, amount.least, kMostAmount, amount.key, said)) return false;
    const int64_t clamped = std::min(said * amount.unit, limits_.*amount.limit);
    reading_.features.*amount.field = Estimated(amount.key, clamped);
    return true;
  }

  bool ReadGpuKind(const Json& value) {
    if (value.is_null()) return true;
    if (!value.is_string()) {
      return Fail(AnswerFault::kWrongType, "gpu_kind", "must be a string or null");
    }
    const auto* const kind =
        std::find(kGpuKinds.begin(), kGpuKinds.end(), value.get_ref<const std::string&>());
    if (kind == kGpuKinds.end()) {
      return Fail(AnswerFault::kBadString, "gpu_kind", "must be of the schema's list");
    }
    const std::string bare = BareName(*kind);
    const bool named = AnyField(
        [&](std::string_view field) { return BareName(field).find(bare) != std::string::npos; });
    if (named) {
      reading_.features.gpu_kind = Estimated("gpu_kind", std::string(*kind));
    } else {
      ++reading_.dropped_names;
    }
    return true;
  }

  bool ReadData(const Json& value, const DataField& data) {
    if (!IsList(value, data.key)) return false;
    for (const Json& element : value) {
      if (!HasExactly(element, {"name", "size_mib"}, data.key)) return false;
      std::string name;
      if (!ReadName(element.at("name"), data.key, name)) return false;
      const Json& size = element.at("size_mib");
      int64_t mebi = 0;
      if (!size.is_null() && !ReadInteger(size, 0, kMostAmount, data.key, mebi)) return false;
      if (name.empty()) continue;
      const int64_t bytes = std::min(mebi * kMebi, limits_.storage_bytes);
      (reading_.features.*data.field)
          .push_back(Estimated(data.key, NamedData{.name = std::move(name), .size_bytes = bytes}));
    }
    return true;
  }

  bool ReadModels(const Json& value) {
    if (!IsList(value, "models")) return false;
    for (const Json& element : value) {
      std::string name;
      if (!ReadName(element, "models", name)) return false;
      if (name.empty()) continue;
      reading_.features.models.push_back(Estimated("models", std::move(name)));
    }
    return true;
  }

  bool IsList(const Json& value, std::string_view where) {
    if (!value.is_array()) return Fail(AnswerFault::kWrongType, where, "must be an array");
    if (value.size() <= kMostListed) return true;
    return Fail(AnswerFault::kTooMany, where,
                "must have at most " + std::to_string(kMostListed) + " elements");
  }

  // A name that the text has; empty: it does not.
  bool ReadName(const Json& value, std::string_view where, std::string& name) {
    if (!value.is_string()) return Fail(AnswerFault::kWrongType, where, "must have strings");
    const auto& said = value.get_ref<const std::string&>();
    if (said.size() > kMostListedNameBytes || said.find('\0') != std::string::npos) {
      return Fail(AnswerFault::kBadString, where,
                  "must have names of at most " + std::to_string(kMostListedNameBytes) +
                      " bytes without control characters");
    }
    name = PlainText(said);
    absl::StripAsciiWhitespace(&name);
    const bool one_line = name.find('\n') == std::string::npos;
    const bool occurs = one_line && name.size() >= kLeastListedNameBytes &&
                        AnyField([&](std::string_view field) { return OccursIn(name, field); });
    // A note of ours in the place of a secret is no name.
    if (occurs && name.find("removed]") == std::string::npos) return true;
    ++reading_.dropped_names;
    name.clear();
    return true;
  }

  template <typename Predicate>
  bool AnyField(Predicate holds) const {
    return holds(text_.name) || holds(text_.description) || holds(text_.script) ||
           holds(text_.command) || holds(text_.image);
  }

  const CleanJobText& text_;
  const AnswerLimits& limits_;
  AnswerReading reading_;
  std::vector<std::pair<std::string_view, int32_t>> confidence_;
};

std::string_view FaultMessage(AnswerFault fault) {
  switch (fault) {
    case AnswerFault::kTooDeep:
      return "the answer is nested too deep";
    case AnswerFault::kDuplicateKey:
      return "the answer has a key twice";
    case AnswerFault::kOutOfRange:
      return "the answer has a number that is not finite";
    default:
      return "the answer is not one JSON object and nothing else";
  }
}

// Keywords that some server refuses, ignores or fails on.
constexpr std::array<std::string_view, 14> kRefusedKeywords = {
    "oneOf",     "allOf",     "not",     "pattern", "format", "minItems",          "maxItems",
    "minLength", "maxLength", "minimum", "maximum", "$ref",   "patternProperties", "default"};

absl::Status CheckSchemaNode(const Json& node, const std::string& where) {
  if (!node.is_object()) return absl::OkStatus();
  for (const std::string_view keyword : kRefusedKeywords) {
    if (node.contains(std::string(keyword))) {
      return absl::InvalidArgumentError(where + ": leave out " + std::string(keyword) +
                                        ", which not every server takes");
    }
  }
  if (node.contains("properties")) {
    const Json& properties = node.at("properties");
    const bool closed =
        node.contains("additionalProperties") && node.at("additionalProperties") == Json(false);
    if (!properties.is_object() || properties.empty() || !closed) {
      return absl::InvalidArgumentError(
          where + ": an object needs properties, and additionalProperties: false");
    }
    std::set<std::string> required;
    if (node.contains("required") && node.at("required").is_array()) {
      for (const Json& name : node.at("required")) {
        if (name.is_string()) required.insert(name.get<std::string>());
      }
    }
    for (const auto& [name, child] : properties.items()) {
      if (!required.contains(name)) {
        return absl::InvalidArgumentError(where + ": name " + name + " in required");
      }
      if (absl::Status status = CheckSchemaNode(child, where + "." + name); !status.ok()) {
        return status;
      }
    }
  }
  if (node.contains("items")) {
    if (absl::Status status = CheckSchemaNode(node.at("items"), where + "[]"); !status.ok()) {
      return status;
    }
  }
  if (node.contains("anyOf") && node.at("anyOf").is_array()) {
    for (const Json& option : node.at("anyOf")) {
      if (absl::Status status = CheckSchemaNode(option, where); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view ToString(AnswerFault fault) {
  switch (fault) {
    case AnswerFault::kNone:
      return "none";
    case AnswerFault::kEmpty:
      return "empty";
    case AnswerFault::kTooLarge:
      return "too_large";
    case AnswerFault::kNotJson:
      return "not_json";
    case AnswerFault::kTooDeep:
      return "too_deep";
    case AnswerFault::kDuplicateKey:
      return "duplicate_key";
    case AnswerFault::kExtraKey:
      return "extra_key";
    case AnswerFault::kMissingKey:
      return "missing_key";
    case AnswerFault::kWrongType:
      return "wrong_type";
    case AnswerFault::kOutOfRange:
      return "out_of_range";
    case AnswerFault::kTooMany:
      return "too_many";
    case AnswerFault::kBadString:
      break;
  }
  return "bad_string";
}

AnswerFault CheckJson(std::string_view text, int most_depth) {
  JsonShapeChecker checker(most_depth);
  if (Json::sax_parse(text.begin(), text.end(), &checker)) return AnswerFault::kNone;
  return checker.fault();
}

AnswerReading ReadAnswer(std::string_view answer, const CleanJobText& text,
                         const AnswerLimits& limits) {
  answer = base::V(absl::StripAsciiWhitespace(base::A(answer)));
  if (answer.empty()) {
    return {.fault = AnswerFault::kEmpty, .message = "the answer is empty"};
  }
  if (answer.size() > kMostAnswerBytes) {
    return {.fault = AnswerFault::kTooLarge,
            .message = "the answer has more than " + std::to_string(kMostAnswerBytes) + " bytes"};
  }
  if (const AnswerFault fault = CheckJson(answer, kMostAnswerDepth); fault != AnswerFault::kNone) {
    return {.fault = fault, .message = std::string(FaultMessage(fault))};
  }
  const Json parsed =
      Json::parse(answer.begin(), answer.end(), nullptr, /*allow_exceptions=*/false);
  return AnswerReader(text, limits).Read(parsed);
}

std::optional<std::string_view> FirstObject(std::string_view text) {
  constexpr std::string_view kThoughtEnds = "</think>";
  if (const size_t end = text.rfind(kThoughtEnds); end != std::string_view::npos) {
    text.remove_prefix(end + kThoughtEnds.size());
  }
  const size_t begin = text.find('{');
  if (begin == std::string_view::npos) return std::nullopt;
  int depth = 0;
  bool in_string = false;
  for (size_t i = begin; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      return text.substr(begin, i + 1 - begin);
    }
  }
  return std::nullopt;
}

absl::Status CheckAnswerSchema(std::string_view schema) {
  const Json parsed = Json::parse(schema.begin(), schema.end(), nullptr, false);
  if (!parsed.is_object() || !parsed.contains("properties") ||
      !parsed.at("properties").is_object()) {
    return absl::InvalidArgumentError("not a JSON Schema of an object");
  }
  std::vector<std::string_view> keys = {"class_weights", "gpu_kind", "models", "confidence"};
  for (const AmountField& amount : kAmountFields) keys.push_back(amount.key);
  for (const DataField& data : kDataFields) keys.push_back(data.key);
  const Json& properties = parsed.at("properties");
  for (const std::string_view key : keys) {
    if (!properties.contains(std::string(key))) {
      return absl::InvalidArgumentError("it lacks the property " + std::string(key));
    }
  }
  if (properties.size() != keys.size()) {
    return absl::InvalidArgumentError("it has a property that answers are not read for");
  }
  return CheckSchemaNode(parsed, "schema");
}

}  // namespace berth::features
