#include "features/rule_tables.h"

#include <algorithm>
#include <optional>
#include <span>

#include "absl/strings/numbers.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "features/embedded_files.h"
#include "features/plain_text.h"
#include "features/quantities_in_text.h"
#include "yaml/decode.h"
#include "yaml/parse.h"

namespace berth::features {
namespace {

constexpr size_t kMostBytes = 4 << 20;

constexpr std::string_view kFormNames[] = {"number", "size",  "slurm", "hms",        "hm",
                                           "human",  "pairs", "chunk", "brackets",   "gres",
                                           "gpus",   "list",  "hosts", "slots",      "master",
                                           "kind",   "word",  "range", "parameters", "processors"};
constexpr std::string_view kClassNames[] = {"cpu", "memory", "io", "network", "gpu"};
constexpr std::string_view kNounNames[] = {"core",   "gpu",        "gpu-measure", "node",    "rank",
                                           "memory", "gpu-memory", "disk",        "network", "data",
                                           "files",  "model",      "cpu"};
constexpr std::string_view kMeansNames[] = {
    "vote",   "noun",       "number",    "scale",     "time-unit",    "size-unit",   "negation",
    "denial", "former",     "now",       "each",      "total",        "need",        "ask",
    "limit",  "idle",       "per-thing", "training",  "distillation", "teacher",     "lora",
    "qlora",  "inference",  "precision", "input-cue", "output-cue",   "scratch-cue", "gpu-kind",
    "model",  "model-part", "data-set",  "errand",    "plain"};

std::optional<size_t> PositionIn(std::span<const std::string_view> names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<size_t>(found - names.begin());
}

double UnitNamed(std::string_view name) {
  if (const std::optional<double> size = ParseSizeText(text::Cat("1", name), 0)) return *size;
  if (const double ms = TimeUnitMs(name); ms > 0) return ms;
  double factor = 0;
  return absl::SimpleAtod(base::A(name), &factor) ? factor : 0;
}

// The words of a list, or of a text with commas between them.
std::vector<std::string> WordsOf(const yaml::Node& node) {
  if (node.value().is_list()) return node.Strings();
  std::vector<std::string> words;
  const std::optional<std::string> text = node.String();
  if (!text) return words;
  for (std::string_view word : text::Split(*text, ",")) {
    word = text::Strip(word);
    if (!word.empty()) words.emplace_back(word);
  }
  return words;
}

// "memory form=size unit=MiB weak" → a rule.
std::optional<OptionRule> ReadOptionRule(const yaml::Node& node) {
  const std::optional<std::string> text = node.String();
  if (!text) return std::nullopt;
  OptionRule rule;
  bool first = true, formed = false;
  for (std::string_view word : text::Words(*text)) {
    if (first) {
      const std::optional<size_t> fact = PositionIn(FactNames(), word);
      if (!fact) {
        node.Fail(text::Cat("there is no fact \"", word, "\""));
        return std::nullopt;
      }
      rule.fact = static_cast<Fact>(*fact);
      first = false;
      continue;
    }
    const size_t equals = word.find('=');
    const std::string_view key = word.substr(0, equals);
    const std::string_view value = equals == word.npos ? "" : word.substr(equals + 1);
    if (key == "form") {
      const std::optional<size_t> form = PositionIn(kFormNames, value);
      if (!form) {
        node.Fail(text::Cat("there is no form \"", value, "\""));
        return std::nullopt;
      }
      rule.form = static_cast<Form>(*form);
      formed = true;
    } else if (key == "unit") {
      rule.unit = UnitNamed(value);
      if (rule.unit <= 0) {
        node.Fail(text::Cat("\"", value, "\" is no unit"));
        return std::nullopt;
      }
    } else if (key == "set") {
      if (!absl::SimpleAtod(base::A(value), &rule.set)) {
        node.Fail(text::Cat("\"", value, "\" is no number"));
        return std::nullopt;
      }
    } else if (key == "keys") {
      rule.keys = std::string(value);
    } else if (key == "separator" && value.size() == 1) {
      rule.separator = value[0];
    } else if (word == "weak") {
      rule.weak = true;
    } else if (word == "attached") {
      rule.attached = true;
    } else {
      node.Fail(text::Cat("\"", word,
                          "\" is none of form=, unit=, set=, keys=, separator=, "
                          "weak, attached"));
      return std::nullopt;
    }
  }
  if (first) {
    node.Fail("names no fact");
    return std::nullopt;
  }
  if (!formed) {
    switch (rule.fact) {
      case Fact::kMemory:
      case Fact::kMemoryPerCore:
      case Fact::kMemoryPerGpu:
      case Fact::kMemoryTotal:
      case Fact::kGpuMemory:
      case Fact::kStorage:
        rule.form = Form::kSize;
        break;
      case Fact::kDuration:
        rule.form = Form::kHumanTime;
        break;
      case Fact::kParameters:
        rule.form = Form::kParameters;
        break;
      case Fact::kGpuKind:
        rule.form = Form::kKind;
        break;
      case Fact::kInput:
      case Fact::kOutput:
      case Fact::kIntermediate:
      case Fact::kModel:
      case Fact::kTeacher:
      case Fact::kPrecision:
      case Fact::kGpuLayers:
      case Fact::kSkip:
      case Fact::kFlag:
        rule.form = Form::kWord;
        break;
      default:
        break;
    }
  }
  return rule;
}

template <typename Each>
void ForEachEntry(const yaml::Node& node, Each each) {
  if (node.value().is_null()) return;
  if (!node.value().is_map()) {
    node.Fail(text::Cat("must be a map, is ", node.value().Describe()));
    return;
  }
  for (const yaml::Value::Entry& entry : node.value().map()) {
    const std::string path =
        node.path().empty() ? entry.key : text::Cat(node.path(), ".", entry.key);
    each(entry.key, yaml::Node(entry.value, path, node.problems()));
  }
}

void ReadOptions(const yaml::Node& node, OptionTable* table) {
  ForEachEntry(node, [&](const std::string& spellings, const yaml::Node& value) {
    const std::optional<OptionRule> rule = ReadOptionRule(value);
    if (!rule) return;
    for (std::string_view spelling : text::Words(spellings)) {
      (*table)[std::string(spelling)] = *rule;
    }
  });
}

// "cpu 60, memory 20" → weights.
std::optional<ClassWeights> ReadVotes(const yaml::Node& node) {
  const std::optional<std::string> text = node.String();
  if (!text) return std::nullopt;
  ClassWeights votes{};
  for (std::string_view part : text::Split(*text, ",")) {
    const std::vector<std::string_view> words = text::Words(part);
    int32_t weight = 0;
    const std::optional<size_t> position =
        words.empty() ? std::nullopt : PositionIn(kClassNames, words[0]);
    if (words.size() != 2 || !position || !absl::SimpleAtoi(base::A(words[1]), &weight) ||
        weight < 0 || weight > 1000) {
      node.Fail(text::Cat("\"", part, "\" is no class with a weight, as in \"cpu 60\""));
      return std::nullopt;
    }
    votes[*position] = weight;
  }
  return votes;
}

// As Longest() sees text: lower case, with '-' and '_' as spaces.
std::string Folded(std::string_view phrase) {
  std::string folded = text::Lower(phrase);
  for (char& c : folded) {
    if (c == '-' || c == '_') c = ' ';
  }
  return folded;
}

// A program's name in prose says less than that it runs.
constexpr double kProgramNameShare = 0.6;
constexpr double kLeastProgramName = 30;

class Reader {
 public:
  explicit Reader(RuleTables* tables) : tables_(*tables) {}

