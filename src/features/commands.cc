#include "features/commands.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/strings.h"
#include "features/models_in_text.h"
#include "features/option_values.h"
#include "features/plain_text.h"
#include "features/quantities_in_text.h"

namespace berth::features {
namespace {

// A launcher may start a launcher; more than these is no script of people.
constexpr int kMostDepth = 8;
constexpr size_t kMostProgramName = 96;
constexpr size_t kMostDocumentBytes = 8192;
// Where a program's own name votes, it says less than its table entry would.
constexpr double kScriptNameShare = 0.6;
// Cores that a launcher gives to a program that no table knows make it probably bound by them.
constexpr double kUnknownParallel = 40;
constexpr double kGpuWordVote = 85;
constexpr double kWeakVote = 25;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordByte(char c) { return text::IsAlnum(c); }

bool IsUri(std::string_view text) {
  const size_t colon = text.find("://");
  return colon != text.npos && colon > 0 && colon < 12;
}

std::string_view BaseName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// What comes after the last dot of the file's name.
std::string SuffixOf(std::string_view name) {
  std::string_view base = BaseName(name);
  const size_t dot = base.rfind('.');
  if (dot == base.npos || dot == 0) return "";
  return text::Lower(base.substr(dot + 1));
}

class CommandReader {
 public:
  CommandReader(const RuleTables& tables, TextFindings* findings)
      : tables_(tables), findings_(*findings) {}

  void Read(const ShellCommand& command, size_t step) {
    step_ = step;
    pending_threads_ = 0;
    for (const auto& [name, value] : command.settings) Setting(name, value);
    if (command.words.empty()) {
      for (const std::string& name : command.reads_from) AddData(name, Fact::kInput, false);
      return;
    }
    output_said_ = !command.writes_to.empty();
    network_ = false;
    silent_ = false;
    sql_ = false;
    std::vector<std::string_view> words;
    words.reserve(command.words.size());
    for (const ShellWord& word : command.words) words.push_back(word.text);
    Program(words, 0);
    // Transfers at once are no cores.
    if (pending_threads_ > 0 && !network_) {
      findings_.sheet.Largest(Fact::kThreads, pending_threads_);
    }
    if (!command.here_document.empty()) {
      HereDocument(command.here_document);
      return;
    }
    if (silent_) return;
    for (const std::string& name : command.reads_from) AddData(name, Fact::kInput, false);
    for (const std::string& name : command.writes_to) {
      if (!IsLog(name)) AddData(name, Fact::kOutput, false);
    }
  }

  // What a program says of itself is no data.
  static bool IsLog(std::string_view name) {
    const std::string_view base = BaseName(name);
    return base.starts_with("log") || base == "err" || base == "nohup.out" ||
           name.starts_with("logs/") || text::Contains(name, "/logs/");
  }

  // Input decks and statements that stand in the script itself.
  void HereDocument(std::string_view document) {
    document = document.substr(0, kMostDocumentBytes);
    const auto decks = tables_.keys.find("decks");
    if (decks != tables_.keys.end()) {
      const std::vector<std::string_view> words = text::Words(document, " \t\r\n,;");
      const OptionSource source{&decks->second, {}, false, false};
      for (size_t i = 0; i < words.size(); ++i) {
        const OptionRead read = ReadOption(source, words, i);
        if (read.rule != nullptr && read.rule->fact == Fact::kInput) {
          // "* xyzfile 0 1 geo.xyz": the name comes after numbers.
          for (size_t k = i + 1; k < std::min(words.size(), i + 4); ++k) {
            if (IsDataName(words[k], true)) AddData(words[k], Fact::kInput, true);
          }
        } else if (read.rule != nullptr && read.has_value) {
          ApplyOption(tables_, *read.rule, read.value, true, &findings_.sheet);
        }
      }
    }
    Statements(document);
  }

