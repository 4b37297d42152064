#include "cli/output/feature_text.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/did_you_mean.h"
#include "base/quantities.h"
#include "base/strings.h"

namespace berth::cli {
namespace {

struct FieldName {
  v1::FeatureField field;
  std::string_view name;
};
constexpr std::array<FieldName, 14> kFields = {{
    {v1::FEATURE_FIELD_COMPUTATION_CLASS, "class"},
    {v1::FEATURE_FIELD_CPU, "cpu"},
    {v1::FEATURE_FIELD_MEMORY, "memory"},
    {v1::FEATURE_FIELD_STORAGE, "storage"},
    {v1::FEATURE_FIELD_GPUS, "gpus"},
    {v1::FEATURE_FIELD_GPU_MEMORY, "gpu-memory"},
    {v1::FEATURE_FIELD_GPU_KIND, "gpu-kind"},
    {v1::FEATURE_FIELD_MODEL_MEMORY, "model-memory"},
    {v1::FEATURE_FIELD_DURATION, "duration"},
    {v1::FEATURE_FIELD_PARALLELISM, "parallelism"},
    {v1::FEATURE_FIELD_INPUT, "input"},
    {v1::FEATURE_FIELD_OUTPUT, "output"},
    {v1::FEATURE_FIELD_INTERMEDIATE, "intermediate"},
    {v1::FEATURE_FIELD_MODEL, "model"},
}};
constexpr std::array<std::string_view, 5> kClasses = {"cpu", "memory", "io", "network", "gpu"};

std::array<int32_t, 5> WeightsOf(const v1::ClassWeights& w) {
  return {w.cpu(), w.memory(), w.io(), w.network(), w.gpu()};
}

std::string ClassText(const v1::ClassWeights& weights) {
  const std::array<int32_t, 5> parts = WeightsOf(weights);
  std::vector<size_t> order = {0, 1, 2, 3, 4};
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return parts[a] > parts[b]; });
  std::string text;
  for (const size_t c : order) {
    if (parts[c] <= 0) continue;
    if (!text.empty()) text += ", ";
    text += kClasses[c];
    if (parts[c] < 100) text += " " + std::to_string(parts[c]) + " %";
  }
  return text;
}

std::string NumberText(v1::FeatureField field, v1::FeatureSource source, int64_t number) {
  switch (field) {
    case v1::FEATURE_FIELD_CPU:
      return base::FormatCpuMilli(number);
    case v1::FEATURE_FIELD_MEMORY:
    case v1::FEATURE_FIELD_STORAGE:
    case v1::FEATURE_FIELD_GPU_MEMORY:
    case v1::FEATURE_FIELD_MODEL_MEMORY:
      return base::FormatBytes(number);
    case v1::FEATURE_FIELD_DURATION:
      return base::FormatExactDuration(absl::Milliseconds(number));
    case v1::FEATURE_FIELD_GPUS:
      if (source == v1::FEATURE_SOURCE_HISTORY) return base::FormatCpuMilli(number);
      return std::to_string(number);
    default:
      return std::to_string(number);
  }
}

absl::StatusOr<int64_t> ParseNumber(v1::FeatureField field, const std::string& text) {
  switch (field) {
    case v1::FEATURE_FIELD_CPU:
      return base::ParseCpuMilli(text);
    case v1::FEATURE_FIELD_MEMORY:
    case v1::FEATURE_FIELD_STORAGE:
    case v1::FEATURE_FIELD_GPU_MEMORY:
    case v1::FEATURE_FIELD_MODEL_MEMORY:
      return base::ParseBytes(text);
    case v1::FEATURE_FIELD_DURATION: {
      const auto duration = base::ParseDuration(text);
      if (!duration.ok()) return duration.status();
      return absl::ToInt64Milliseconds(*duration);
    }
    default:
      return base::ParseCount(text, 0, 1'000'000'000);
  }
}

}  // namespace

std::string FieldText(v1::FeatureField field) {
  const auto known = std::find_if(kFields.begin(), kFields.end(),
                                  [&](const FieldName& one) { return one.field == field; });
  return known == kFields.end() ? "field " + std::to_string(field) : std::string(known->name);
}