  void Read(const yaml::Node& root) {
    yaml::MapReader map(root);
    if (const auto node = map.Get("schedulers")) ReadSchedulers(*node);
    if (const auto node = map.Get("keys")) {
      ForEachEntry(*node, [&](const std::string& name, const yaml::Node& value) {
        ReadOptions(value, &tables_.keys[name]);
      });
    }
    if (const auto node = map.Get("programs")) ReadPrograms(*node);
    if (const auto node = map.Get("environment")) ReadOptions(*node, &tables_.environment);
    if (const auto node = map.Get("options")) {
      ReadOptions(*node, &tables_.generic);
      tables_.generic_attached.clear();
      for (const auto& [option, read] : tables_.generic) {
        if (read.attached) tables_.generic_attached.emplace_back(option, read);
      }
      SortAttached(&tables_.generic_attached);
    }
    if (const auto node = map.Get("slots")) ReadSlots(*node);
    if (const auto node = map.Get("suffixes")) ReadSuffixes(*node);
    if (const auto node = map.Get("phrases")) ReadPhrases(*node);
    if (const auto node = map.Get("gpus")) ReadGpus(*node);
    if (const auto node = map.Get("models")) ReadModels(*node);
    map.Finish();
    CheckKeys(root);
    NamePrograms();
  }

