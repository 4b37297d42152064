#include "features/rules.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "base/quantities.h"
#include "base/utf8.h"
#include "features/commands.h"
#include "features/directives.h"
#include "features/models_in_text.h"
#include "features/plain_text.h"
#include "features/prose.h"
#include "features/quantities_in_text.h"
#include "features/settle_amounts.h"
#include "features/shell_words.h"
#include "features/text_findings.h"

namespace berth::features {
namespace {

constexpr size_t kMostScriptBytes = 128 << 10;
constexpr size_t kMostDescriptionBytes = 32 << 10;
constexpr size_t kMostNameBytes = 256;
constexpr size_t kMostCommandWords = 4096;
constexpr size_t kMostWordBytes = 16 << 10;
constexpr size_t kMostComments = 128;
constexpr size_t kMostCommentBytes = 1024;

constexpr double kMostCores = 8192;
constexpr double kMostMemory = 64 * kTi;
constexpr double kMostStorage = 1024 * kTi;
constexpr double kMostGpus = 4096;
constexpr double kMostGpuMemory = 4 * kTi;
constexpr double kMostDuration = 366 * kDayMs;
constexpr double kMostParallelism = 1e6;
constexpr double kMostModelMemory = 1024 * kTi;

// Of a hundred values found so, that many are right.
constexpr int32_t kDirectiveConfidence = 98;
constexpr int32_t kLauncherConfidence = 92;
constexpr int32_t kProseConfidence = 85;
constexpr int32_t kModelConfidence = 85;
constexpr int32_t kDataConfidence = 85;

// Votes of a class.
constexpr double kLeastVote = 30;
constexpr double kGpusAskedVote = 120;
// Much memory for few cores is what a job is about.
constexpr double kMemoryPerCore = 12 * kGi;
constexpr double kMuchMemory = 100 * kGi;
constexpr double kVeryMuchMemory = 256 * kGi;
constexpr double kMuchMemoryVote = 35;
// What a text of people's errands must say of computing to be one of a task.
constexpr double kComputingVote = 60;
constexpr double kIdleShare = 0.45;
constexpr double kManyCores = 8;
constexpr int32_t kGuessConfidence = 50;

template <typename T>
Estimate<T> Found(T value, int32_t confidence) {
  return {std::move(value), confidence, Source::kRules};
}

// One amount of the three sources, the strongest that has it.
struct Layers {
  Amounts directives;
  Amounts commands;
  Amounts prose;

  template <typename Member>
  std::optional<Estimate<int64_t>> Pick(Member member, double factor, double most) const {
    const std::pair<const Amounts*, int32_t> layers[] = {{&directives, kDirectiveConfidence},
                                                         {&commands, kLauncherConfidence},
                                                         {&prose, kProseConfidence}};
    for (const auto& [amounts, confidence] : layers) {
      const std::optional<double> value = amounts->*member;
      if (!value || !(*value > 0)) continue;
      const double clamped = std::min(*value, most) * factor;
      return Found(std::max<int64_t>(1, std::llround(clamped)), confidence);
    }
    return std::nullopt;
  }
};

class TextReader {
 public:
  TextReader(const RuleTables& tables, const JobText& text) : tables_(tables), text_(text) {}

  Features Read() {
    FactSheet directives;
    const ShellScript script = ReadShellScript(base::CutUtf8(text_.script, kMostScriptBytes));
    const bool directed = ReadDirectives(tables_, script.header, &directives);
    TextFindings commands = Commands(script);
    TextFindings prose = Prose(script);

    const bool runs = directed || std::any_of(commands.votes.begin(), commands.votes.end(),
                                              [](double vote) { return vote > 0; });
    if (!runs && IsErrand(prose)) prose = TextFindings();

    Layers layers;
    layers.directives = SettleAmounts(directives, std::nullopt);
    const std::optional<double> nodes = NodesOf(directives);
    layers.commands = SettleAmounts(commands.sheet, nodes);
    if (nodes) layers.commands.parallelism.reset();
    layers.prose = SettleAmounts(prose.sheet, std::nullopt);
    const bool asked = layers.directives.gpus || layers.commands.gpus;
    // "Two 3090s, not the V100s" denies a kind, and not that there is a GPU.
    const bool told = layers.prose.gpus || !layers.prose.gpu_kind.empty();
    const bool denied = ((prose.gpu_denied && !told) || commands.gpu_denied) && !asked;
    if (denied) {
      layers.prose.gpus.reset();
      layers.prose.gpu_memory_bytes.reset();
      layers.prose.gpu_kind.clear();
    }

    Features features;
    Class(layers, commands, prose, denied, asked, &features);
    if (!features.computation_class && !directed && !HasAmounts(layers)) {
      // A time alone, of a text that speaks of no computation, is that of a cake.
      layers.prose.duration_ms.reset();
      layers.prose.storage_bytes.reset();
    }
    Fill(layers, &features);
    Models(commands, prose, denied, &features);
    Data(commands, prose, &features);
    return features;
  }

