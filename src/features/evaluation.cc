#include "features/evaluation.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/quantities.h"
#include "features/plain_text.h"

namespace berth::features {
namespace {

constexpr std::array<std::string_view, kComputationClasses> kClassNames = {"cpu", "memory", "io",
                                                                           "network", "gpu"};
// Sizes are written with one decimal: values that differ by less are the same.
constexpr double kSizeTolerance = 0.005;
constexpr double kNumberTolerance = 1e-6;

bool SameNumber(double a, double b, double tolerance) {
  return std::abs(a - b) <= tolerance * std::max(std::abs(a), std::abs(b));
}

// Letters and digits only: how names are compared that people spell in several ways.
std::string Letters(std::string_view name) {
  std::string letters;
  for (const char c : name) {
    if (text::IsAlnum(c) || (static_cast<unsigned char>(c) & 0x80) != 0) {
      letters.push_back(text::LowerByte(c));
    }
  }
  return letters;
}

std::string KindLetters(std::string_view name) {
  std::string letters = Letters(name);
  return letters.starts_with("rtx") ? letters.substr(3) : letters;
}

// Names of data: a folder with and without its last '/' is one, as are $X and ${X}.
std::string DataLetters(std::string_view name) {
  while (name.size() > 1 && name.ends_with('/')) name.remove_suffix(1);
  if (name.starts_with("./")) name.remove_prefix(2);
  std::string plain;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '{' && i > 0 && name[i - 1] == '$') continue;
    if (name[i] == '}') continue;
    plain.push_back(name[i]);
  }
  return plain;
}

class Scorer {
 public:
  Scorer(const GoldText& gold, const Features& got, Measured* measured)
      : gold_(gold), labels_(gold.expect), got_(got), measured_(*measured) {}

  void Score() {
    ++measured_.texts;
    Class();
    const auto milli = got_.cpu_milli;
    Stated("cores", milli ? std::optional(static_cast<double>(milli->value) / 1000) : std::nullopt,
           kNumberTolerance);
    Stated("memory", Number(got_.memory_bytes), kSizeTolerance);
    Stated("storage", Number(got_.storage_bytes), kSizeTolerance);
    Stated("gpus", Number(got_.gpus), kNumberTolerance);
    Stated("gpuMemory", Number(got_.gpu_memory_bytes), kSizeTolerance);
    Stated("duration", Number(got_.duration_ms), kNumberTolerance);
    Stated("parallelism", Number(got_.parallelism), kNumberTolerance);
    Kind();
    ModelMemory();
    Names("inputs", labels_.inputs, got_.inputs);
    Names("outputs", labels_.outputs, got_.outputs);
    Names("intermediate", labels_.intermediate, got_.intermediate);
    Models();
  }

 private:
  static std::optional<double> Number(const Features::Maybe<int64_t>& value) {
    return value ? std::optional(static_cast<double>(value->value)) : std::nullopt;
  }

  void Fault(std::string_view field, const std::string& expected, const std::string& got) {
    measured_.faults.push_back(text::Cat(gold_.id, ": ", field, ": expected ",
                                         expected.empty() ? "nothing" : expected, ", got ",
                                         got.empty() ? "nothing" : got));
  }

  bool Permits(const std::string& field) const { return labels_.permits.contains(field); }

  // A value that was given counts, as supported or not, unless the field is open.
  void Given(const std::string& field, bool supported) {
    measured_.hallucinated.Count(!supported);
    measured_.hallucinated_by_field[field].Count(!supported);
  }

  void Class() {
    std::optional<ComputationClass> got;
    if (got_.computation_class) got = PrimaryClass(got_.computation_class->value);
    const std::string got_name =
        got ? std::string(kClassNames[static_cast<size_t>(*got)]) : std::string();
    if (labels_.computation_class) {
      const bool good = got && (*got == *labels_.computation_class || labels_.also.contains(*got));
      measured_.class_exact.Count(good);
      measured_.class_by_kind[static_cast<size_t>(*labels_.computation_class)].Count(good);
      if (!good) {
        Fault("class", std::string(kClassNames[static_cast<size_t>(*labels_.computation_class)]),
              got_name);
      }
      if (got) Given("class", true);
    } else if (got && !Permits("class")) {
      Given("class", false);
      Fault("class", "", got_name);
    }
  }

  static std::string Written(const std::string& field, std::optional<double> value) {
    if (!value) return "";
    if (field == "memory" || field == "storage" || field == "gpuMemory" || field == "modelMemory") {
      return base::FormatBytes(static_cast<int64_t>(*value));
    }
    if (field == "duration") {
      return base::FormatElapsed(static_cast<int64_t>(*value));
    }
    return base::FormatCpuMilli(std::llround(*value * 1000));
  }

  void Stated(const std::string& field, std::optional<double> got, double tolerance) {
    const auto label = labels_.stated.find(field);
    if (label != labels_.stated.end()) {
      const bool good = got && SameNumber(*got, label->second, tolerance);
      measured_.stated_exact.Count(good);
      measured_.stated_by_field[field].Count(good);
      if (!good) Fault(field, Written(field, label->second), Written(field, got));
      if (got) Given(field, true);
    } else if (got && !Permits(field)) {
      Given(field, false);
      Fault(field, "", Written(field, got));
    }
  }

