#include "features/feature_values.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "berth/resources.h"

namespace berth::features {
namespace {

using berth::v1::FeatureField;
using berth::v1::FeatureSource;
using berth::v1::FeatureUse;
using berth::v1::FeatureValue;

constexpr int64_t kMebibyte = int64_t{1} << 20;
// What fills a request has a tenth to spare, and stands in these steps.
constexpr int64_t kMemoryStep = 64 * kMebibyte;
constexpr int64_t kCpuStep = 100;
// Of history, so many ends of tasks of the same kind must have been seen before it fills anything;
// of text, somebody must have written the number down.
constexpr int32_t kLeastFillEnds = 3;
constexpr int32_t kLeastFillConfidence = 80;

constexpr FeatureSource kSourceOf[] = {
    berth::v1::FEATURE_SOURCE_UNSPECIFIED, berth::v1::FEATURE_SOURCE_DECLARED,
    berth::v1::FEATURE_SOURCE_HISTORY, berth::v1::FEATURE_SOURCE_RULES,
    berth::v1::FEATURE_SOURCE_MODEL};

template <typename T>
FeatureValue& Append(FeatureField field, const Estimate<T>& estimate,
                     berth::v1::GroupFeatures& out) {
  FeatureValue& value = *out.add_values();
  value.set_field(field);
  value.set_source(kSourceOf[static_cast<size_t>(estimate.source)]);
  value.set_confidence(estimate.confidence);
  return value;
}

void AppendNumber(FeatureField field, const Features::Maybe<int64_t>& number,
                  berth::v1::GroupFeatures& out) {
  if (number) Append(field, *number, out).set_number(number->value);
}

void AppendData(FeatureField field, const std::vector<Estimate<NamedData>>& data,
                berth::v1::GroupFeatures& out) {
  for (const Estimate<NamedData>& one : data) {
    FeatureValue& value = Append(field, one, out);
    value.set_text(one.value.name);
    if (one.value.size_bytes > 0) value.set_size_bytes(one.value.size_bytes);
  }
}

template <typename T>
Estimate<T> Declared(T value) {
  return {std::move(value), 100, Source::kDeclared};
}

std::vector<Estimate<NamedData>> DeclaredData(
    const google::protobuf::RepeatedPtrField<berth::v1::LocalData>& data) {
  std::vector<Estimate<NamedData>> declared;
  for (const berth::v1::LocalData& one : data) {
    declared.push_back(Declared(NamedData{one.name(), one.size_bytes()}));
  }
  return declared;
}

std::optional<ClassWeights> WeightsOf(const std::string& name) {
  static constexpr std::string_view kNames[] = {"cpu", "memory", "io", "network", "gpu"};
  for (size_t c = 0; c < kComputationClasses; ++c) {
    if (kNames[c] != name) continue;
    ClassWeights weights{};
    weights[c] = 100;
    return weights;
  }
  return std::nullopt;
}

int64_t RoundedUp(int64_t value, int64_t step) {
  const int64_t bounded = std::min(value, int64_t{1} << 60);
  return (bounded + bounded / 10 + step - 1) / step * step;
}

// A path, a URI or a name as nodes may call it: itself, its last part, and that in lower case.
DataHint HintOf(const FeatureValue& value) {
  DataHint hint;
  std::string name = value.text();
  while (name.size() > 1 && name.back() == '/') name.pop_back();
  if (name.empty() || name.size() > state::kMostDataNameBytes) return hint;
  std::set<std::string> names = {name};
  const std::string last = name.substr(name.rfind('/') + 1);
  if (!last.empty()) {
    names.insert(last);
    names.insert(absl::AsciiStrToLower(last));
  }
  hint.names.assign(names.begin(), names.end());
  // A tebibyte weighs a hundred times what ten gibibytes do; unknown sizes weigh as the latter.
  constexpr int64_t kUnit = int64_t{10} << 30;
  hint.weight = static_cast<int32_t>(std::clamp<int64_t>(value.size_bytes() / kUnit, 1, 100));
  return hint;
}

// One settling, field by field.
class Cascade {
 public:
  explicit Cascade(const CascadeOptions& options) : options_(options) {}

  void Take(FeatureValue& value) {
    value.set_use(UseOf(value));
    if (value.use() != berth::v1::FEATURE_USE_SWITCHED_OFF &&
        value.use() != berth::v1::FEATURE_USE_UNSURE && !MayRepeat(value.field())) {
      taken_.insert(value.field());
    }
  }

  Settled TakeSettled() { return std::move(settled_); }

