#include "features/models_in_text.h"

#include <algorithm>
#include <limits>
#include <string>

#include "features/plain_text.h"
#include "features/quantities_in_text.h"

namespace berth::features {
namespace {

constexpr size_t kMostNameBytes = 96;
constexpr double kTrainingBytes = 16;
constexpr double kLoraBytes = 2.4;
constexpr double kQloraBytes = 0.7;
constexpr double kHalfBytes = 2;

bool IsWordByte(char c) { return text::IsAlnum(c); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool EndsWithFolded(std::string_view text, std::string_view end) {
  return text.size() >= end.size() &&
         text::EqualsFolded(text.substr(text.size() - end.size()), end);
}
bool IsNameByte(char c) {
  return IsWordByte(c) || c == '-' || c == '_' || c == '.' || c == '/' || c == ':' || c == '+';
}

// The size in a name: "7B" of "Qwen2.5-7B-Instruct". Active parameters ("a3b") and bits ("4bit",
// "q8") are none.
double ParametersInName(std::string_view name) {
  for (size_t i = 0; i < name.size(); ++i) {
    if (!IsDigit(name[i])) continue;
    const bool begins =
        i == 0 || !IsWordByte(name[i - 1]) ||
        (text::IsAlpha(name[i - 1]) && (i < 2 || text::IsAlpha(name[i - 2])) && name[i - 1] != 'x');
    size_t bytes = 0;
    if (begins && (i == 0 || name[i - 1] != '.')) {
      const auto parameters = ReadParameters(name.substr(i), &bytes);
      // "yolov8m" has a version and a letter; "qwen7b" has a size.
      const bool joined = i > 0 && text::IsAlpha(name[i - 1]);
      if (parameters && (!joined || *parameters >= 1e9)) return *parameters;
    }
    while (i + 1 < name.size() && (IsDigit(name[i + 1]) || name[i + 1] == '.')) ++i;
  }
  return 0;
}

// Digits of a name before its size: "25" of "Qwen2.5-7B-Instruct".
std::string VersionOf(std::string_view name) {
  std::string version;
  for (size_t i = 0; i < name.size(); ++i) {
    if (!IsDigit(name[i])) continue;
    size_t bytes = 0;
    if (ReadParameters(name.substr(i), &bytes)) break;
    version.push_back(name[i]);
  }
  return version;
}

// Whether two findings are spellings of one model: of near size, and of no family or version that
// tells them apart.
bool IsSameModel(const ModelFound& a, const ModelFound& b) {
  if (std::max(a.parameters, b.parameters) >= 1.1 * std::min(a.parameters, b.parameters)) {
    return false;
  }
  if (a.family < 0 || b.family < 0) return true;
  if (a.family != b.family) return false;
  const std::string version = VersionOf(a.name), other = VersionOf(b.name);
  return version.empty() || other.empty() || version == other;
}

std::string_view WithoutSuffix(std::string_view name) {
  for (const std::string_view suffix :
       {".gguf", ".pt", ".pth", ".safetensors", ".bin", ".onnx", ".ckpt", ".engine", ".h5"}) {
    if (EndsWithFolded(name, suffix)) name.remove_suffix(suffix.size());
  }
  return name;
}

}  // namespace

std::string FoldText(std::string_view text) {
  std::string folded(text);
  for (char& c : folded) {
    if (c == '-' || c == '_' || c == '\n' || c == '\t' || c == '\r') {
      c = ' ';
    } else if (c >= 'A' && c <= 'Z') {
      c = static_cast<char>(c - 'A' + 'a');
    }
  }
  return folded;
}

ModelAt ExtendModel(const RuleTables& tables, std::string_view text, std::string_view folded,
                    size_t at, const PhraseTree::Found& found) {
  ModelAt model;
  const ModelRule& rule = tables.models[static_cast<size_t>(found.rule->ref)];
  model.begin = at;
  // "org/name": the organisation is part of the name.
  while (model.begin > 0 && at - model.begin < kMostNameBytes &&
         IsNameByte(text[model.begin - 1])) {
    --model.begin;
  }
  while (model.begin < at && !IsWordByte(text[model.begin])) ++model.begin;
  if (!text::Contains(text.substr(model.begin, at - model.begin), '/')) model.begin = at;
  size_t end = at + found.bytes;
  while (end < text.size() && end - at < kMostNameBytes && IsNameByte(text[end])) ++end;
  // "llama3_8b_8xH100": what runs it is no part of it.
  for (size_t i = at + found.bytes; i + 2 < end; ++i) {
    if ((text[i] == '_' || text[i] == '-') && IsDigit(text[i + 1]) && text[i + 2] == 'x' &&
        (i + 3 >= end || !IsDigit(text[i + 3]))) {
      end = i;
    }
  }
  const auto trim = [&] {
    while (end > at + found.bytes && !IsWordByte(text[end - 1])) --end;
  };
  trim();
  double parameters = ParametersInName(text.substr(at, end - at));
  // "llama 3.1 70B chat": versions, sizes and known parts follow after spaces.
  while (end + 1 < text.size() && text[end] == ' ' && end - at < kMostNameBytes) {
    const size_t next = end + 1;
    size_t word_end = next;
    while (word_end < text.size() && (IsNameByte(text[word_end]) && text[word_end] != '/')) {
      ++word_end;
    }
    while (word_end > next && !IsWordByte(text[word_end - 1])) --word_end;
    if (word_end == next) break;
    const std::string_view word = text.substr(next, word_end - next);
    size_t bytes = 0;
    const auto size = ReadParameters(word, &bytes);
    if (size && (bytes == word.size() || !IsWordByte(word[bytes])) && parameters == 0) {
      parameters = *size;
      end = next + bytes;
      break;
    }
    const bool version =
        !word.empty() && word.size() <= 4 &&
        (IsDigit(word[0]) || (word[0] == 'v' && word.size() > 1)) &&
        std::all_of(word.begin() + 1, word.end(), [](char c) { return IsDigit(c) || c == '.'; });
    const PhraseTree::Found part = tables.phrases.Longest(folded, next);
    const bool known = part.rule != nullptr && part.rule->means == Means::kModelPart &&
                       next + part.bytes >= word_end;
    if (known) {
      end = std::max(word_end, next + part.bytes);
      continue;
    }
    if (!version) break;
    // A version counts only when a size or a part comes after it: "llama 2 nodes" has neither.
    size_t after = word_end + 1;
    size_t after_end = after;
    while (after_end < text.size() && IsNameByte(text[after_end])) ++after_end;
    if (word_end >= text.size() || text[word_end] != ' ' || after_end == after ||
        !ReadParameters(text.substr(after, after_end - after), &bytes)) {
      if (!text::Contains(word, '.')) break;
    }
    end = word_end;
  }
  model.end = end;
  // A variant that the table knows by itself ("resnet50") says more than the family.
  model.parameters = parameters > 0 ? parameters : rule.parameters;
  return model;
}

std::optional<ModelFound> ModelOfWord(const RuleTables& tables, std::string_view word) {
  if (word.empty() || word.size() > 256 || text::Contains(word, '$') ||
      text::Contains(word, "://") || text::Contains(word, ' ')) {
    return std::nullopt;
  }
  ModelFound model;
  const bool weights_file = EndsWithFolded(word, ".gguf");
  std::string_view name = WithoutSuffix(word);
  while (name.ends_with('/')) name.remove_suffix(1);
  const bool path = name.starts_with('/') || name.starts_with('.') || name.starts_with('~') ||
                    std::count(name.begin(), name.end(), '/') > 1;
  if (path) name = name.substr(name.rfind('/') + 1);
  const std::string folded = FoldText(name);
  bool known = false;
  size_t longest = 0;
  for (size_t at = 0; at < folded.size(); ++at) {
    if (at > 0 && IsWordByte(folded[at - 1]) && IsWordByte(folded[at]) &&
        !(IsDigit(folded[at - 1]) != IsDigit(folded[at]))) {
      continue;
    }
    const PhraseTree::Found found = tables.phrases.Longest(folded, at);
    if (found.rule == nullptr || found.rule->means != Means::kModel) continue;
    known = true;
    if (model.family < 0) model.family = found.rule->ref;
    const double parameters = tables.models[static_cast<size_t>(found.rule->ref)].parameters;
    if (parameters > 0 && found.bytes > longest) {
      model.parameters = parameters;
      model.family = found.rule->ref;
      longest = found.bytes;
    }
  }
  const double written = ParametersInName(name);
  if (written > 0) model.parameters = written;
  const bool hub = !path && std::count(name.begin(), name.end(), '/') == 1;
  if (!known && written == 0 && !hub) return std::nullopt;
  if (!weights_file) model.name = std::string(name);
  return model;
}

double PrecisionInName(const RuleTables& tables, std::string_view name) {
  const std::string folded = FoldText(name.substr(0, 256));
  for (size_t at = 0; at < folded.size(); ++at) {
    if (at > 0 && IsWordByte(folded[at - 1])) continue;
    const PhraseTree::Found found = tables.phrases.Longest(folded, at);
    if (found.rule != nullptr && found.rule->means == Means::kPrecision) return found.rule->value;
  }
  return 0;
}

double ModelBytes(const std::vector<ModelFound>& models, const ModelUse& use) {
  const double inference = use.bytes_per_parameter > 0 ? use.bytes_per_parameter : kHalfBytes;
  double per_parameter = use.bytes_per_parameter > 0 ? use.bytes_per_parameter : kHalfBytes;
  const bool trains = use.training || (use.trains_mostly && !use.inference);
  if (trains) per_parameter = kTrainingBytes;
  if (use.lora) per_parameter = kLoraBytes;
  if (use.qlora) per_parameter = kQloraBytes;
  // Who is distilled into whom is often told by no more than their sizes.
  double teacher_from = std::numeric_limits<double>::infinity();
  if (use.distillation) {
    double most = 0, least = teacher_from;
    bool told = false;
    for (const ModelFound& model : models) {
      if (model.parameters <= 0) continue;
      most = std::max(most, model.parameters);
      least = std::min(least, model.parameters);
      told = told || model.teacher;
    }
    if (!told && most > 1.5 * least) teacher_from = most;
  }
  // Spellings of one model have one size; it is counted once.
  std::vector<const ModelFound*> counted;
  double bytes = 0;
  for (const ModelFound& model : models) {
    if (model.parameters <= 0) continue;
    const bool seen = std::any_of(counted.begin(), counted.end(), [&](const ModelFound* other) {
      return IsSameModel(*other, model);
    });
    if (seen) continue;
    counted.push_back(&model);
    const bool teacher = model.teacher || model.parameters >= teacher_from;
    bytes += model.parameters * (teacher ? inference : per_parameter);
  }
  return bytes;
}

}  // namespace berth::features