std::string SourceText(const v1::FeatureValue& value) {
  switch (value.source()) {
    case v1::FEATURE_SOURCE_DECLARED:
      return "declared";
    case v1::FEATURE_SOURCE_HISTORY:
      return "history (" + value.level() + ", " + std::to_string(value.ends()) +
             (value.ends() == 1 ? " end)" : " ends)");
    case v1::FEATURE_SOURCE_RULES:
      return "rules";
    case v1::FEATURE_SOURCE_MODEL:
      return "model";
    case v1::FEATURE_SOURCE_CORRECTION:
      return "correction";
    default:
      return "source " + std::to_string(value.source());
  }
}

std::string ValueText(const v1::FeatureValue& value) {
  if (value.has_weights()) return ClassText(value.weights());
  if (value.has_text()) {
    return value.size_bytes() > 0
               ? value.text() + " (" + base::FormatBytes(value.size_bytes()) + ")"
               : value.text();
  }
  std::string text = NumberText(value.field(), value.source(), value.number());
  if (value.has_low() && value.has_high()) {
    text += " (" + NumberText(value.field(), value.source(), value.low()) + " to " +
            NumberText(value.field(), value.source(), value.high()) + ")";
  }
  return text;
}

std::string UseText(const v1::FeatureValue& value) {
  switch (value.use()) {
    case v1::FEATURE_USE_SCORE:
      return "scores nodes";
    case v1::FEATURE_USE_ORDER:
      return "orders the queue, where a profile asks for that";
    case v1::FEATURE_USE_FILLED:
      return "filled in what was left open";
    case v1::FEATURE_USE_SUGGESTED:
      return "told at submission";
    case v1::FEATURE_USE_OVERRULED:
      return "not used: another is before it";
    case v1::FEATURE_USE_SHADOW:
      return "not used: only compared";
    case v1::FEATURE_USE_SWITCHED_OFF:
      return "not used: it was worse than what comes after it";
    case v1::FEATURE_USE_UNSURE:
      return "not used: too little is known";
    default:
      return value.source() == v1::FEATURE_SOURCE_DECLARED ? "as asked for" : "shown alone";
  }
}

absl::StatusOr<v1::FeatureValue> ParseFeature(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals + 1 == text.size()) {
    return absl::InvalidArgumentError("\"" + text + "\": write FIELD=VALUE, as memory=3Gi");
  }
  const std::string name = text.substr(0, equals);
  const std::string given = text.substr(equals + 1);
  const auto known = std::find_if(kFields.begin(), kFields.end(),
                                  [&](const FieldName& one) { return one.name == name; });
  if (known == kFields.end()) {
    std::vector<std::string_view> names;
    std::string all;
    for (const FieldName& field : kFields) {
      names.push_back(field.name);
      all += (all.empty() ? "" : ", ") + std::string(field.name);
    }
    return absl::InvalidArgumentError("\"" + name + "\" is no field" +
                                      base::DidYouMean(name, names) + "; there are: " + all);
  }
  v1::FeatureValue value;
  value.set_field(known->field);
  if (known->field == v1::FEATURE_FIELD_COMPUTATION_CLASS) {
    const auto at = std::find(kClasses.begin(), kClasses.end(), given);
    if (at == kClasses.end()) {
      return absl::InvalidArgumentError("class=" + given + base::DidYouMean(given, kClasses) +
                                        ": write cpu, memory, io, network or gpu");
    }
    v1::ClassWeights& weights = *value.mutable_weights();
    switch (at - kClasses.begin()) {
      case 0:
        weights.set_cpu(100);
        break;
      case 1:
        weights.set_memory(100);
        break;
      case 2:
        weights.set_io(100);
        break;
      case 3:
        weights.set_network(100);
        break;
      default:
        weights.set_gpu(100);
        break;
    }
    return value;
  }
  const bool is_text =
      known->field == v1::FEATURE_FIELD_GPU_KIND || known->field >= v1::FEATURE_FIELD_INPUT;
  if (is_text) {
    value.set_text(given);
    return value;
  }
  const auto number = ParseNumber(known->field, given);
  if (!number.ok()) {
    return absl::InvalidArgumentError(name + ": " + base::S(number.status().message()));
  }
  value.set_number(*number);
  return value;
}

}  // namespace berth::cli
