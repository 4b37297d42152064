#include "features/option_values.h"

#include <algorithm>
#include <optional>

#include "features/plain_text.h"
#include "features/quantities_in_text.h"

namespace berth::features {
namespace {

// Values longer than any real one are not looked at.
constexpr size_t kMostValueBytes = 1024;
// How deep pairs may hold pairs: a table may name itself.
constexpr int kMostDepth = 3;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The number at the beginning, where it is one by itself: "8", "1 compact!", "4,8".
std::optional<double> NumberOf(std::string_view text) {
  // MAKEFLAGS="-j8"
  if (text.starts_with("-j")) text.remove_prefix(2);
  const LeadingNumber number = ReadNumber(text::StripLeft(text));
  if (number.bytes == 0) return std::nullopt;
  const std::string_view rest = text::StripLeft(text).substr(number.bytes);
  if (!rest.empty() && !text::Contains(" ,-:!(;", rest[0])) return std::nullopt;
  return number.value;
}

class Values {
 public:
  Values(const RuleTables& tables, bool keep_largest, FactSheet* sheet)
      : tables_(tables), keep_largest_(keep_largest), sheet_(*sheet) {}

  void Apply(const OptionRule& rule, std::string_view value, int depth) {
    if (value.size() > kMostValueBytes || depth > kMostDepth) return;
    switch (rule.form) {
      case Form::kNumber:
        if (const auto number = NumberOf(value)) Put(rule, *number * rule.unit);
        break;
      case Form::kSize:
        // Options for a Java machine come in one word: "-Xmx16g -XX:+UseG1GC".
        if (const size_t heap = value.find("-Xmx"); heap != value.npos) {
          value = value.substr(heap + 4);
          value = value.substr(0, value.find(' '));
        }
        if (const auto bytes = ParseSizeText(value, rule.unit); bytes && *bytes > 0) {
          Put(rule, *bytes);
        }
        break;
      case Form::kSlurmTime:
        PutTime(rule, ParseClock(value, ClockStyle::kSlurm), value);
        break;
      case Form::kHmsTime:
        PutTime(rule, ParseClock(value, ClockStyle::kHms), value);
        break;
      case Form::kHmTime:
        PutTime(rule, ParseClock(value, ClockStyle::kHm), value);
        break;
      case Form::kHumanTime:
        if (text::Contains(value, ':')) {
          PutTime(rule, ParseClock(value, ClockStyle::kHms), value);
        } else {
          PutTime(rule, ParseHumanTime(value, rule.unit > 1 ? rule.unit : kSecondMs), value);
        }
        break;
      case Form::kPairs:
        Pairs(rule, value, rule.separator, "", depth);
        break;
      case Form::kChunk:
        Chunk(rule, value, depth);
        break;
      case Form::kBrackets:
        Brackets(rule, value, depth);
        break;
      case Form::kGres:
        Gres(rule, value);
        break;
      case Form::kGpuCount:
        GpuCount(rule, value);
        break;
      case Form::kList:
        List(rule, value);
        break;
      case Form::kHosts:
        Hosts(value);
        break;
      case Form::kSlots:
        Slots(value);
        break;
      case Form::kMaster:
        if (value.starts_with("local[")) {
          if (const auto cores = ReadNumber(value.substr(6)); cores.bytes > 0) {
            Put(rule, cores.value);
          }
        }
        break;
      case Form::kKind:
        Kind(value);
        break;
      case Form::kRange: {
        const size_t last = value.find_last_of(":-");
        const auto number = WholeNumber(last == value.npos ? value : value.substr(last + 1));
        if (number) Put(rule, *number);
        break;
      }
      case Form::kParameters: {
        size_t bytes = 0;
        if (const auto parameters = ReadParameters(value, &bytes); parameters) {
          Put(rule, *parameters);
        }
        break;
      }
      case Form::kFirst:
        Processors(rule, value);
        break;
      case Form::kWord:
        break;
    }
  }

 private:
  void Put(const OptionRule& rule, double value) { PutFact(rule.fact, value, rule.weak); }

  void PutFact(Fact fact, double value, bool weak = false) {
    if (static_cast<size_t>(fact) >= kNumericFacts) return;
    if (!(value > 0)) return;
    if (weak) {
      sheet_.IfAbsent(fact, value);
    } else if (keep_largest_) {
      sheet_.Largest(fact, value);
    } else {
      sheet_.Latest(fact, value);
    }
  }

  void PutTime(const OptionRule& rule, std::optional<double> ms, std::string_view value) {
    if (!ms) ms = ParseHumanTime(value, 0);
    if (ms) Put(rule, *ms);
  }

  void Pairs(const OptionRule& rule, std::string_view text, char separator,
             std::string_view section, int depth) {
    const auto keys = tables_.keys.find(rule.keys);
    if (keys == tables_.keys.end()) return;
    for (std::string_view part : text::Split(text, std::string_view(&separator, 1))) {
      part = text::Strip(part);
      const size_t equals = part.find_first_of("=(");
      if (equals == part.npos) {
        Kind(part);
        continue;
      }
      std::string_view key = text::Strip(part.substr(0, equals));
      std::string_view value = text::Strip(part.substr(equals + 1));
      if (part[equals] == '(' && value.ends_with(')')) value.remove_suffix(1);
      const std::string name = section.empty() ? std::string(key) : text::Cat(section, ".", key);
      const auto found = keys->second.find(name);
      if (found != keys->second.end()) Apply(found->second, value, depth + 1);
    }
  }