 private:
  // Prose that names a program speaks of what it does, where its name can be nothing else: one with
  // digits or capitals inside.
  void NamePrograms() {
    for (const auto& [name, program] : tables_.programs) {
      if (name.size() < 4 || name.find(' ') != name.npos) continue;
      bool digit = false, letter = false, sign = false, inner_capital = false;
      for (size_t i = 0; i < name.size(); ++i) {
        digit = digit || text::IsDigit(name[i]);
        letter = letter || text::IsAlpha(name[i]);
        sign = sign || text::Contains("._+", name[i]);
        inner_capital = inner_capital || (i > 0 && text::IsUpper(name[i]) &&
                                          !text::IsUpper(name[i - 1]) && name[i - 1] != '_');
      }
      if (!letter || !(digit || sign || inner_capital)) continue;
      PhraseRule rule;
      rule.means = Means::kVote;
      rule.vote = PrimaryClass(program.votes);
      rule.vote_weight = kProgramNameShare * program.votes[static_cast<size_t>(rule.vote)];
      if (rule.vote_weight < kLeastProgramName) continue;
      const std::string folded = Folded(name);
      if (tables_.phrases.Longest(folded, 0).bytes == folded.size()) continue;
      tables_.phrases.Add(folded, rule);
    }
  }

  void ReadExamples(yaml::MapReader& map) {
    const std::optional<yaml::Node> node = map.Get("examples");
    if (!node) return;
    for (const yaml::Node& item : node->Items()) {
      TableExample example;
      example.place = item.path();
      yaml::MapReader fields(item);
      fields.String("name", &example.name);
      fields.String("description", &example.description);
      fields.String("script", &example.script);
      if (fields.Require("gives")) fields.StringMap("gives", &example.gives);
      fields.Finish();
      tables_.examples.push_back(std::move(example));
    }
  }

  void ReadSchedulers(const yaml::Node& node) {
    ForEachEntry(node, [&](const std::string& name, const yaml::Node& value) {
      auto found = std::find_if(tables_.schedulers.begin(), tables_.schedulers.end(),
                                [&](const auto& entry) { return entry.first == name; });
      if (found == tables_.schedulers.end()) {
        found = tables_.schedulers.insert(found, {name, SchedulerRule()});
      }
      yaml::MapReader map(value);
      map.String("prefix", &found->second.prefix);
      if (found->second.prefix.empty()) map.Fail("prefix", "is empty");
      if (const auto options = map.Get("options")) ReadOptions(*options, &found->second.options);
      ReadExamples(map);
      map.Finish();
    });
  }

  // The longest first, so that "-ntomp" is not taken for "-n".
  static void SortAttached(std::vector<std::pair<std::string, OptionRule>>* attached) {
    std::sort(attached->begin(), attached->end(), [](const auto& a, const auto& b) {
      return std::pair(b.first.size(), a.first) < std::pair(a.first.size(), b.first);
    });
  }