  // Names in quotes of SQL: what comes after TO is written, the rest is read.
  void Statements(std::string_view statements) {
    if (!sql_) return;
    size_t i = 0;
    while ((i = statements.find('\'', i)) != statements.npos) {
      const size_t close = statements.find('\'', i + 1);
      if (close == statements.npos) return;
      const std::string_view name = statements.substr(i + 1, close - i - 1);
      const std::string before = text::Lower(text::StripRight(
          statements.substr(i - std::min<size_t>(i, 24), std::min<size_t>(i, 24))));
      Fact role = Fact::kInput;
      if (before.ends_with(" to") || before.ends_with("\nto") || before.ends_with(")to")) {
        role = Fact::kOutput;
      } else if (text::Contains(before, "temp_directory")) {
        role = Fact::kIntermediate;
      } else if (before.ends_with("=")) {
        i = close + 1;
        continue;
      }
      if (role == Fact::kIntermediate || IsDataName(name, true)) AddData(name, role, false);
      i = close + 1;
    }
  }

  // A file that one step writes and a later one reads is intermediate.
  void Settle() {
    std::vector<DataFound> kept;
    for (const DataFound& read : data_) {
      if (read.role != Fact::kInput) continue;
      for (DataFound& written : data_) {
        if (written.role == Fact::kOutput && written.step < read.step &&
            SameName(written.name, read.name)) {
          written.role = Fact::kIntermediate;
        }
      }
    }
    for (const DataFound& data : data_) {
      const bool repeated = std::any_of(kept.begin(), kept.end(), [&](const DataFound& other) {
        return SameName(other.name, data.name);
      });
      if (repeated) continue;
      if (data.role == Fact::kInput) {
        const bool made = std::any_of(data_.begin(), data_.end(), [&](const DataFound& other) {
          return other.role != Fact::kInput && other.step <= data.step &&
                 (SameName(other.name, data.name) || IsBelow(data.name, other.name));
        });
        if (made) continue;
      }
      if (kept.size() < kMostNames) kept.push_back(data);
    }
    findings_.data = std::move(kept);
  }

 private:
  static std::string_view Trimmed(std::string_view name) {
    if (name.starts_with("./")) name.remove_prefix(2);
    while (name.size() > 1 && name.ends_with('/')) name.remove_suffix(1);
    return name;
  }
  static bool SameName(std::string_view a, std::string_view b) { return Trimmed(a) == Trimmed(b); }
  static bool IsBelow(std::string_view name, std::string_view folder) {
    folder = Trimmed(folder);
    name = Trimmed(name);
    return name.size() > folder.size() && name.starts_with(folder) && name[folder.size()] == '/';
  }

  void Setting(std::string_view name, std::string_view value) {
    auto found = tables_.environment.find(name);
    // "*_NUM_THREADS": what variables are called that no table names.
    if (found == tables_.environment.end()) {
      size_t words = 0;
      for (size_t at = name.find('_'); at != name.npos && words < 4 && name.size() < 64;
           at = name.find('_', at + 1), ++words) {
        found = tables_.environment.find(text::Cat("*", name.substr(at)));
        if (found != tables_.environment.end()) break;
      }
    }
    if (found == tables_.environment.end()) return;
    if (name == "CUDA_VISIBLE_DEVICES" || name == "HIP_VISIBLE_DEVICES" ||
        name == "ASCEND_RT_VISIBLE_DEVICES") {
      if (value.empty() || value == "-1" || value == "none") findings_.gpu_denied = true;
    }
    Apply(found->second, value);
    if (pending_threads_ > 0) findings_.sheet.Largest(Fact::kThreads, pending_threads_);
    pending_threads_ = 0;
  }