  void Kind() {
    const std::string got = got_.gpu_kind ? got_.gpu_kind->value : "";
    if (!labels_.gpu_kind.empty()) {
      const bool good = KindLetters(got) == KindLetters(labels_.gpu_kind);
      measured_.stated_exact.Count(good);
      measured_.stated_by_field["gpuKind"].Count(good);
      if (!good) Fault("gpuKind", labels_.gpu_kind, got);
      if (!got.empty()) Given("gpuKind", true);
    } else if (!got.empty() && !Permits("gpuKind")) {
      Given("gpuKind", false);
      Fault("gpuKind", "", got);
    }
  }

  void ModelMemory() {
    const std::optional<double> got = Number(got_.model_memory_bytes);
    const std::optional<double> label = labels_.model_memory_bytes;
    if (label) {
      const bool good = got && *got <= 2 * *label && *label <= 2 * *got;
      measured_.gpu_memory_within_2x.Count(good);
      if (!good) Fault("modelMemory", Written("modelMemory", label), Written("modelMemory", got));
      if (got) Given("modelMemory", true);
    } else if (got && !Permits("modelMemory")) {
      Given("modelMemory", false);
      Fault("modelMemory", "", Written("modelMemory", got));
    }
  }

  void Names(const std::string& field, const std::vector<std::string>& labels,
             const std::vector<Estimate<NamedData>>& got) {
    if (Permits(field)) return;
    const auto same = [](std::string_view a, std::string_view b) {
      return DataLetters(a) == DataLetters(b);
    };
    for (const std::string& label : labels) {
      const bool good = std::any_of(got.begin(), got.end(),
                                    [&](const auto& data) { return same(data.value.name, label); });
      measured_.data_recall.Count(good);
      if (!good) Fault(field, label, "");
    }
    for (const auto& data : got) {
      const bool good = std::any_of(labels.begin(), labels.end(), [&](const std::string& label) {
        return same(data.value.name, label);
      });
      Given(field, good);
      if (!good) Fault(field, "", data.value.name);
    }
  }

  void Models() {
    if (Permits("models")) return;
    const auto known = [&](const std::string& name) {
      return std::any_of(labels_.models.begin(), labels_.models.end(),
                         [&](const std::string& label) { return Letters(label) == Letters(name); });
    };
    if (!labels_.models.empty()) {
      const bool good = std::any_of(got_.models.begin(), got_.models.end(),
                                    [&](const auto& model) { return known(model.value); });
      measured_.models_recall.Count(good);
      if (!good) Fault("models", labels_.models.front(), "");
    }
    for (const auto& model : got_.models) {
      const bool good = known(model.value);
      Given("models", good);
      if (!good) Fault("models", "", model.value);
    }
  }

  const GoldText& gold_;
  const GoldLabels& labels_;
  const Features& got_;
  Measured& measured_;
};

yaml::Value Rounded(const Ratio& ratio) {
  return yaml::Value::Double(std::round(ratio.value() * 1e4) / 1e4);
}

yaml::Value Counts(const Ratio& ratio) {
  return yaml::Value::Sequence({yaml::Value::Int(ratio.part), yaml::Value::Int(ratio.whole)});
}

}  // namespace

Measured Evaluate(const std::vector<GoldText>& texts, const Extractor& extractor) {
  Measured measured;
  for (const GoldText& gold : texts) {
    const Features features = extractor(gold.text());
    Scorer(gold, features, &measured).Score();
  }
  return measured;
}

yaml::Value ToJsonValue(const Measured& measured) {
  yaml::Value value, counts, classes, fields, hallucinated;
  value.Set("class_exact", Rounded(measured.class_exact));
  value.Set("stated_numeric_exact", Rounded(measured.stated_exact));
  value.Set("gpu_memory_within_2x", Rounded(measured.gpu_memory_within_2x));
  value.Set("hallucinated", Rounded(measured.hallucinated));
  value.Set("data_recall", Rounded(measured.data_recall));
  value.Set("models_recall", Rounded(measured.models_recall));
  counts.Set("texts", yaml::Value::Int(measured.texts));
  counts.Set("class_exact", Counts(measured.class_exact));
  counts.Set("stated_numeric_exact", Counts(measured.stated_exact));
  counts.Set("gpu_memory_within_2x", Counts(measured.gpu_memory_within_2x));
  counts.Set("hallucinated", Counts(measured.hallucinated));
  counts.Set("data_recall", Counts(measured.data_recall));
  counts.Set("models_recall", Counts(measured.models_recall));
  for (size_t i = 0; i < kComputationClasses; ++i) {
    classes.Set(std::string(kClassNames[i]), Counts(measured.class_by_kind[i]));
  }
  counts.Set("class_by_kind", std::move(classes));
  for (const auto& [field, ratio] : measured.stated_by_field) fields.Set(field, Counts(ratio));
  counts.Set("stated_by_field", std::move(fields));
  for (const auto& [field, ratio] : measured.hallucinated_by_field) {
    hallucinated.Set(field, Counts(ratio));
  }
  counts.Set("hallucinated_by_field", std::move(hallucinated));
  value.Set("counts", std::move(counts));
  return value;
}

yaml::Value EvaluateAll(const GoldSet& set, const std::map<std::string, Extractor>& extractors) {
  yaml::Value parts = yaml::Value::Mapping({});
  for (const auto& [part, texts] : set) {
    yaml::Value by_extractor = yaml::Value::Mapping({});
    for (const auto& [name, extractor] : extractors) {
      by_extractor.Set(name, ToJsonValue(Evaluate(texts, extractor)));
    }
    parts.Set(part, std::move(by_extractor));
  }
  return parts;
}

}  // namespace berth::features