 private:
  TextFindings Commands(const ShellScript& script) const {
    TextFindings findings;
    std::vector<ShellCommand> commands = script.commands;
    if (!text_.command.empty()) {
      std::vector<std::string> argv;
      for (const std::string& word :
           text_.command.first(std::min(text_.command.size(), kMostCommandWords))) {
        argv.emplace_back(base::CutUtf8(word, kMostWordBytes));
      }
      commands.push_back(CommandOf(argv));
    }
    ReadCommands(tables_, commands, &findings);
    return findings;
  }

  TextFindings Prose(const ShellScript& script) const {
    TextFindings findings;
    ReadProse(tables_, base::CutUtf8(text_.description, kMostDescriptionBytes),
              ProseKind::kDescription, &findings);
    size_t count = 0;
    for (const std::string_view comment : script.comments) {
      if (++count > kMostComments) break;
      ReadProse(tables_, base::CutUtf8(comment, kMostCommentBytes), ProseKind::kComment, &findings);
    }
    ReadProse(tables_, base::CutUtf8(text_.name, kMostNameBytes), ProseKind::kName, &findings);
    // Of an image only that it is made for GPUs counts.
    TextFindings image;
    ReadProse(tables_, base::CutUtf8(text_.image, kMostNameBytes), ProseKind::kName, &image);
    const auto gpu = static_cast<size_t>(ComputationClass::kGpuBound);
    findings.votes[gpu] += image.votes[gpu];
    return findings;
  }

  // Whether a text that starts nothing speaks of machines as of any other things: of their prices,
  // or of those of somebody else.
  static bool IsErrand(const TextFindings& prose) {
    double most = 0, others = 0;
    for (size_t i = 0; i < prose.votes.size(); ++i) {
      const bool gpu = i == static_cast<size_t>(ComputationClass::kGpuBound);
      const double vote = prose.votes[i] - (gpu ? prose.gpu_mentions : 0);
      most = std::max(most, vote);
      others += vote;
    }
    if (prose.errand) return most < kComputingVote;
    const FactSheet& sheet = prose.sheet;
    const bool amounts = std::any_of(sheet.numbers.begin(), sheet.numbers.end(),
                                     [](const auto& number) { return number.has_value(); });
    return prose.gpu_mentions > 0 && others <= 0 && !amounts && !prose.asks && prose.models.empty();
  }

  static std::optional<double> NodesOf(const FactSheet& directives) {
    if (directives.Has(Fact::kNodes)) return directives.Get(Fact::kNodes);
    const auto ranks = directives.Get(Fact::kRanks);
    const auto each = directives.Get(Fact::kRanksPerNode);
    if (ranks && each && *each > 0) return std::ceil(*ranks / *each);
    return std::nullopt;
  }

  static bool HasAmounts(const Layers& layers) {
    for (const Amounts* amounts : {&layers.directives, &layers.commands, &layers.prose}) {
      if (amounts->cores || amounts->memory_bytes || amounts->gpus || amounts->parallelism) {
        return true;
      }
    }
    return layers.directives.duration_ms || layers.commands.duration_ms;
  }