  void Apply(const OptionRule& rule, std::string_view value) {
    switch (rule.fact) {
      case Fact::kInput:
      case Fact::kOutput:
      case Fact::kIntermediate:
        AddData(value, rule.fact, false);
        break;
      case Fact::kModel:
        AddModel(value, false);
        break;
      case Fact::kTeacher:
        AddModel(value, true);
        break;
      case Fact::kGpuLayers:
        // Layers of a model that lie on a GPU; none says that there is none.
        if (value == "0") {
          findings_.gpu_denied = true;
        } else {
          findings_.Vote(ComputationClass::kGpuBound, 90);
        }
        break;
      case Fact::kPrecision:
      case Fact::kSkip:
      case Fact::kFlag:
        break;
      case Fact::kThreads: {
        FactSheet sheet;
        ApplyOption(tables_, rule, value, true, &sheet);
        if (const auto threads = sheet.Get(Fact::kThreads)) {
          pending_threads_ = std::max(pending_threads_, *threads);
        }
        break;
      }
      default:
        ApplyOption(tables_, rule, value, true, &findings_.sheet);
    }
  }

  void AddModel(std::string_view word, bool teacher) {
    if (findings_.models.size() >= kMostNames) return;
    // "--model_args pretrained=org/name,dtype=float16"
    if (const size_t key = word.find("pretrained="); key != word.npos) {
      word = word.substr(key + 11);
      word = word.substr(0, word.find(','));
    }
    auto model = ModelOfWord(tables_, word);
    if (!model) return;
    model->teacher = teacher;
    findings_.models.push_back(std::move(*model));
    if (const double bytes = PrecisionInName(tables_, word); bytes > 0) {
      findings_.use.bytes_per_parameter = bytes;
    }
  }

  // Whether a word can be the name of data. `guess`: nothing but its place says that it is.
  bool IsDataName(std::string_view name, bool guess) const {
    if (name.empty() || name.size() > 512 || name[0] == '-') return false;
    if (name.find_first_of(" \t\n`{}()<>|;\"'\\,^") != name.npos) {
      // "${X}" is a variable; other braces are patterns of the shell or of another language.
      for (size_t i = 0; i < name.size(); ++i) {
        if (text::Contains(" \t\n`()<>|;\"'\\,^", name[i])) return false;
        if (name[i] == '{' && (i == 0 || name[i - 1] != '$')) return false;
      }
    }
    if (name == "." || name == ".." || name == "/" || name == "*" || name.starts_with("/dev/")) {
      return false;
    }
    if (std::all_of(name.begin(), name.end(), [](char c) { return IsDigit(c) || c == '.'; })) {
      return false;
    }
    // A variable alone names nothing.
    if (name[0] == '$' && name.find('/') == name.npos && name.find('.') == name.npos) return false;
    if (name == "true" || name == "false" || name == "True" || name == "False" || name == "none" ||
        name == "None" || name == "stdin" || name == "stdout" || name == "auto") {
      return false;
    }
    const auto suffix = tables_.suffixes.find(SuffixOf(name));
    if (suffix != tables_.suffixes.end() && !suffix->second) return false;
    if (!guess) return true;
    if (IsUri(name))
      return !name.starts_with("http") && !name.starts_with("tcp") &&
             !name.starts_with("postgres") && !name.starts_with("mongodb");
    return suffix != tables_.suffixes.end() || name[0] == '/' || name.ends_with('/');
  }

  void AddData(std::string_view name, Fact role, bool guess) {
    while (!name.empty() && (name.front() == '"' || name.front() == '\'')) name.remove_prefix(1);
    while (!name.empty() && (name.back() == '"' || name.back() == '\'')) name.remove_suffix(1);
    if (data_.size() >= 4 * kMostNames || !IsDataName(name, guess)) return;
    data_.push_back({std::string(name), role, step_, 0});
    if (role == Fact::kOutput) written_.try_emplace(std::string(Trimmed(name)), step_);
  }

  // A word that names what an earlier step wrote reads it, whatever the option is called.
  void ReadsWritten(std::string_view name) {
    const auto found = written_.find(Trimmed(name));
    if (found != written_.end() && found->second < step_) AddData(name, Fact::kInput, false);
  }