 private:
  static bool MayRepeat(FeatureField field) {
    return field == berth::v1::FEATURE_FIELD_INPUT || field == berth::v1::FEATURE_FIELD_OUTPUT ||
           field == berth::v1::FEATURE_FIELD_INTERMEDIATE ||
           field == berth::v1::FEATURE_FIELD_MODEL;
  }

  FeatureUse UseOf(const FeatureValue& value) {
    if (taken_.contains(value.field())) return berth::v1::FEATURE_USE_OVERRULED;
    const auto measured = MeasuredAs(value.field());
    if (measured && value.source() != berth::v1::FEATURE_SOURCE_DECLARED && options_.is_on &&
        !options_.is_on(*measured, static_cast<Source>(value.source()))) {
      return berth::v1::FEATURE_USE_SWITCHED_OFF;
    }
    switch (value.field()) {
      case berth::v1::FEATURE_FIELD_COMPUTATION_CLASS:
        return Class(value);
      case berth::v1::FEATURE_FIELD_INPUT:
      case berth::v1::FEATURE_FIELD_MODEL:
        return Data(value);
      case berth::v1::FEATURE_FIELD_DURATION:
        return Duration(value);
      case berth::v1::FEATURE_FIELD_CPU:
        return Fill(value, kCpuStep, settled_.cpu_milli, settled_.cpu_from);
      case berth::v1::FEATURE_FIELD_MEMORY:
        return Fill(value, kMemoryStep, settled_.memory_bytes, settled_.memory_from);
      default:
        return berth::v1::FEATURE_USE_UNSPECIFIED;
    }
  }

  FeatureUse Class(const FeatureValue& value) {
    if (value.confidence() < kLeastHintConfidence) return berth::v1::FEATURE_USE_UNSURE;
    const berth::v1::ClassWeights& w = value.weights();
    settled_.hints.bound_by = PrimaryClass({w.cpu(), w.memory(), w.io(), w.network(), w.gpu()});
    return berth::v1::FEATURE_USE_SCORE;
  }

  FeatureUse Data(const FeatureValue& value) {
    if (value.confidence() < kLeastHintConfidence) return berth::v1::FEATURE_USE_UNSURE;
    std::vector<DataHint>& data = settled_.hints.data;
    DataHint hint = HintOf(value);
    if (hint.names.empty() || data.size() == state::kMostDataHints) {
      return berth::v1::FEATURE_USE_UNSPECIFIED;
    }
    const bool is_known = std::any_of(
        data.begin(), data.end(), [&](const DataHint& known) { return known.names == hint.names; });
    if (is_known) return berth::v1::FEATURE_USE_OVERRULED;
    data.push_back(std::move(hint));
    return berth::v1::FEATURE_USE_SCORE;
  }

  // Of other users' tasks nothing is learned of the order of one's own.
  FeatureUse Duration(const FeatureValue& value) {
    if (value.source() != berth::v1::FEATURE_SOURCE_HISTORY) {
      return berth::v1::FEATURE_USE_UNSPECIFIED;
    }
    if (value.level() == "queue" || value.level() == "all") return berth::v1::FEATURE_USE_UNSURE;
    settled_.hints.expected_ms = value.number();
    return berth::v1::FEATURE_USE_ORDER;
  }

  FeatureUse Fill(const FeatureValue& value, int64_t step, int64_t& amount, std::string& from) {
    if (value.source() == berth::v1::FEATURE_SOURCE_DECLARED || options_.fill == FillPolicy::kOff) {
      return berth::v1::FEATURE_USE_UNSPECIFIED;
    }
    const bool is_of_history = value.source() == berth::v1::FEATURE_SOURCE_HISTORY;
    const bool is_sure = is_of_history ? value.ends() >= kLeastFillEnds &&
                                             (value.level() == "program" ||
                                              value.level() == "script" || value.level() == "name")
                                       : value.confidence() >= kLeastFillConfidence;
    if (!is_sure) return berth::v1::FEATURE_USE_UNSURE;
    amount = is_of_history ? RoundedUp(value.has_high() ? value.high() : value.number(), step)
                           : value.number();
    from = is_of_history ? "history" : "the job's text";
    return options_.fill == FillPolicy::kApply ? berth::v1::FEATURE_USE_FILLED
                                               : berth::v1::FEATURE_USE_SUGGESTED;
  }