  static void Class(const Layers& layers, const TextFindings& commands, const TextFindings& prose,
                    bool denied, bool asked, Features* features) {
    std::array<double, kComputationClasses> votes{};
    for (size_t i = 0; i < votes.size(); ++i) {
      votes[i] = commands.votes[i] + prose.votes[i];
      // Of what a resource does little of, it may still do nothing else.
      votes[i] = std::max(votes[i] - prose.idle[i], kIdleShare * votes[i]);
    }
    double& gpu = votes[static_cast<size_t>(ComputationClass::kGpuBound)];
    if (denied) gpu = 0;
    if (asked) gpu += kGpusAskedVote;
    const auto first = [](std::optional<double> a, std::optional<double> b,
                          std::optional<double> c) {
      return a ? a : b ? b : c;
    };
    const auto memory = first(layers.directives.memory_bytes, layers.commands.memory_bytes,
                              layers.prose.memory_bytes);
    const auto cores = first(layers.directives.cores, layers.commands.cores, layers.prose.cores);
    const bool much =
        memory && (cores ? *memory >= kMuchMemory && *memory / *cores >= kMemoryPerCore
                         : *memory >= kVeryMuchMemory);
    if (much) {
      votes[static_cast<size_t>(ComputationClass::kMemoryBound)] += kMuchMemoryVote;
    }
    double best = 0, sum = 0;
    for (double& vote : votes) {
      vote = std::max(vote, 0.0);
      best = std::max(best, vote);
      sum += vote;
    }
    if (best < kLeastVote) {
      // Many cores for what no table knows are probably what it is bound by.
      const auto tasks = first(layers.directives.parallelism, layers.commands.parallelism,
                               layers.prose.parallelism);
      const double all = cores.value_or(tasks ? 1 : 0) * tasks.value_or(1);
      if (all < kManyCores && !(denied && cores)) return;
      ClassWeights weights{};
      const bool large =
          memory && cores && *memory >= kVeryMuchMemory && *memory / *cores >= kMemoryPerCore / 2;
      weights[static_cast<size_t>(large ? ComputationClass::kMemoryBound
                                        : ComputationClass::kCpuBound)] = 100;
      features->computation_class = Found(weights, kGuessConfidence);
      return;
    }
    ClassWeights weights{};
    int32_t left = 100;
    size_t most = 0;
    for (size_t i = 0; i < votes.size(); ++i) {
      weights[i] = static_cast<int32_t>(votes[i] / sum * 100);
      left -= weights[i];
      if (votes[i] > votes[most]) most = i;
    }
    weights[most] += left;
    const double share = best / sum;
    const auto confidence = static_cast<int32_t>(55 + 40 * share);
    features->computation_class = Found(weights, std::min(confidence, 95));
  }

  static void Fill(const Layers& layers, Features* features) {
    features->cpu_milli = layers.Pick(&Amounts::cores, 1000, kMostCores);
    features->memory_bytes = layers.Pick(&Amounts::memory_bytes, 1, kMostMemory);
    features->storage_bytes = layers.Pick(&Amounts::storage_bytes, 1, kMostStorage);
    features->gpus = layers.Pick(&Amounts::gpus, 1, kMostGpus);
    features->gpu_memory_bytes = layers.Pick(&Amounts::gpu_memory_bytes, 1, kMostGpuMemory);
    features->duration_ms = layers.Pick(&Amounts::duration_ms, 1, kMostDuration);
    features->parallelism = layers.Pick(&Amounts::parallelism, 1, kMostParallelism);
    for (const auto& [amounts, confidence] : {std::pair(&layers.directives, kDirectiveConfidence),
                                              std::pair(&layers.commands, kLauncherConfidence),
                                              std::pair(&layers.prose, kProseConfidence)}) {
      if (amounts->gpu_kind.empty()) continue;
      features->gpu_kind = Found(amounts->gpu_kind, confidence);
      break;
    }
  }

  static void Models(const TextFindings& commands, const TextFindings& prose, bool denied,
                     Features* features) {
    std::vector<ModelFound> models = prose.models;
    models.insert(models.end(), commands.models.begin(), commands.models.end());
    for (const ModelFound& model : models) {
      const bool known = std::any_of(features->models.begin(), features->models.end(),
                                     [&](const auto& other) { return other.value == model.name; });
      if (!known && !model.name.empty() && features->models.size() < kMostNames) {
        features->models.push_back(Found(model.name, kModelConfidence));
      }
    }
    const bool on_gpu =
        features->computation_class &&
        PrimaryClass(features->computation_class->value) == ComputationClass::kGpuBound;
    if (!on_gpu || denied) return;
    ModelUse use = prose.use;
    use.training = use.training || commands.use.training;
    use.trains_mostly = commands.use.trains_mostly;
    use.inference = use.inference || commands.use.inference;
    use.distillation = use.distillation || commands.use.distillation;
    use.lora = use.lora || commands.use.lora;
    use.qlora = use.qlora || commands.use.qlora;
    if (commands.use.bytes_per_parameter > 0) {
      use.bytes_per_parameter = commands.use.bytes_per_parameter;
    }
    // Adapters over weights of four bits are what QLoRA is.
    if (use.lora && use.bytes_per_parameter > 0 && use.bytes_per_parameter <= 0.5) use.qlora = true;
    double bytes = ModelBytes(models, use);
    if (bytes == 0 && commands.sheet.Has(Fact::kParameters)) {
      bytes = ModelBytes({{"", *commands.sheet.Get(Fact::kParameters)}}, use);
    }
    if (bytes <= 0) return;
    features->model_memory_bytes =
        Found(static_cast<int64_t>(std::min(bytes, kMostModelMemory)), kModelConfidence);
  }