  void AddVotes(const ClassWeights& votes) {
    for (size_t i = 0; i < votes.size(); ++i) findings_.votes[i] += votes[i];
    network_ = network_ || votes[static_cast<size_t>(ComputationClass::kNetworkBound)] >
                               votes[static_cast<size_t>(ComputationClass::kCpuBound)];
  }

  // The longest name of a program at the beginning of the words; says how many it takes.
  const ProgramRule* Find(std::span<const std::string_view> words, size_t* took) const {
    std::string name(BaseName(words[0]));
    const ProgramRule* best = nullptr;
    // Switches may stand before a subcommand: "gsutil -m cp".
    for (size_t count = 1; count <= std::min<size_t>(words.size(), 4); ++count) {
      if (count > 1) {
        if (words[count - 1].starts_with('-')) {
          // "hdfs dfs -put" is a subcommand that looks like a switch.
          const auto found = tables_.programs.find(text::Cat(name, " ", words[count - 1]));
          if (found != tables_.programs.end()) {
            best = &found->second;
            *took = count;
            break;
          }
          continue;
        }
        name += text::Cat(" ", words[count - 1]);
      }
      if (name.size() > kMostProgramName) break;
      if (const auto found = tables_.programs.find(name); found != tables_.programs.end()) {
        best = &found->second;
        *took = count;
      }
    }
    return best;
  }

  void Program(std::span<const std::string_view> words, int depth) {
    if (words.empty() || depth > kMostDepth) return;
    size_t took = 1;
    const ProgramRule* rule = Find(words, &took);
    const std::span<const std::string_view> rest = words.subspan(took);
    if (rule == nullptr) {
      Unknown(words, depth);
      return;
    }
    if (rule->training) findings_.use.training = true;
    if (rule->trains_mostly) findings_.use.trains_mostly = true;
    if (rule->sql) {
      sql_ = true;
      for (const std::string_view word : rest) Statements(word);
    }
    const bool told = !rest.empty() || rule->arguments.empty();
    if (told) AddVotes(rule->votes);
    silent_ = !rule->generic && rule->votes == ClassWeights{} &&
              rule->wraps == ProgramRule::Wraps::kNothing && rule->arguments.empty() &&
              rule->options.empty();
    switch (rule->wraps) {
      case ProgramRule::Wraps::kNothing:
        Leaf(*rule, rest, false);
        break;
      case ProgramRule::Wraps::kCommand:
        Wrapper(*rule, rest, depth);
        break;
      case ProgramRule::Wraps::kInterpreter:
        Interpreter(*rule, rest, depth);
        break;
      case ProgramRule::Wraps::kShellText:
        ShellText(*rule, rest, depth);
        break;
    }
  }

  // A program without a table entry: a script or a binary of the user's own.
  void Unknown(std::span<const std::string_view> words, int) {
    static const ProgramRule kNone;
    ScriptName(words[0]);
    Leaf(kNone, words.subspan(1), true);
  }

  // The words of a script's name say what it does: train.py, download_all.sh.
  void ScriptName(std::string_view path) {
    std::string stem(BaseName(path));
    if (const size_t dot = stem.rfind('.'); dot != stem.npos && dot > 0) stem.resize(dot);
    if (stem.size() > kMostProgramName) return;
    std::string folded = FoldText(stem);
    for (size_t at = 0; at < folded.size(); ++at) {
      if (at > 0 && IsWordByte(folded[at - 1])) continue;
      const PhraseTree::Found found = tables_.phrases.Longest(folded, at);
      if (found.rule == nullptr) continue;
      if (found.rule->vote_weight > 0) {
        findings_.Vote(found.rule->vote, found.rule->vote_weight * kScriptNameShare);
      }
      UseOf(*found.rule);
    }
  }