  const CascadeOptions& options_;
  std::set<FeatureField> taken_;
  Settled settled_;
};

}  // namespace

Features DeclaredFeatures(const berth::v1::JobSpec& job, const berth::v1::TaskGroup& group) {
  Features declared;
  const berth::v1::Features& said = job.features();
  if (const auto weights = WeightsOf(said.computation_class())) {
    declared.computation_class = Declared(*weights);
  }
  if (said.has_duration_ms()) declared.duration_ms = Declared(said.duration_ms());
  declared.inputs = DeclaredData(said.inputs());
  declared.outputs = DeclaredData(said.outputs());
  for (const std::string& model : said.models()) declared.models.push_back(Declared(model));
  const berth::v1::Resources& resources = group.template_().resources();
  if (resources.has_cpu_milli()) declared.cpu_milli = Declared(resources.cpu_milli());
  if (resources.has_memory_bytes()) declared.memory_bytes = Declared(resources.memory_bytes());
  int64_t accelerators = 0;
  for (const berth::v1::DeviceRequest& device : group.template_().devices()) {
    accelerators += device.count();
  }
  if (accelerators > 0) declared.gpus = Declared(accelerators);
  return declared;
}

void AppendValues(const Features& features, berth::v1::GroupFeatures& out) {
  if (features.computation_class) {
    const auto& [cpu, memory, io, network, gpu] = features.computation_class->value;
    berth::v1::ClassWeights& weights =
        *Append(berth::v1::FEATURE_FIELD_COMPUTATION_CLASS, *features.computation_class, out)
             .mutable_weights();
    weights.set_cpu(cpu);
    weights.set_memory(memory);
    weights.set_io(io);
    weights.set_network(network);
    weights.set_gpu(gpu);
  }
  AppendNumber(berth::v1::FEATURE_FIELD_CPU, features.cpu_milli, out);
  AppendNumber(berth::v1::FEATURE_FIELD_MEMORY, features.memory_bytes, out);
  AppendNumber(berth::v1::FEATURE_FIELD_STORAGE, features.storage_bytes, out);
  AppendNumber(berth::v1::FEATURE_FIELD_GPUS, features.gpus, out);
  AppendNumber(berth::v1::FEATURE_FIELD_GPU_MEMORY, features.gpu_memory_bytes, out);
  if (features.gpu_kind) {
    Append(berth::v1::FEATURE_FIELD_GPU_KIND, *features.gpu_kind, out)
        .set_text(features.gpu_kind->value);
  }
  AppendNumber(berth::v1::FEATURE_FIELD_MODEL_MEMORY, features.model_memory_bytes, out);
  AppendNumber(berth::v1::FEATURE_FIELD_DURATION, features.duration_ms, out);
  AppendNumber(berth::v1::FEATURE_FIELD_PARALLELISM, features.parallelism, out);
  AppendData(berth::v1::FEATURE_FIELD_INPUT, features.inputs, out);
  AppendData(berth::v1::FEATURE_FIELD_OUTPUT, features.outputs, out);
  AppendData(berth::v1::FEATURE_FIELD_INTERMEDIATE, features.intermediate, out);
  for (const Estimate<std::string>& model : features.models) {
    Append(berth::v1::FEATURE_FIELD_MODEL, model, out).set_text(model.value);
  }
}

void AppendValues(const HistoryPrediction& prediction, berth::v1::GroupFeatures& out) {
  static constexpr FeatureField kFields[kHistoryFields] = {
      berth::v1::FEATURE_FIELD_DURATION, berth::v1::FEATURE_FIELD_MEMORY,
      berth::v1::FEATURE_FIELD_CPU, berth::v1::FEATURE_FIELD_GPUS};
  static constexpr const char* kLevels[kHistoryLevels] = {"program",    "script", "name",  "shape",
                                                          "user_queue", "user",   "queue", "all"};
  for (size_t i = 0; i < kHistoryFields; ++i) {
    const std::optional<HistoryEstimate>& estimate = prediction.fields[i];
    if (!estimate) continue;
    FeatureValue& value = *out.add_values();
    value.set_field(kFields[i]);
    value.set_source(berth::v1::FEATURE_SOURCE_HISTORY);
    value.set_confidence(estimate->confidence);
    value.set_number(estimate->value);
    value.set_low(estimate->low);
    value.set_high(estimate->high);
    value.set_level(kLevels[static_cast<size_t>(estimate->level)]);
    value.set_ends(estimate->ends);
  }
}

std::optional<HistoryField> MeasuredAs(FeatureField field) {
  switch (field) {
    case berth::v1::FEATURE_FIELD_DURATION:
      return HistoryField::kDuration;
    case berth::v1::FEATURE_FIELD_MEMORY:
      return HistoryField::kMemory;
    case berth::v1::FEATURE_FIELD_CPU:
      return HistoryField::kCpu;
    default:
      return std::nullopt;
  }
}

Settled Settle(const CascadeOptions& options, berth::v1::GroupFeatures& values) {
  Cascade cascade(options);
  for (FeatureValue& value : *values.mutable_values()) cascade.Take(value);
  return cascade.TakeSettled();
}

}  // namespace berth::features