  void Chunk(const OptionRule& rule, std::string_view text, int depth) {
    double count = 0;
    bool first = true;
    for (const std::string_view chunk : text::Split(text, "+")) {
      const size_t colon = chunk.find(':');
      const std::string_view head = chunk.substr(0, colon);
      const auto number = WholeNumber(head);
      count += number.value_or(1);
      if (!first) continue;
      first = false;
      if (!number && text::Contains(head, '=')) {
        Pairs(rule, chunk, ':', "", depth);
      } else if (colon != chunk.npos) {
        Pairs(rule, chunk.substr(colon + 1), ':', "", depth);
      }
    }
    PutFact(rule.fact, count);
  }

  void Brackets(const OptionRule& rule, std::string_view text, int depth) {
    while (true) {
      const size_t open = text.find('[');
      if (open == text.npos) return;
      size_t begin = open;
      while (begin > 0 && text::IsAlpha(text[begin - 1])) --begin;
      const size_t close = text.find(']', open);
      const std::string_view inside =
          text.substr(open + 1, close == text.npos ? close : close - open - 1);
      const std::string_view section = text.substr(begin, open - begin);
      for (const std::string_view part : text::Split(inside, ":,")) {
        if (text::Contains(part, '=') || text::Contains(part, '(')) {
          Pairs(rule, part, '\n', section, depth);
        }
      }
      if (close == text.npos) return;
      text = text.substr(close + 1);
    }
  }

  void Gres(const OptionRule& rule, std::string_view text) {
    for (std::string_view part : text::Split(text, ",")) {
      part = text::Strip(part);
      part = part.substr(0, part.find('('));
      if (part.starts_with("gres/") || part.starts_with("gres:")) part.remove_prefix(5);
      std::vector<std::string_view> pieces = text::Split(part, ":=");
      const std::string_view name = pieces[0];
      const auto count = WholeNumber(pieces.back());
      if (name == "gpu" || name == "gpus" || name == "dcu" || name == "npu" || name == "tpu" ||
          name == "mlu" || name == "gcd") {
        PutFact(rule.fact, count.value_or(1));
        if (pieces.size() > 1 && !WholeNumber(pieces[1])) Kind(pieces[1]);
      } else if (name == "lscratch" || name == "tmp" || name == "tmpdisk" || name == "localtmp" ||
                 name == "scratch" || name == "ssd" || name == "nvme" || name == "disk" ||
                 name == "localdisk" || name == "tmpfs") {
        if (const auto bytes = ParseSizeText(pieces.back(), kGi); bytes && pieces.size() > 1) {
          PutFact(Fact::kStorage, *bytes);
        }
      }
    }
  }

  void GpuCount(const OptionRule& rule, std::string_view text) {
    text = text::Strip(text);
    if (text.starts_with('"')) text.remove_prefix(1);
    if (text.ends_with('"')) text.remove_suffix(1);
    if (text.starts_with("device=")) return List(rule, text.substr(7));
    if (const auto number = WholeNumber(text)) return Put(rule, *number);
    if (text::Contains(text, ',') && text::IsDigit(text[0])) return List(rule, text);
    const size_t colon = text.rfind(':');
    const auto count = colon == text.npos ? std::nullopt : WholeNumber(text.substr(colon + 1));
    Kind(text.substr(0, count ? colon : text.npos));
    if (count) {
      Put(rule, *count);
    } else if (!FindGpuKind(tables_, text).name.empty()) {
      Put(rule, 1);
    }
  }

  void List(const OptionRule& rule, std::string_view text) {
    if (text.starts_with("localhost:")) text.remove_prefix(10);
    int64_t count = 0;
    for (std::string_view part : text::Split(text, ",")) {
      part = text::Strip(part);
      if (part.empty() || part == "-1" || part[0] == '$') return;
      if (!std::all_of(part.begin(), part.end(), [](char c) {
            return text::IsAlnum(c) || c == '-' || c == ':' || c == '/' || c == '.';
          })) {
        return;
      }
      ++count;
    }
    Put(rule, static_cast<double>(count));
  }

  // 0-15, or 0,2,4-7.
  void Processors(const OptionRule& rule, std::string_view text) {
    double count = 0;
    for (const std::string_view part : text::Split(text, ",")) {
      const size_t dash = part.find('-');
      const auto low = WholeNumber(part.substr(0, dash));
      const auto high = dash == part.npos ? low : WholeNumber(part.substr(dash + 1));
      if (!low || !high || *high < *low) return;
      count += *high - *low + 1;
    }
    Put(rule, count);
  }