  void ReadPrograms(const yaml::Node& node) {
    static constexpr std::string_view kWraps[] = {"nothing", "command", "interpreter", "shell"};
    ForEachEntry(node, [&](const std::string& name, const yaml::Node& value) {
      yaml::MapReader map(value);
      std::vector<std::string> names = {name};
      if (const auto programs = map.Get("programs")) names = WordsOf(*programs);
      std::optional<ClassWeights> votes;
      if (const auto text = map.Get("class")) votes = ReadVotes(*text);
      OptionTable options;
      std::string scheduler;
      if (map.String("optionsOf", &scheduler)) {
        const auto found =
            std::find_if(tables_.schedulers.begin(), tables_.schedulers.end(),
                         [&](const auto& entry) { return entry.first == scheduler; });
        if (found == tables_.schedulers.end()) {
          map.Fail("optionsOf", text::Cat("there is no scheduler \"", scheduler, "\""));
        } else {
          options = found->second.options;
        }
      }
      if (const auto table = map.Get("options")) ReadOptions(*table, &options);
      for (const auto& [key, fact] :
           {std::pair("flags", Fact::kFlag), std::pair("takes", Fact::kSkip)}) {
        std::string list;
        map.String(key, &list);
        for (std::string_view word : text::Words(list)) {
          OptionRule rule;
          rule.fact = fact;
          rule.form = Form::kWord;
          options.try_emplace(std::string(word), rule);
        }
      }
      std::optional<std::vector<ArgumentRule>> arguments;
      if (const auto text = map.Get("arguments")) arguments = ReadArguments(*text);
      std::optional<size_t> wraps;
      if (const auto text = map.Get("wraps")) wraps = text->OneOf(kWraps);
      int32_t skip_words = 0;
      map.Int32("skipWords", 0, 8, &skip_words);
      bool values = true, one_dash = false, generic = true, training = false, sql = false;
      bool trains_mostly = false;
      bool has_values = map.Bool("valuesByDefault", &values);
      if (!has_values && arguments) {
        // A program whose arguments are known is known well enough: other options are switches.
        values = false;
        has_values = true;
      }
      map.Bool("oneDashWords", &one_dash);
      const bool has_generic = map.Bool("generic", &generic);
      map.Bool("training", &training);
      map.Bool("trainsMostly", &trains_mostly);
      map.Bool("sql", &sql);
      ReadExamples(map);
      map.Finish();
      for (const std::string& program : names) {
        ProgramRule& rule = tables_.programs[program];
        if (votes) rule.votes = *votes;
        for (const auto& [option, read] : options) {
          rule.options[option] = read;
          if (read.attached) rule.attached.emplace_back(option, read);
        }
        SortAttached(&rule.attached);
        if (arguments) rule.arguments = *arguments;
        if (wraps) rule.wraps = static_cast<ProgramRule::Wraps>(*wraps);
        if (skip_words > 0) rule.skip_words = skip_words;
        if (has_values) rule.options_take_values = values;
        if (one_dash) rule.one_dash_words = true;
        if (has_generic) rule.generic = generic;
        if (training) rule.training = true;
        if (trains_mostly) rule.trains_mostly = true;
        if (sql) rule.sql = true;
      }
    });
  }

  std::optional<std::vector<ArgumentRule>> ReadArguments(const yaml::Node& node) {
    const std::optional<std::string> text = node.String();
    if (!text) return std::nullopt;
    std::vector<ArgumentRule> arguments;
    int many = 0;
    for (std::string_view word : text::Words(*text)) {
      ArgumentRule argument;
      argument.many = word.ends_with("...");
      if (argument.many) {
        word.remove_suffix(3);
        ++many;
      }
      const std::optional<size_t> fact = PositionIn(FactNames(), word);
      if (!fact || many > 1) {
        node.Fail(text::Cat("\"", word, "\": expected names of facts, one of them with ..."));
        return std::nullopt;
      }
      argument.fact = static_cast<Fact>(*fact);
      arguments.push_back(argument);
    }
    return arguments;
  }