  void UseOf(const PhraseRule& rule) {
    switch (rule.means) {
      case Means::kTraining:
        findings_.use.training = true;
        break;
      case Means::kDistillation:
        findings_.use.training = findings_.use.distillation = true;
        break;
      case Means::kInference:
        findings_.use.inference = true;
        break;
      case Means::kLora:
        findings_.use.lora = true;
        break;
      case Means::kQlora:
        findings_.use.qlora = true;
        break;
      case Means::kPrecision:
        findings_.use.bytes_per_parameter = rule.value;
        break;
      default:
        break;
    }
  }

  // Words of options say how a model is used, and that a GPU is: --lora_r, --device cuda.
  void OptionWord(std::string_view word) {
    if (word.size() > kMostProgramName) return;
    const std::string folded = FoldText(word);
    for (size_t at = 0; at < folded.size(); ++at) {
      if (!IsWordByte(folded[at]) || (at > 0 && IsWordByte(folded[at - 1]))) continue;
      const PhraseTree::Found found = tables_.phrases.Longest(folded, at);
      if (found.rule == nullptr) continue;
      UseOf(*found.rule);
      // "--train FILE" and "--epochs" are those of any learner.
      if (found.rule->vote_weight > kWeakVote && found.rule->vote == ComputationClass::kGpuBound) {
        findings_.Vote(ComputationClass::kGpuBound, found.rule->vote_weight);
      }
      at += found.bytes - 1;
    }
  }

  // "-nb gpu": a value that is nothing but a word for GPUs.
  void IsGpuWord(std::string_view value) {
    if (value.size() > 16) return;
    const std::string folded = FoldText(value);
    const PhraseTree::Found found = tables_.phrases.Longest(folded, 0);
    if (found.rule != nullptr && found.bytes == folded.size() &&
        found.rule->means == Means::kNoun && found.rule->noun == Noun::kGpu) {
      findings_.Vote(ComputationClass::kGpuBound, kGpuWordVote);
    }
  }

  // The options and arguments of a program that runs nothing else.
  void Leaf(const ProgramRule& rule, std::span<const std::string_view> words, bool unknown) {
    std::vector<std::string_view> arguments;
    const OptionSource own{&rule.options, rule.attached, true, false};
    const OptionSource generic{&tables_.generic, {}, false, false};
    static const OptionTable kNoOptions;
    const OptionSource attached{&kNoOptions, tables_.generic_attached, false, false};
    bool only_arguments = false;
    for (size_t i = 0; i < words.size();) {
      const std::string_view word = words[i];
      if (word == "--") {
        only_arguments = false;
        ++i;
        continue;
      }
      if (word.empty()) {
        ++i;
        continue;
      }
      OptionRead read = ReadOption(own, words, i);
      if (read.rule == nullptr && rule.generic) read = ReadOption(generic, words, i);
      if (read.rule == nullptr) read = ReadOption(attached, words, i);
      if (read.rule != nullptr) {
        // "--gpu" before another option is a switch; options of a Java machine are a value.
        if (read.words == 2 && read.value.starts_with("-") && read.value.size() > 1 &&
            !IsDigit(read.value[1]) && !read.value.starts_with("-X")) {
          read.has_value = false;
          read.words = 1;
        }
        OptionWord(word);
        if (read.has_value || read.rule->set >= 0) {
          if (read.rule->fact == Fact::kOutput) output_said_ = true;
          Apply(*read.rule, read.value);
          if (read.rule->form == Form::kList)
            i += ListOn(*read.rule, words.subspan(i + read.words));
          if (read.rule->fact == Fact::kSkip || read.rule->fact == Fact::kModel ||
              read.rule->fact == Fact::kTeacher) {
            ReadsWritten(read.value);
          }
          if (static_cast<size_t>(read.rule->fact) >= kNumericFacts && read.words == 2 &&
              read.rule->fact != Fact::kInput && read.rule->fact != Fact::kOutput) {
            OptionWord(read.value);
            IsGpuWord(read.value);
          }
        }
        i += read.words;
        continue;
      }
      if (word[0] == '-' && word.size() > 1 && !IsDigit(word[1]) && !only_arguments) {
        OptionWord(word);
        const bool takes = rule.options_take_values && word.find('=') == word.npos &&
                           i + 1 < words.size() && !words[i + 1].empty() &&
                           words[i + 1][0] != '-' &&
                           (word[1] == '-' || rule.one_dash_words || word.size() == 2);
        const size_t equals = word.find('=');
        if (rule.generic && word[1] == '-' && (takes || equals != word.npos)) {
          GuessOption(word.substr(0, equals),
                      equals == word.npos ? words[i + 1] : word.substr(equals + 1));
        }
        if (takes && (word[1] == '-' || unknown)) {
          OptionWord(words[i + 1]);
          ReadsWritten(words[i + 1]);
          i += 2;
          continue;
        }
        ++i;
        continue;
      }
      if (word.find('=') != word.npos && !IsUri(word) && word.find('/') > word.find('=')) {
        OptionWord(word);
        ++i;
        continue;
      }
      arguments.push_back(word);
      ++i;
    }
    if (unknown || (rule.arguments.empty() && rule.generic && rule.votes == ClassWeights{})) {
      GuessArguments(arguments);
    } else {
      PlaceArguments(rule, arguments);
    }
  }