  void Hosts(std::string_view text) {
    double nodes = 0, each = 0;
    for (const std::string_view host : text::Split(text, ",")) {
      const size_t colon = host.rfind(':');
      if (colon == host.npos) return;
      const auto slots = WholeNumber(host.substr(colon + 1));
      if (!slots) return;
      each = std::max(each, *slots);
      ++nodes;
    }
    PutFact(Fact::kNodes, nodes);
    PutFact(Fact::kGpusPerNode, each);
  }

  void Slots(std::string_view text) {
    const size_t space = text.find(' ');
    if (space == text.npos) return;
    const std::string name = text::Lower(text.substr(0, space));
    std::string_view amount = text.substr(space + 1);
    if (const size_t dash = amount.find('-'); dash != amount.npos) amount = amount.substr(0, dash);
    const auto count = WholeNumber(amount);
    if (!count) return;
    bool one = true;
    size_t longest = 0;
    for (const auto& [word, machine] : tables_.slots) {
      if (word.size() > longest && text::Contains(name, word)) {
        longest = word.size();
        one = machine > 0;
      }
    }
    PutFact(one ? Fact::kCores : Fact::kRanks, *count);
  }

  void Kind(std::string_view text) {
    const KindInWord kind = FindGpuKind(tables_, text);
    if (kind.name.empty()) return;
    sheet_.gpu_kind = std::string(kind.name);
    if (kind.memory_bytes > 0) PutFact(Fact::kGpuMemory, kind.memory_bytes);
  }

  const RuleTables& tables_;
  const bool keep_largest_;
  FactSheet& sheet_;
};

}  // namespace

OptionRead ReadOption(const OptionSource& source, std::span<const std::string_view> words,
                      size_t at) {
  OptionRead read;
  const std::string_view word = words[at];
  const OptionTable& table = *source.table;
  const auto take = [&](const OptionRule& rule) {
    read.rule = &rule;
    if (rule.set >= 0 || rule.fact == Fact::kFlag) return;
    if (at + 1 >= words.size()) return;
    read.value = words[at + 1];
    read.has_value = true;
    read.words = 2;
  };
  if (const auto found = table.empty() ? table.end() : table.find(word); found != table.end()) {
    take(found->second);
    return read;
  }
  const size_t equals = word.find('=');
  if (equals != word.npos && equals > 0 && !table.empty()) {
    if (const auto found = table.find(word.substr(0, equals)); found != table.end()) {
      read.rule = &found->second;
      read.value = word.substr(equals + 1);
      read.has_value = true;
      return read;
    }
  }
  for (const auto& [name, rule] : source.attached) {
    if (word.size() > name.size() && word.starts_with(name)) {
      read.rule = &rule;
      read.value = word.substr(name.size());
      read.has_value = true;
      return read;
    }
  }
  const bool letter = !table.empty() && word.size() > 2 && word[0] == '-' && text::IsAlpha(word[1]);
  if (letter && (source.any_attach || (source.letters_attach && IsDigit(word[2])))) {
    const auto found = table.find(word.substr(0, 2));
    if (found != table.end() && found->second.fact != Fact::kFlag) {
      read.rule = &found->second;
      read.value = word.substr(2);
      read.has_value = true;
    }
  }
  return read;
}

KindInWord FindGpuKind(const RuleTables& tables, std::string_view word) {
  KindInWord kind;
  if (word.size() > 128) return kind;
  std::string folded = text::Lower(word);
  std::replace_if(
      folded.begin(), folded.end(), [](char c) { return c == '-' || c == '_'; }, ' ');
  // LSF writes models without spaces: "NVIDIAA10080GBPCIe".
  for (const std::string_view size : {"16gb", "24gb", "32gb", "40gb", "48gb", "80gb", "96gb"}) {
    const size_t at = folded.find(size);
    if (at == folded.npos || at == 0) continue;
    folded.insert(at + size.size(), " ");
    folded.insert(at, " ");
    break;
  }
  for (size_t at = 0; at < folded.size(); ++at) {
    const PhraseTree::Found found = tables.phrases.Longest(folded, at);
    if (found.rule == nullptr || found.rule->means != Means::kGpuKind) continue;
    // "100" of "gpu100" is no kind: a bare number begins a word.
    if (IsDigit(folded[at]) && at > 0 && IsDigit(folded[at - 1])) continue;
    kind.name = tables.gpu_kinds[static_cast<size_t>(found.rule->ref)].name;
    for (size_t after = at + found.bytes; after < folded.size(); ++after) {
      if (!IsDigit(folded[after])) continue;
      size_t end = after;
      while (end < folded.size() && (text::IsAlnum(folded[end]))) ++end;
      if (const auto bytes = ParseSizeText(folded.substr(after, end - after), 0)) {
        kind.memory_bytes = *bytes;
        break;
      }
      after = end;
    }
    return kind;
  }
  return kind;
}

void ApplyOption(const RuleTables& tables, const OptionRule& rule, std::string_view value,
                 bool keep_largest, FactSheet* sheet) {
  if (rule.set >= 0) {
    if (static_cast<size_t>(rule.fact) < kNumericFacts) sheet->Latest(rule.fact, rule.set);
    return;
  }
  Values(tables, keep_largest, sheet).Apply(rule, value, 0);
}

}  // namespace berth::features