  void ReadSlots(const yaml::Node& node) {
    yaml::MapReader map(node);
    for (const auto& [key, one] : {std::pair("oneMachine", 1.0), std::pair("manyMachines", 0.0)}) {
      const auto words = map.Get(key);
      if (!words) continue;
      for (const std::string& word : WordsOf(*words)) tables_.slots.emplace_back(word, one);
    }
    map.Finish();
  }

  void ReadSuffixes(const yaml::Node& node) {
    yaml::MapReader map(node);
    for (const auto& [key, data] : {std::pair("data", true), std::pair("other", false)}) {
      const auto words = map.Get(key);
      if (!words) continue;
      for (const std::string& word : WordsOf(*words)) tables_.suffixes[word] = data;
    }
    map.Finish();
  }

  std::optional<PhraseRule> ReadMeaning(const yaml::Node& node) {
    const std::optional<std::string> text = node.String();
    if (!text) return std::nullopt;
    const std::vector<std::string_view> words = text::Words(*text);
    const std::optional<size_t> means =
        words.empty() ? std::nullopt : PositionIn(kMeansNames, words[0]);
    PhraseRule rule;
    if (!means) {
      node.Fail(text::Cat("\"", *text, "\" begins with no meaning"));
      return std::nullopt;
    }
    rule.means = static_cast<Means>(*means);
    bool good = words.size() == 1;
    if (rule.means == Means::kVote) {
      const std::optional<size_t> vote =
          words.size() == 3 ? PositionIn(kClassNames, words[1]) : std::nullopt;
      good = vote && absl::SimpleAtod(base::A(words[2]), &rule.vote_weight);
      if (good) rule.vote = static_cast<ComputationClass>(*vote);
    } else if (rule.means == Means::kNoun) {
      const std::optional<size_t> noun =
          words.size() == 2 ? PositionIn(kNounNames, words[1]) : std::nullopt;
      good = noun.has_value();
      if (good) rule.noun = static_cast<Noun>(*noun);
    } else if (rule.means == Means::kNumber || rule.means == Means::kScale ||
               rule.means == Means::kPrecision) {
      good = words.size() == 2 && absl::SimpleAtod(base::A(words[1]), &rule.value);
    } else if (rule.means == Means::kTimeUnit) {
      good = words.size() == 2 && TimeUnitMs(words[1]) > 0;
      if (good) rule.value = TimeUnitMs(words[1]);
    } else if (rule.means == Means::kSizeUnit) {
      const std::optional<double> bytes =
          words.size() == 2 ? ParseSizeText(text::Cat("1", words[1]), 0) : std::nullopt;
      good = bytes.has_value();
      if (good) rule.value = *bytes;
    }
    if (!good) {
      node.Fail(text::Cat("\"", *text, "\" is not how this meaning is written"));
      return std::nullopt;
    }
    return rule;
  }

  // Puts the words of an entry in the tree; those that an entry of this name had before go, unless
  // it adds to them.
  void PutWords(const std::string& entry, const std::vector<std::string>& words, bool replace,
                const PhraseRule& rule) {
    std::vector<std::string>& held = tables_.phrase_lists[entry];
    if (replace) {
      for (const std::string& word : held) tables_.phrases.Remove(word);
      held.clear();
    }
    for (const std::string& word : words) {
      tables_.phrases.Add(word, rule);
      held.push_back(word);
    }
  }

  void ReadPhrases(const yaml::Node& node) {
    ForEachEntry(node, [&](const std::string& name, const yaml::Node& value) {
      yaml::MapReader map(value);
      std::optional<PhraseRule> rule;
      if (const auto means = map.Require("means")) rule = ReadMeaning(*means);
      std::vector<std::string> words;
      if (const auto list = map.Require("words")) words = WordsOf(*list);
      bool replace = false;
      map.Bool("replace", &replace);
      ReadExamples(map);
      map.Finish();
      if (rule) PutWords(text::Cat("phrases.", name), words, replace, *rule);
    });
  }