  // "--gpu_ids 0 1 2": numbers that go on with a list of which one was read. Returns how many.
  size_t ListOn(const OptionRule& rule, std::span<const std::string_view> rest) {
    size_t more = 0;
    while (more < rest.size() && rest[more].size() == 1 && IsDigit(rest[more][0])) ++more;
    if (more > 0 && static_cast<size_t>(rule.fact) < kNumericFacts) {
      findings_.sheet.Largest(rule.fact, static_cast<double>(more + 1));
    }
    return more;
  }

  // "--in-csv", "--target", "--bam_out": the first or last word of an option's name says whether it
  // is read or written.
  void GuessOption(std::string_view option, std::string_view value) {
    if (option.size() > 32 || !IsDataName(value, true)) return;
    const std::string name = text::Lower(option.substr(2));
    const std::vector<std::string_view> parts = text::Split(name, "-_.");
    static constexpr std::string_view kRead[] = {"in",   "input", "inputs", "src", "source",
                                                 "from", "read",  "train",  "val", "valid",
                                                 "test", "eval",  "raw",    "data"};
    static constexpr std::string_view kWritten[] = {"out",   "output", "outputs", "dst",
                                                    "dest",  "target", "to",      "save",
                                                    "write", "result", "results"};
    const auto is = [&](const auto& words) {
      return std::any_of(std::begin(words), std::end(words), [&](std::string_view word) {
        return parts.front() == word || parts.back() == word;
      });
    };
    if (is(kWritten)) {
      output_said_ = true;
      AddData(value, Fact::kOutput, true);
    } else if (is(kRead)) {
      AddData(value, Fact::kInput, true);
    }
  }