  static bool IsScratch(std::string_view name) {
    return name.starts_with("/scratch") || name.starts_with("/tmp/") ||
           name.starts_with("$SCRATCH") || name.starts_with("$TMPDIR") ||
           name.starts_with("/lscratch") || name.starts_with("/local_scratch");
  }

  static void Data(const TextFindings& commands, const TextFindings& prose, Features* features) {
    std::vector<DataFound> all = commands.data;
    for (const DataFound& data : prose.data) {
      const auto same = std::find_if(
          all.begin(), all.end(), [&](const DataFound& other) { return other.name == data.name; });
      if (same == all.end()) {
        all.push_back(data);
      } else if (same->size_bytes == 0) {
        same->size_bytes = data.size_bytes;
      }
    }
    // What is kept lies elsewhere: then what is written to scratch is for the task itself.
    const bool kept = std::any_of(all.begin(), all.end(), [](const DataFound& data) {
      return data.role == Fact::kOutput && !IsScratch(data.name);
    });
    for (const DataFound& data : all) {
      auto* list = &features->inputs;
      if (data.role == Fact::kOutput) list = &features->outputs;
      const bool passing = data.role == Fact::kOutput && kept && IsScratch(data.name);
      if (passing || data.role == Fact::kIntermediate) list = &features->intermediate;
      if (list->size() >= kMostNames) continue;
      const double most = kMostStorage * 1024;
      list->push_back(
          Found(NamedData{data.name, static_cast<int64_t>(std::min(data.size_bytes, most))},
                kDataConfidence));
    }
  }

  const RuleTables& tables_;
  const JobText& text_;
};

}  // namespace

Features Rules::ReadText(const JobText& text) const { return TextReader(tables_, text).Read(); }

std::map<std::string, std::string> DescribeFeatures(const Features& features) {
  std::map<std::string, std::string> described;
  static constexpr std::string_view kClasses[] = {"cpu", "memory", "io", "network", "gpu"};
  if (features.computation_class) {
    described["class"] =
        std::string(kClasses[static_cast<size_t>(PrimaryClass(features.computation_class->value))]);
  }
  const auto bytes = [&](const char* name, const Features::Maybe<int64_t>& value) {
    if (value) described[name] = base::FormatBytes(value->value);
  };
  const auto count = [&](const char* name, const Features::Maybe<int64_t>& value) {
    if (value) described[name] = std::to_string(value->value);
  };
  if (features.cpu_milli) described["cores"] = base::FormatCpuMilli(features.cpu_milli->value);
  bytes("memory", features.memory_bytes);
  bytes("storage", features.storage_bytes);
  count("gpus", features.gpus);
  bytes("gpuMemory", features.gpu_memory_bytes);
  if (features.gpu_kind) described["gpuKind"] = features.gpu_kind->value;
  bytes("modelMemory", features.model_memory_bytes);
  if (features.duration_ms) {
    described["duration"] =
        base::FormatExactDuration(absl::Milliseconds(features.duration_ms->value));
  }
  count("parallelism", features.parallelism);
  const auto names = [&](const char* name, const auto& list, const auto& name_of) {
    if (list.empty()) return;
    std::string joined;
    for (const auto& entry : list) {
      joined += text::Cat(joined.empty() ? "" : ", ", name_of(entry.value));
    }
    described[name] = joined;
  };
  const auto data_name = [](const NamedData& data) { return data.name; };
  names("inputs", features.inputs, data_name);
  names("outputs", features.outputs, data_name);
  names("intermediate", features.intermediate, data_name);
  names("models", features.models, [](const std::string& name) { return name; });
  return described;
}

std::vector<std::string> FailingExamples(const Rules& rules) {
  std::vector<std::string> failing;
  for (const TableExample& example : rules.tables().examples) {
    const JobText text{example.name, example.description, example.script, {}, ""};
    const std::map<std::string, std::string> got = DescribeFeatures(rules.ReadText(text));
    for (const auto& [field, expected] : example.gives) {
      const auto found = got.find(field);
      const std::string value = found == got.end() ? "" : found->second;
      if (value == expected) continue;
      failing.push_back(text::Cat(example.place, ": ", field, ": expected \"", expected,
                                  "\", got \"", value, "\""));
    }
  }
  return failing;
}

}  // namespace berth::features