  void ReadGpus(const yaml::Node& node) {
    ForEachEntry(node, [&](const std::string& name, const yaml::Node& value) {
      yaml::MapReader map(value);
      GpuKindRule kind;
      kind.name = name;
      std::vector<std::string> words = {name};
      if (const auto list = map.Get("names")) words = WordsOf(*list);
      map.Bool("onlyWithWords", &kind.spelled);
      ReadExamples(map);
      map.Finish();
      PhraseRule rule;
      rule.means = Means::kGpuKind;
      rule.ref = static_cast<int32_t>(tables_.gpu_kinds.size());
      tables_.gpu_kinds.push_back(std::move(kind));
      PutWords(text::Cat("gpus.", name), words, false, rule);
    });
  }

  void ReadModels(const yaml::Node& node) {
    ForEachEntry(node, [&](const std::string& name, const yaml::Node& value) {
      yaml::MapReader map(value);
      ModelRule model;
      model.name = name;
      std::vector<std::string> words = {name};
      if (const auto list = map.Get("names")) words = WordsOf(*list);
      if (const auto text = map.Get("parameters")) {
        const std::optional<std::string> written = text->String();
        size_t bytes = 0;
        const std::optional<double> parameters =
            written ? ReadParameters(*written, &bytes) : std::nullopt;
        if (parameters && bytes == written->size()) {
          model.parameters = *parameters;
        } else {
          text->Fail("is no number of parameters, as in 7B or 110M");
        }
      }
      map.Bool("onGpu", &model.on_gpu);
      ReadExamples(map);
      map.Finish();
      PhraseRule rule;
      rule.means = Means::kModel;
      rule.ref = static_cast<int32_t>(tables_.models.size());
      tables_.models.push_back(std::move(model));
      PutWords(text::Cat("models.", name), words, false, rule);
    });
  }

  // Forms made of pairs must name a table of keys that there is.
  void CheckKeys(const yaml::Node& root) {
    const auto check = [&](const OptionTable& table, std::string_view where) {
      for (const auto& [name, rule] : table) {
        const bool needs =
            rule.form == Form::kPairs || rule.form == Form::kChunk || rule.form == Form::kBrackets;
        if (needs && !tables_.keys.contains(rule.keys)) {
          root.Fail(text::Cat(where, ": option ", name, ": there is no table of keys \"", rule.keys,
                              "\""));
        }
      }
    };
    for (const auto& [name, scheduler] : tables_.schedulers) check(scheduler.options, name);
    for (const auto& [name, program] : tables_.programs) check(program.options, name);
    for (const auto& [name, table] : tables_.keys) check(table, name);
    check(tables_.environment, "environment");
    check(tables_.generic, "options");
  }