  void PlaceArguments(const ProgramRule& rule, const std::vector<std::string_view>& arguments) {
    const std::vector<ArgumentRule>& places = rule.arguments;
    const auto many = std::find_if(places.begin(), places.end(),
                                   [](const ArgumentRule& place) { return place.many; });
    const size_t before = static_cast<size_t>(many - places.begin());
    const size_t after = many == places.end() ? 0 : places.size() - before - 1;
    for (size_t i = 0; i < arguments.size(); ++i) {
      const ArgumentRule* place = nullptr;
      if (i < before) {
        place = &places[i];
      } else if (many != places.end()) {
        const size_t from_end = arguments.size() - i;
        place = from_end <= after && i > 0 ? &places[places.size() - from_end] : &*many;
      }
      if (place == nullptr) continue;
      if (place->fact == Fact::kModel) {
        AddModel(arguments[i], false);
      } else if (place->fact == Fact::kInput || place->fact == Fact::kOutput ||
                 place->fact == Fact::kIntermediate) {
        // Programs that compute name files; those that move data may name folders by a word.
        const bool computes = rule.votes[static_cast<size_t>(ComputationClass::kCpuBound)] >
                              rule.votes[static_cast<size_t>(ComputationClass::kIoBound)];
        if (place->many && place->fact == Fact::kInput && computes &&
            arguments[i].find_first_of("./$*") == std::string_view::npos) {
          continue;
        }
        // Of what fetches, addresses are data, and hosts are not.
        if (place->many && places.size() == 1 && network_ && !IsUri(arguments[i])) {
          continue;
        }
        AddData(arguments[i], place->fact, false);
      } else if (static_cast<size_t>(place->fact) < kNumericFacts) {
        OptionRule number;
        number.fact = place->fact;
        Apply(number, arguments[i]);
      }
    }
  }

  // Programs of the user's own: what is read comes first, what is written last.
  void GuessArguments(const std::vector<std::string_view>& arguments) {
    std::vector<std::string_view> names;
    for (const std::string_view argument : arguments) {
      if (IsDataName(argument, true)) names.push_back(argument);
    }
    for (size_t i = 0; i < names.size(); ++i) {
      const std::string base = text::Lower(BaseName(Trimmed(names[i])));
      const bool named_out = base.starts_with("out") || base.starts_with("result");
      const bool last = i > 0 && i + 1 == names.size() && !output_said_;
      const bool output = last || (named_out && i + 1 == names.size());
      AddData(names[i], output ? Fact::kOutput : Fact::kInput, true);
    }
  }

  // Reads a launcher's own options; returns where what it starts begins.
  size_t OwnOptions(const ProgramRule& rule, std::span<const std::string_view> words) {
    const OptionSource own{&rule.options, rule.attached, true, false};
    size_t i = 0;
    int32_t skip = rule.skip_words;
    while (i < words.size()) {
      const std::string_view word = words[i];
      if (word == "--") {
        ++i;
        break;
      }
      const OptionRead read = ReadOption(own, words, i);
      if (read.rule != nullptr) {
        if (read.has_value || read.rule->set >= 0) Apply(*read.rule, read.value);
        // "docker run -e NAME=value", "mpirun -x NAME=value"
        const size_t equals = read.value.find('=');
        if (read.rule->fact == Fact::kSkip && equals != read.value.npos &&
            (word == "-e" || word == "--env" || word == "-x")) {
          Setting(read.value.substr(0, equals), read.value.substr(equals + 1));
        }
        i += read.words;
        continue;
      }
      if (!word.empty() && (word[0] == '-' || word[0] == '+')) {
        ++i;
        continue;
      }
      if (word.find('=') != word.npos && word.find('/') > word.find('=')) {
        const size_t equals = word.find('=');  // env NAME=value
        Setting(word.substr(0, equals), word.substr(equals + 1));
        ++i;
        continue;
      }
      if (skip > 0) {
        // What stands before the command: a limit of time, an image.
        if (!rule.arguments.empty()) {
          OptionRule own_word;
          own_word.fact = rule.arguments[0].fact;
          own_word.form = Form::kHumanTime;
          own_word.unit = kSecondMs;
          Apply(own_word, word);
        }
        skipped_ = word;
        ++i;
        if (--skip == 0) break;
        continue;
      }
      break;
    }
    return i;
  }

  void Wrapper(const ProgramRule& rule, std::span<const std::string_view> words, int depth) {
    skipped_ = "";
    const size_t begin = OwnOptions(rule, words);
    const std::span<const std::string_view> rest = words.subspan(begin);
    if (!skipped_.empty() && !rest.empty() && rest[0].starts_with("-")) {
      // An image that is a program: what follows are its options.
      const std::string_view image = BaseName(skipped_);
      std::vector<std::string_view> program = {image.substr(0, image.find(':'))};
      program.insert(program.end(), rest.begin(), rest.end());
      Program(program, depth + 1);
      return;
    }
    Program(rest, depth + 1);
  }