  RuleTables& tables_;
};

bool IsWordByte(char c) { return text::IsAlnum(c); }

}  // namespace

int32_t PhraseTree::Child(int32_t node, unsigned char c) const {
  if (node == 0) return first_[c];
  const auto& edges = nodes_[static_cast<size_t>(node)].edges;
  for (const auto& [byte, child] : edges) {
    if (byte == c) return child;
  }
  return 0;
}

void PhraseTree::Add(std::string_view phrase, const PhraseRule& rule) {
  const bool prefix = phrase.ends_with('*');
  if (prefix) phrase.remove_suffix(1);
  if (phrase.empty()) return;
  int32_t node = 0;
  for (const char byte : Folded(phrase)) {
    const auto c = static_cast<unsigned char>(byte);
    int32_t child = Child(node, c);
    if (child == 0) {
      child = static_cast<int32_t>(nodes_.size());
      nodes_.emplace_back();
      if (node == 0) {
        first_[c] = child;
      } else {
        auto& edges = nodes_[static_cast<size_t>(node)].edges;
        edges.insert(std::lower_bound(edges.begin(), edges.end(), std::pair(c, int32_t{0})),
                     {c, child});
      }
    }
    node = child;
  }
  int32_t& held =
      prefix ? nodes_[static_cast<size_t>(node)].prefix : nodes_[static_cast<size_t>(node)].whole;
  PhraseRule merged = rule;
  if (held >= 0) {
    const PhraseRule& before = rules_[static_cast<size_t>(held)];
    if (rule.means == Means::kVote && before.means != Means::kVote) {
      merged = before;
      merged.vote = rule.vote;
      merged.vote_weight = rule.vote_weight;
    } else if (rule.means != Means::kVote && before.vote_weight > 0) {
      merged.vote = before.vote;
      merged.vote_weight = before.vote_weight;
    }
  }
  // "crawls" as a cue still votes as "crawl" does.
  const bool cue = merged.means == Means::kInputCue || merged.means == Means::kOutputCue;
  if (cue && !prefix && merged.vote_weight == 0 && phrase.ends_with('s')) {
    const std::string singular = Folded(phrase.substr(0, phrase.size() - 1));
    const Found found = Longest(singular, 0);
    if (found.rule != nullptr && found.bytes == singular.size()) {
      merged.vote = found.rule->vote;
      merged.vote_weight = found.rule->vote_weight;
    }
  }
  held = static_cast<int32_t>(rules_.size());
  rules_.push_back(merged);
}

void PhraseTree::Remove(std::string_view phrase) {
  const bool prefix = phrase.ends_with('*');
  if (prefix) phrase.remove_suffix(1);
  int32_t node = 0;
  for (const char byte : Folded(phrase)) {
    node = Child(node, static_cast<unsigned char>(byte));
    if (node == 0) return;
  }
  (prefix ? nodes_[static_cast<size_t>(node)].prefix : nodes_[static_cast<size_t>(node)].whole) =
      -1;
}

PhraseTree::Found PhraseTree::Longest(std::string_view text, size_t at) const {
  Found found;
  int32_t node = 0;
  for (size_t i = at; i < text.size(); ++i) {
    const char c = text[i];
    // Any run of spaces is one.
    if (c == ' ' && i > at && text[i - 1] == ' ') continue;
    node = Child(node, static_cast<unsigned char>(c));
    if (node == 0) break;
    const Node& here = nodes_[static_cast<size_t>(node)];
    if (here.whole < 0 && here.prefix < 0) continue;
    const size_t end = i + 1;
    const bool word_ends = !IsWordByte(c) || end == text.size() || !IsWordByte(text[end]);
    // A plural is the same phrase.
    const bool plural = !word_ends && i > at + (text::IsDigit(c) ? 0 : 1) && text[end] == 's' &&
                        (end + 1 == text.size() || !IsWordByte(text[end + 1]));
    if (here.whole >= 0 && (word_ends || plural)) {
      found = {&rules_[static_cast<size_t>(here.whole)], end + (plural ? 1 : 0) - at};
    } else if (here.prefix >= 0) {
      size_t word = end;
      while (IsWordByte(c) && word < text.size() && IsWordByte(text[word]) && word < end + 32) {
        ++word;
      }
      found = {&rules_[static_cast<size_t>(here.prefix)], word - at};
    }
  }
  return found;
}

absl::Status RuleTables::Add(std::string_view yaml, const std::string& file) {
  BERTH_ASSIGN_OR_RETURN(const yaml::Value root, yaml::ParseYaml(yaml, file, kMostBytes));
  yaml::Problems problems(file);
  RuleTables changed = *this;
  Reader(&changed).Read(yaml::Node(root, "", problems));
  BERTH_RETURN_IF_ERROR(problems.ToStatus());
  *this = std::move(changed);
  return absl::OkStatus();
}

absl::StatusOr<RuleTables> DefaultTables() {
  RuleTables tables;
  BERTH_RETURN_IF_ERROR(tables.Add(kEmbeddedRules, "rules.yaml"));
  return tables;
}

}  // namespace berth::features