  void Interpreter(const ProgramRule& rule, std::span<const std::string_view> words, int depth) {
    for (size_t i = 0; i < words.size();) {
      const std::string_view word = words[i];
      if (word == "-m" && i + 1 < words.size()) {
        Program(words.subspan(i + 1), depth + 1);
        return;
      }
      if (word == "-c" || word == "-e" || word == "-lc") {
        if (i + 1 < words.size() && word != "-e") Nested(words[i + 1], depth);
        return;
      }
      const OptionSource own{&rule.options, rule.attached, true, false};
      const OptionRead read = ReadOption(own, words, i);
      if (read.rule != nullptr) {
        if (read.has_value || read.rule->set >= 0) Apply(*read.rule, read.value);
        i += read.words;
        continue;
      }
      if (!word.empty() && word[0] == '-') {
        ++i;
        continue;
      }
      Program(words.subspan(i), depth + 1);
      return;
    }
  }

  // Text that a shell runs: a command in quotes.
  void Nested(std::string_view text, int depth) {
    if (depth > 2) return;
    const ShellScript script = ReadShellScript(text);
    for (const ShellCommand& command : script.commands) {
      for (const auto& [name, value] : command.settings) Setting(name, value);
      std::vector<std::string_view> words;
      for (const ShellWord& word : command.words) words.push_back(word.text);
      Program(words, depth + 2);
      for (const std::string& name : command.reads_from) AddData(name, Fact::kInput, false);
      for (const std::string& name : command.writes_to) AddData(name, Fact::kOutput, false);
    }
  }

  void ShellText(const ProgramRule& rule, std::span<const std::string_view> words, int depth) {
    size_t begin = OwnOptions(rule, words);
    std::span<const std::string_view> rest = words.subspan(begin);
    for (size_t i = 0; i < rest.size(); ++i) {
      if (!rest[i].starts_with(":::")) continue;
      if (rest[i] == "::::" || rest[i] == "::::+") {
        for (const std::string_view name : rest.subspan(i + 1)) AddData(name, Fact::kInput, false);
      } else {
        for (const std::string_view name : rest.subspan(i + 1)) AddData(name, Fact::kInput, true);
      }
      rest = rest.subspan(0, i);
      break;
    }
    if (rest.empty()) return;
    if (rest[0].find(' ') != rest[0].npos) {
      Nested(rest[0], depth);
    } else {
      Program(rest, depth + 1);
    }
  }

  const RuleTables& tables_;
  TextFindings& findings_;
  size_t step_ = 0;
  bool output_said_ = false;
  bool network_ = false;
  bool silent_ = false;
  double pending_threads_ = 0;
  bool sql_ = false;
  std::string_view skipped_;
  std::vector<DataFound> data_;
  // What was written, and by which step.
  absl::flat_hash_map<std::string, size_t, base::StringHash, base::StringEq> written_;
};

}  // namespace

void ReadCommands(const RuleTables& tables, std::span<const ShellCommand> commands,
                  TextFindings* findings) {
  CommandReader reader(tables, findings);
  for (size_t i = 0; i < commands.size(); ++i) reader.Read(commands[i], i);
  reader.Settle();
  const bool voted = std::any_of(findings->votes.begin(), findings->votes.end(),
                                 [](double vote) { return vote > 0; });
  const double cores = std::max(findings->sheet.Get(Fact::kThreads).value_or(0),
                                findings->sheet.Get(Fact::kThreadGroups).value_or(0));
  if (!voted && cores >= 8) findings->Vote(ComputationClass::kCpuBound, kUnknownParallel);
}

}  // namespace berth::features
