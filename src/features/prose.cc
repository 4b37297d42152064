// One file: the passes below share the events of a sentence, and none means anything without the
// others.
#include "features/prose.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "features/models_in_text.h"
#include "features/plain_text.h"
#include "features/quantities_in_text.h"

namespace berth::features {
namespace {

constexpr size_t kMostEvents = 4096;
// How far apart, in bytes, a number and what it counts may stand.
constexpr size_t kNearBytes = 18;
constexpr size_t kBesideBytes = 4;
constexpr size_t kCueBytes = 60;
constexpr size_t kMostPathBytes = 512;
constexpr size_t kNegationBytes = 48;
// How many events away one may matter to another: without a bound a sentence would cost its square.
constexpr size_t kFarEvents = 16;
constexpr double kIdleWeight = 60;
constexpr double kLimitWeight = 130;
constexpr double kMentionWeight = 12;
constexpr double kMostCount = 1e6;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordByte(char c) { return text::IsAlnum(c); }
bool IsWide(char c) { return (static_cast<unsigned char>(c) & 0x80) != 0; }

struct Event {
  enum class Kind : uint8_t { kNumber, kSize, kTime, kParameters, kPath, kPhrase };
  Kind kind = Kind::kPhrase;
  size_t begin = 0;
  size_t end = 0;
  double value = 0;
  double unit = 0;                   // of kTime: that of its last part
  const PhraseRule* rule = nullptr;  // of kPhrase
  int32_t clause = 0;
  int32_t sentence = 0;
  bool big = false;      // a number of thousands or more in words: counts nothing here
  bool article = false;  // "a", "an"
  bool times = false;    // "x8"
  bool dead = false;     // denied, told of other runs, or used up
  bool denied = false;   // dead because denied
  bool teacher = false;  // a model that is not trained

  bool Is(Means means) const { return kind == Kind::kPhrase && rule->means == means; }
  bool IsNeed() const { return Is(Means::kNeed) || Is(Means::kAsk); }
  bool IsNoun(Noun noun) const { return Is(Means::kNoun) && rule->noun == noun; }
};

// Marks of Chinese punctuation, by what they end.
enum class Mark : uint8_t { kNone, kClause, kSentence };
Mark WideMark(std::string_view text, size_t at) {
  const std::string_view three = text.substr(at, 3);
  if (three == "。" || three == "！" || three == "？") return Mark::kSentence;
  if (three == "，" || three == "；" || three == "：" || three == "、") return Mark::kClause;
  return Mark::kNone;
}

// Numerals of Chinese: 八, 十六, 四十, 两百, 半.
size_t ReadWideNumber(std::string_view text, size_t at, double* value) {
  struct Numeral {
    std::string_view text;
    double digit;
    double scale;
  };
  static constexpr Numeral kNumerals[] = {
      {"一", 1, 0},   {"二", 2, 0}, {"两", 2, 0}, {"三", 3, 0},  {"四", 4, 0},  {"五", 5, 0},
      {"六", 6, 0},   {"七", 7, 0}, {"八", 8, 0}, {"九", 9, 0},  {"零", 0, 0},  {"双", 2, 0},
      {"半", 0.5, 0}, {"俩", 2, 0}, {"单", 1, 0}, {"十", 0, 10}, {"百", 0, 100}};
  double total = 0, digit = 0;
  bool any = false, had_digit = false;
  size_t i = at;
  while (i + 3 <= text.size() && i - at < 24) {
    const auto found =
        std::find_if(std::begin(kNumerals), std::end(kNumerals),
                     [&](const Numeral& numeral) { return text.substr(i, 3) == numeral.text; });
    if (found == std::end(kNumerals)) break;
    if (found->scale > 0) {
      total += (had_digit ? digit : 1) * found->scale;
      digit = 0;
      had_digit = false;
    } else {
      digit = found->digit;
      had_digit = true;
    }
    any = true;
    i += 3;
  }
  if (!any) return 0;
  *value = total + digit;
  return i - at;
}

class ProseReader {
 public:
  ProseReader(const RuleTables& tables, std::string_view text, ProseKind kind,
              TextFindings* findings)
      : tables_(tables), text_(text), folded_(FoldText(text)), kind_(kind), findings_(*findings) {}

  void Read() {
    Scan();
    Combine();
    MarkDead();
    Votes();
    Models();
    for (size_t begin = 0; begin < events_.size();) {
      size_t end = begin;
      while (end < events_.size() && events_[end].sentence == events_[begin].sentence) ++end;
      Sentence(begin, end);
      begin = end;
    }
  }

 private:
  // --- Scanning ---------------------------------------------------------------------------------

  void Push(Event event) {
    event.clause = clause_;
    event.sentence = sentence_;
    events_.push_back(event);
  }

  void Scan() {
    size_t i = 0;
    while (i < text_.size() && events_.size() < kMostEvents) {
      const char c = text_[i];
      if (IsWide(c)) {
        i = ScanWide(i);
      } else if (c == ',' || c == ';' || c == ':') {
        if (!(c == ':' && i + 1 < text_.size() && text_[i + 1] == '/')) ++clause_;
        ++i;
      } else if (c == '.' || c == '!' || c == '?') {
        if (i + 1 == text_.size() || text::IsSpace(text_[i + 1]) || IsWide(text_[i + 1])) {
          ++clause_;
          ++sentence_;
        }
        ++i;
      } else if (c == '\n') {
        // A blank line or a list's dash ends a sentence; a wrapped line does not.
        size_t next = i + 1;
        while (next < text_.size() && (text_[next] == ' ' || text_[next] == '\t')) ++next;
        const bool ends = kind_ == ProseKind::kComment || next >= text_.size() ||
                          text_[next] == '\n' || text_[next] == '-' || text_[next] == '*' ||
                          (i > 0 && IsWide(text_[i - 1]));
        if (ends) {
          ++clause_;
          ++sentence_;
        }
        ++i;
      } else if (c == '/' || c == '~' || c == '.') {
        i = ScanPath(i);
      } else if (IsWordByte(c)) {
        i = ScanWord(i);
      } else if (c == '-') {
        const size_t end = ScanOption(i);
        i = end > 0 ? end : i + 1;
      } else {
        ++i;
      }
    }
  }

  size_t ScanWide(size_t i) {
    switch (WideMark(text_, i)) {
      case Mark::kSentence:
        ++clause_;
        ++sentence_;
        return i + 3;
      case Mark::kClause:
        ++clause_;
        return i + 3;
      case Mark::kNone:
        break;
    }
    const PhraseTree::Found found = tables_.phrases.Longest(folded_, i);
    double value = 0;
    const size_t numeral = ReadWideNumber(text_, i, &value);
    if (found.rule != nullptr && found.bytes >= numeral && found.rule->means != Means::kNumber) {
      Push({.begin = i, .end = i + found.bytes, .rule = found.rule});
      return i + found.bytes;
    }
    if (numeral > 0) {
      if (const size_t end = WideSizeEnd(i + numeral); end > 0) {
        const size_t unit = end - i - numeral;
        Push({.kind = Event::Kind::kSize,
              .begin = i,
              .end = end,
              .value = value * SizeUnitAt(i + numeral, unit)});
        return end;
      }
      Push({.kind = Event::Kind::kNumber, .begin = i, .end = i + numeral, .value = value});
      return i + numeral;
    }
    // On to the next character.
    size_t next = i + 1;
    while (next < text_.size() && next < i + 4 &&
           (static_cast<unsigned char>(text_[next]) & 0xC0) == 0x80) {
      ++next;
    }
    return next;
  }

  // Bytes of the unit of size that is all of a stretch of text; 0: it is none.
  double SizeUnitAt(size_t at, size_t bytes) const {
    const std::string_view word = text::Strip(text_.substr(at, bytes));
    if (word.empty() || word.size() > 9 || !text::IsAlpha(word[0])) return 0;
    if (word.size() == 1 && !text::Contains("GTgt", word[0])) return 0;
    return ParseSizeText("1" + std::string(word), 0).value_or(0);
  }

  // Where the unit of size after a Chinese numeral ends, as in "半T", "两百 GB"; 0: there is none.
  size_t WideSizeEnd(size_t at) const {
    const size_t letters = at < text_.size() && text_[at] == ' ' ? at + 1 : at;
    const size_t end = WordEnd(letters);
    return SizeUnitAt(at, end - at) > 0 && !IsRate(end) ? end : 0;
  }

  // Bytes of a name of data: up to what cannot be part of one.
  size_t PathEnd(size_t i) const {
    size_t end = i;
    while (end < text_.size() && end - i < kMostPathBytes && !IsWide(text_[end]) &&
           !text::IsSpace(text_[end]) && !text::Contains(",;()<>\"'`|[]", text_[end])) {
      ++end;
    }
    while (end > i && text::Contains(".:!?", text_[end - 1])) --end;
    return end;
  }

  size_t ScanPath(size_t i) {
    const bool starts = i == 0 || !(IsWordByte(text_[i - 1]) || text_[i - 1] == '/' ||
                                    text_[i - 1] == '.' || text_[i - 1] == '-');
    if (!starts) return i + 1;
    const size_t end = PathEnd(i);
    const std::string_view path = text_.substr(i, end - i);
    const bool named = path.size() > 3 &&
                       (path[0] == '/' || path.starts_with("./") || path.starts_with("../") ||
                        path.starts_with("~/")) &&
                       std::any_of(path.begin(), path.end(), IsWordByte) && path[1] != ' ';
    if (!named) return i + 1;
    Push({.kind = Event::Kind::kPath, .begin = i, .end = end});
    return end;
  }

  size_t WordEnd(size_t i) const {
    while (i < text_.size() && IsWordByte(text_[i])) ++i;
    return i;
  }

  // REQUIRES: a letter or digit at `i`, and none before it.
  size_t ScanWord(size_t i) {
    const size_t word_end = WordEnd(i);
    // URIs, and relative paths to files of data.
    if (!IsDigit(text_[i]) && word_end < text_.size()) {
      if (text_.substr(word_end, 3) == "://") {
        const size_t end = PathEnd(i);
        Push({.kind = Event::Kind::kPath, .begin = i, .end = end});
        return end;
      }
    }
    PhraseTree::Found found = tables_.phrases.Longest(folded_, i);
    if (found.rule != nullptr && text_.substr(i + found.bytes, 3) == "://") {
      // "to s3://bucket": the phrase ends before the address.
      const size_t space = std::string_view(folded_).substr(i, found.bytes).rfind(' ');
      if (space == folded_.npos) return word_end;
      found = tables_.phrases.Longest(std::string_view(folded_).substr(0, i + space), i);
    }
    if (found.rule != nullptr && found.rule->means == Means::kModel) {
      const ModelAt model = ExtendModel(tables_, text_, folded_, i, found);
      Push({.begin = i, .end = std::max(model.end, i + found.bytes), .rule = found.rule});
      return std::max(model.end, i + found.bytes);
    }
    if (text_[word_end < text_.size() ? word_end : i] == '/' ||
        (word_end < text_.size() &&
         (text_[word_end] == '.' || text_[word_end] == '_' || text_[word_end] == '-'))) {
      const size_t end = PathEnd(i);
      // So long a run names nothing; to look at it again from its next word would cost a square.
      if (end - i + 4 >= kMostPathBytes) return end;
      if (IsDataFile(text_.substr(i, end - i))) {
        Push({.kind = Event::Kind::kPath, .begin = i, .end = end});
        return end;
      }
    }
    if (IsDigit(text_[i])) {
      if (found.rule != nullptr &&
          (found.rule->means == Means::kGpuKind || found.rule->means == Means::kPrecision)) {
        Push({.begin = i, .end = i + found.bytes, .rule = found.rule});
        return i + found.bytes;
      }
      return ScanNumber(i);
    }
    if (const PhraseRule* rule = CountedProcesses(i, word_end)) {
      Push({.begin = i, .end = word_end, .rule = rule});
      return word_end;
    }
    if (found.rule != nullptr) {
      const bool article = found.rule->means == Means::kNumber && found.bytes <= 2 &&
                           (text_[i] == 'a' || text_[i] == 'A');
      if (found.rule->means == Means::kNumber) {
        Push({.kind = Event::Kind::kNumber,
              .begin = i,
              .end = i + found.bytes,
              .value = found.rule->value,
              .article = article});
      } else {
        Push({.begin = i, .end = i + found.bytes, .rule = found.rule});
      }
      return i + found.bytes;
    }
    // "x8" after a kind of GPU.
    if ((text_[i] == 'x' || text_[i] == 'X') && word_end > i + 1 &&
        std::all_of(text_.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                    text_.begin() + static_cast<std::ptrdiff_t>(word_end), IsDigit)) {
      const LeadingNumber number = ReadNumber(text_.substr(i + 1));
      Push({.kind = Event::Kind::kNumber,
            .begin = i,
            .end = word_end,
            .value = number.value,
            .times = true});
      return word_end;
    }
    // The rest of an unknown word may hold a model: org/name.
    if (word_end < text_.size() && text_[word_end] == '/' && word_end + 1 < text_.size() &&
        IsWordByte(text_[word_end + 1])) {
      return word_end + 1;
    }
    return word_end;
  }

  // "16 processes" are counted; "processes the frames" is what a task does.
  const PhraseRule* CountedProcesses(size_t i, size_t word_end) const {
    if (std::string_view(folded_).substr(i, word_end - i) != "processes" || events_.empty() ||
        events_.back().kind != Event::Kind::kNumber || events_.back().end + 1 != i) {
      return nullptr;
    }
    const PhraseTree::Found found = tables_.phrases.Longest("core", 0);
    return found.rule != nullptr && found.rule->means == Means::kNoun ? found.rule : nullptr;
  }

  // "make -j 24", "--threads 8": commands that stand in prose. Returns where the number ends; 0:
  // there is none.
  size_t ScanOption(size_t i) {
    if (kind_ != ProseKind::kDescription) return 0;
    if (i > 0 && !text::IsSpace(text_[i - 1]) && !IsWide(text_[i - 1])) return 0;
    if (text_.substr(i, 4) == "-Xmx") {
      const size_t end = WordEnd(i + 4);
      const auto heap = ParseSizeText(text_.substr(i + 4, std::min<size_t>(end - i - 4, 12)), 1);
      if (!heap) return 0;
      findings_.sheet.IfAbsent(Fact::kMemory, *heap);
      return end;
    }
    size_t end = i;
    while (end < text_.size() && end - i < 32 &&
           (text_[end] == '-' || text_[end] == '_' || text::IsAlpha(text_[end]))) {
      ++end;
    }
    const std::string_view option = text_.substr(i, end - i);
    const size_t value =
        end < text_.size() && (text_[end] == ' ' || text_[end] == '=') ? end + 1 : end;
    const LeadingNumber number = ReadNumber(text_.substr(std::min(value, text_.size())));
    if (number.bytes == 0 || number.value < 1) return 0;
    bool threads = option == "-j";
    if (const auto found = tables_.generic.find(option); found != tables_.generic.end()) {
      threads = found->second.fact == Fact::kThreads;
    }
    if (!threads) return 0;
    findings_.sheet.IfAbsent(Fact::kCores, number.value);
    return value + number.bytes;
  }

  bool IsDataFile(std::string_view name) const {
    const size_t dot = name.rfind('.');
    if (dot == name.npos || dot == 0 || name.size() > 256) return false;
    // "5000 tar.gz" names a kind of file, and none.
    if (tables_.suffixes.contains(text::Lower(name.substr(0, dot)))) return false;
    const auto suffix = tables_.suffixes.find(text::Lower(name.substr(dot + 1)));
    return suffix != tables_.suffixes.end() && suffix->second;
  }

  size_t ScanNumber(size_t i) {
    const LeadingNumber number = ReadNumber(text_.substr(i));
    const size_t word_end = WordEnd(i);
    if (number.bytes == 0) return word_end;
    size_t at = i + number.bytes;
    Event event{.kind = Event::Kind::kNumber, .begin = i, .end = at, .value = number.value};
    const char next = at < text_.size() ? text_[at] : '\0';
    const char after = at + 1 < text_.size() ? text_[at + 1] : '\0';
    const bool money = i > 0 && (text_[i - 1] == '$' || text_[i - 1] == '#');
    // Versions, clocks, dates, fractions and parts of a hundred are no amounts.
    if (((next == '.' || next == ':' || next == '/') && IsDigit(after)) || next == '%' || money) {
      size_t end = at;
      while (end < text_.size() &&
             (IsWordByte(text_[end]) || text::Contains(".:/-%", text_[end]))) {
        ++end;
      }
      if (next == ':' && kind_ == ProseKind::kDescription) {
        const std::string_view clock = text_.substr(i, end - i);
        if (std::count(clock.begin(), clock.end(), ':') == 2) {
          if (const auto ms = ParseClock(clock, ClockStyle::kHms)) {
            event.kind = Event::Kind::kTime;
            event.value = *ms;
            event.end = end;
            Push(event);
          }
        } else if (std::count(clock.begin(), clock.end(), ':') == 1) {
          ClockOfHours(clock, event, end);
        }
      }
      return std::max(end, at + 1);
    }
    if (next == '-' && IsDigit(after)) {
      // The end of a range counts; of a date nothing does.
      const LeadingNumber second = ReadNumber(text_.substr(at + 1));
      const size_t end = at + 1 + second.bytes;
      if (end < text_.size() && text_[end] == '-') return PathEnd(i) > end ? PathEnd(i) : end;
      return at + 1;
    }
    size_t letters = at;
    while (letters < text_.size() && text::IsAlpha(text_[letters])) ++letters;
    const std::string_view unit = text_.substr(at, letters - at);
    if (!unit.empty()) return AttachedUnit(event, unit, letters);
    // "12 TB", "200 G".
    if ((next == ' ' || next == '-') && at + 1 < text_.size()) {
      const size_t unit_end = WordEnd(at + 1);
      const std::string_view word = text_.substr(at + 1, unit_end - at - 1);
      const bool size_word = word.size() >= 2 || word == "G" || word == "T";
      if (size_word && word.size() <= 9 &&
          ParseSizeText(word.empty() ? "" : "1" + std::string(word), 0) && !IsRate(unit_end) &&
          word != "Mb" && word != "bytes") {
        event.kind = Event::Kind::kSize;
        event.value *= *ParseSizeText("1" + std::string(word), 0);
        event.end = unit_end;
        Push(event);
        return unit_end;
      }
      if (word == "B" || word == "b") {
        event.kind = Event::Kind::kParameters;
        event.value *= 1e9;
        event.end = unit_end;
        Push(event);
        return unit_end;
      }
    }
    Push(event);
    return at;
  }

  // "2:30 h", "1:15 hours": without the unit it is a time of day.
  void ClockOfHours(std::string_view clock, Event event, size_t end) {
    const bool attached = clock.ends_with('h');
    if (attached) clock.remove_suffix(1);
    const std::string_view rest = text_.substr(std::min(end, text_.size()), 4);
    if (!attached && rest != " h" && !rest.starts_with(" h ") && !rest.starts_with(" hou") &&
        !rest.starts_with(" h,") && !rest.starts_with(" h.")) {
      return;
    }
    const auto ms = ParseClock(clock, ClockStyle::kHm);
    if (!ms) return;
    event.kind = Event::Kind::kTime;
    event.value = *ms;
    event.end = end;
    Push(event);
  }

  // Whether what ends at `end` is an amount in a time: GB/s, Gbps, GbE.
  bool IsRate(size_t end) const {
    const std::string_view rest = text_.substr(std::min(end, text_.size()), 6);
    return rest.starts_with("/s") || rest.starts_with("/h") || rest.starts_with("/min") ||
           rest.starts_with("/d") || rest.starts_with(" per s");
  }

  bool SizeFollows(size_t at) const {
    while (at < text_.size() && text::Contains(" ,/+", text_[at])) ++at;
    const LeadingNumber number = ReadNumber(text_.substr(at));
    at += number.bytes;
    return number.bytes > 0 && at < text_.size() && text::Contains("gGtT", text_[at]);
  }

  // "1d 6h": the days of a time, and no dimensions.
  bool HoursFollow(size_t at) const {
    if (at < text_.size() && text_[at] == ' ') ++at;
    const LeadingNumber number = ReadNumber(text_.substr(std::min(at, text_.size())));
    at += number.bytes;
    return number.bytes > 0 && at < text_.size() && (text_[at] == 'h' || text_[at] == 'H');
  }

  size_t AttachedUnit(Event event, std::string_view unit, size_t end) {
    event.end = end;
    const bool more = end < text_.size() && IsDigit(text_[end]);
    if ((unit == "x" || unit == "X") && !more) {  // "8x A100"
      event.end = end;
      Push(event);
      return end;
    }
    if ((unit == "x" || unit == "X") && more) {  // "2x4090": the kind comes next
      Push(event);
      return end;
    }
    if ((unit[0] == 'x' || unit[0] == 'X') && unit.size() > 1) {  // "8xA100"
      event.end = event.begin + static_cast<size_t>(unit.data() - text_.data()) - event.begin + 1;
      Push(event);
      return event.end;
    }
    if ((unit == "B" || unit == "b") && !more) {
      event.kind = Event::Kind::kParameters;
      event.value *= 1e9;
      Push(event);
      return end;
    }
    if (unit == "M" && !more) {
      event.kind = Event::Kind::kParameters;
      event.value *= 1e6;
      event.big = true;
      Push(event);
      return end;
    }
    if (unit == "k" || unit == "K") {
      event.big = true;
      event.value *= 1000;
      Push(event);
      return end;
    }
    if ((unit == "c" || unit == "C") && !more && SizeFollows(end)) {  // "32c, 128g"
      const PhraseTree::Found core = tables_.phrases.Longest("core", 0);
      if (core.rule != nullptr && core.rule->means == Means::kNoun) {
        event.end = end - 1;
        Push(event);
        Push({.begin = end - 1, .end = end, .rule = core.rule});
        return end;
      }
    }
    const double time = TimeUnitMs(unit);
    const bool dimension = (unit == "d" || unit == "D") && event.value <= 4 && !HoursFollow(end);
    if (time > 0 && unit != "M" && !dimension && unit != "S" && unit != "W" &&
        (unit != "m" || more || event.value >= 10)) {
      event.kind = Event::Kind::kTime;
      event.value *= time;
      event.unit = time;
      event.article = unit == "m" || unit == "s" || unit == "w";
      Push(event);
      return end;
    }
    if (!more && !IsRate(end) && unit != "Mb" && unit != "m") {
      if (const auto bytes = ParseSizeText("1" + std::string(unit), 0);
          bytes && (unit.size() > 1 || unit == "G" || unit == "T" || unit == "g" || unit == "t")) {
        event.kind = Event::Kind::kSize;
        event.value *= *bytes;
        Push(event);
        return end;
      }
    }
    // "4gpu", "16cores".
    const size_t at = static_cast<size_t>(unit.data() - text_.data());
    const PhraseTree::Found found = tables_.phrases.Longest(folded_, at);
    if (found.rule != nullptr && found.rule->means == Means::kNoun) {
      event.end = at;
      Push(event);
      Push({.begin = at, .end = at + found.bytes, .rule = found.rule});
      return at + found.bytes;
    }
    return WordEnd(end);
  }

  // --- Combining numbers with what comes directly after them
  // --------------------------------------

  std::string_view Between(const Event& a, const Event& b) const {
    if (b.begin < a.end) return "";
    return text_.substr(a.end, b.begin - a.end);
  }

  static bool IsHalf(const Event& event) {
    return event.kind == Event::Kind::kNumber && event.value == 0.5;
  }

  // "thirty-two", "a hundred and twenty": words for a number that go on with those of less.
  bool IsSum(const Event& event, const Event& next, std::string_view gap) const {
    if (next.kind != Event::Kind::kNumber || next.article || IsHalf(next) ||
        !text::IsAlpha(text_[event.begin]) || !text::IsAlpha(text_[next.begin])) {
      return false;
    }
    const bool tens = event.value >= 20 && event.value < 100 && std::fmod(event.value, 10) == 0;
    if (tens) return next.value < 10 && (gap == "-" || gap == " ");
    return event.value >= 100 && std::fmod(event.value, 100) == 0 && next.value < 100 &&
           (gap == " and " || gap == " ");
  }

  void Combine() {
    std::vector<Event> combined;
    for (size_t i = 0; i < events_.size(); ++i) {
      Event event = events_[i];
      if (event.kind == Event::Kind::kNumber) {
        while (i + 1 < events_.size()) {
          const Event& next = events_[i + 1];
          const std::string_view gap = Between(event, next);
          const bool beside = gap.empty() || gap == " " || gap == "-" || gap == "个" ||
                              gap == " 个" || gap == "\n" || gap == "多" || gap == "多个" ||
                              gap == "来" || gap == "来个" || gap == "几" || gap == "几个" ||
                              gap == " x ";
          if (next.Is(Means::kScale) && beside) {
            event.value *= next.rule->value;
            event.big = true;
          } else if (next.Is(Means::kTimeUnit) && beside && !event.big) {
            event.kind = Event::Kind::kTime;
            event.value *= next.rule->value;
            event.unit = next.rule->value;
          } else if (next.Is(Means::kSizeUnit) && (beside || event.value == 0.5) && !event.big) {
            event.kind = Event::Kind::kSize;
            event.value *= next.rule->value;
          } else if (IsHalf(next) && (gap == "个" || gap == " 个" || gap == " and ")) {
            event.value += 0.5;  // "两个半小时", "two and a half days"
          } else if (next.kind == Event::Kind::kNumber && gap == " (" &&
                     next.value == event.value && IsDigit(text_[next.begin])) {
            // "ten (10) days"
            event.end = next.end;
            if (event.end < text_.size() && text_[event.end] == ')') ++event.end;
            ++i;
            continue;
          } else if (next.IsNoun(Noun::kModelWord) && event.big && event.value >= 1e6 &&
                     gap.size() <= 1) {
            // "1.3 billion parameters"
            event.kind = Event::Kind::kParameters;
            break;
          } else if (IsSum(event, next, gap)) {
            event.value += next.value;
          } else if (next.kind == Event::Kind::kNumber && event.article && gap == " ") {
            // "a single", "a hundred"
            event.value = next.value;
            event.article = false;
          } else if (next.kind == Event::Kind::kNumber && gap == " " &&
                     !IsDigit(text_[event.begin]) && next.value >= 100 &&
                     !IsDigit(text_[next.begin])) {
            event.value *= next.value;
          } else {
            break;
          }
          event.end = next.end;
          ++i;
          if (event.kind == Event::Kind::kTime || event.kind == Event::Kind::kSize) break;
        }
      }
      if (!combined.empty() && combined.back().kind == Event::Kind::kTime &&
          event.kind == Event::Kind::kNumber && combined.back().unit > 0) {
        Event& time = combined.back();
        const std::string_view gap = Between(time, event);
        // "一天半", "an hour and a half"
        const bool half = IsHalf(event) && (gap.empty() || gap == " and ");
        // "2h30": minutes after hours, hours after days.
        const bool rest = !half && gap.empty() && IsDigit(text_[event.begin]) &&
                          time.unit >= kMinuteMs && event.value < 60;
        if (half) time.value += 0.5 * time.unit;
        if (rest) time.value += event.value * (time.unit == kDayMs ? kHourMs : time.unit / 60);
        if (half || rest) {
          time.end = event.end;
          time.unit = 0;
          continue;
        }
      }
      // 1h 30min, 2 days 4 hours
      if (event.kind == Event::Kind::kTime && !combined.empty() &&
          combined.back().kind == Event::Kind::kTime && combined.back().value > event.value) {
        const std::string_view gap = Between(combined.back(), event);
        if (gap.empty() || gap == " " || gap == " and ") {
          combined.back().value += event.value;
          combined.back().unit = event.unit;
          combined.back().end = event.end;
          continue;
        }
      }
      combined.push_back(event);
    }
    events_ = std::move(combined);
  }

  // --- What does not count
  // ------------------------------------------------------------------------

  void MarkDead() {
    for (size_t begin = 0; begin < events_.size();) {
      size_t end = begin;
      while (end < events_.size() && events_[end].sentence == events_[begin].sentence) ++end;
      MarkSentence(begin, end);
      begin = end;
    }
  }

  void MarkSentence(size_t begin, size_t end) {
    bool former = false;
    for (size_t i = begin; i < end; ++i) {
      Event& event = events_[i];
      if (event.Is(Means::kFormer)) {
        former = true;
        // The clause that has the mark is told of another run from its beginning.
        for (size_t k = i;
             k-- > begin && i - k < kFarEvents && events_[k].clause == event.clause;) {
          if (events_[k].Is(Means::kNow)) break;
          events_[k].dead = true;
        }
      } else if (event.Is(Means::kNow)) {
        former = false;
      } else if (former && event.Is(Means::kAsk) && i > begin &&
                 events_[i - 1].clause != event.clause) {
        // "last time it ran 19 hours, expect 8"
        former = false;
      } else if (event.Is(Means::kDenial)) {
        const size_t last = std::min(end, i + kFarEvents);
        for (size_t k = i - std::min(i - begin, kFarEvents); k < last; ++k) {
          if (events_[k].clause == event.clause && !events_[k].dead) {
            events_[k].dead = events_[k].denied = true;
          }
        }
      } else if (event.Is(Means::kNegation)) {
        for (size_t k = i + 1; k < end && events_[k].clause == event.clause &&
                               events_[k].begin < event.end + kNegationBytes;
             ++k) {
          if (events_[k].Is(Means::kNow)) break;
          events_[k].dead = events_[k].denied = true;
        }
      }
      if (former) event.dead = true;
    }
  }

  // --- Classes
  // ------------------------------------------------------------------------------------

  static std::optional<ComputationClass> ClassOf(const Event& event) {
    if (event.Is(Means::kGpuKind)) return ComputationClass::kGpuBound;
    if (!event.Is(Means::kNoun)) return std::nullopt;
    switch (event.rule->noun) {
      case Noun::kCpu:
      case Noun::kCore:
        return ComputationClass::kCpuBound;
      case Noun::kMemory:
        return ComputationClass::kMemoryBound;
      case Noun::kDisk:
      case Noun::kFiles:
        return ComputationClass::kIoBound;
      case Noun::kNetwork:
        return ComputationClass::kNetworkBound;
      case Noun::kGpu:
      case Noun::kGpuMemory:
        return ComputationClass::kGpuBound;
      default:
        return std::nullopt;
    }
  }

  // The resource that a mark at `at` speaks of: the nearest of its clause.
  std::optional<ComputationClass> Nearest(size_t at) const {
    std::optional<ComputationClass> best;
    size_t best_distance = 64;
    const Event& mark = events_[at];
    const auto look = [&](size_t k) {
      const Event& event = events_[k];
      if (event.dead || event.clause != mark.clause) return false;
      const auto resource = ClassOf(event);
      if (resource) {
        const size_t distance = event.begin >= mark.end
                                    ? event.begin - mark.end
                                    : mark.begin - std::min(mark.begin, event.end);
        if (distance < best_distance) {
          best_distance = distance;
          best = resource;
        }
      }
      return true;
    };
    for (size_t k = at; k-- > 0 && at - k < 12;) {
      if (events_[k].clause != mark.clause) break;
      look(k);
    }
    for (size_t k = at + 1; k < events_.size() && k - at < 12; ++k) {
      if (events_[k].clause != mark.clause) break;
      look(k);
    }
    return best;
  }

  void MentionGpu(double weight) {
    findings_.Vote(ComputationClass::kGpuBound, weight);
    findings_.gpu_mentions += weight;
  }

  void Votes() {
    for (size_t i = 0; i < events_.size(); ++i) {
      const Event& event = events_[i];
      const bool gpu_word = event.IsNoun(Noun::kGpu) || IsKind(i);
      if (event.Is(Means::kErrand)) findings_.errand = true;
      if (event.denied && gpu_word) findings_.gpu_denied = true;
      // "OOM killed": what a run died of is what it is bound by.
      const bool died = event.Is(Means::kDenial) && event.rule->vote_weight > 0;
      if (event.dead && !died) continue;
      if (event.Is(Means::kAsk)) findings_.asks = true;
      if (event.kind == Event::Kind::kPhrase && event.rule->vote_weight > 0) {
        findings_.Vote(event.rule->vote, event.rule->vote_weight);
      }
      if (event.Is(Means::kLimit) || event.Is(Means::kIdle)) {
        if (const auto resource = Nearest(i)) {
          if (event.Is(Means::kLimit)) {
            findings_.Vote(*resource, kLimitWeight);
          } else {
            findings_.idle[static_cast<size_t>(*resource)] += kIdleWeight;
          }
        }
      } else if (gpu_word) {
        MentionGpu(kMentionWeight);
      }
    }
  }

  // --- Models
  // -------------------------------------------------------------------------------------

  void Models() {
    ModelUse& use = findings_.use;
    MarkTeachers();
    for (size_t i = 0; i < events_.size(); ++i) {
      const Event& event = events_[i];
      if (event.dead) continue;
      if (event.Is(Means::kTraining)) use.training = true;
      if (event.Is(Means::kDistillation)) use.training = use.distillation = true;
      if (event.Is(Means::kInference)) use.inference = true;
      if (event.Is(Means::kLora)) use.lora = true;
      if (event.Is(Means::kQlora)) use.qlora = true;
      // What is said first is meant; later ones are compared with it.
      if (event.Is(Means::kPrecision) && use.bytes_per_parameter == 0) {
        use.bytes_per_parameter = event.rule->value;
      }
      if (event.Is(Means::kModel)) {
        AddModel(i);
      } else if (event.kind == Event::Kind::kParameters) {
        Parameters(i);
      }
    }
  }

  // "70B teacher", "Qwen-72B (frozen)": the mark is of the model nearest to it.
  void MarkTeachers() {
    for (size_t i = 0; i < events_.size(); ++i) {
      if (!events_[i].Is(Means::kTeacher) || events_[i].dead) continue;
      size_t nearest = i, nearest_bytes = 40;
      const size_t last = std::min(events_.size(), i + 8);
      for (size_t k = i - std::min<size_t>(i, 8); k < last; ++k) {
        const Event& event = events_[k];
        const bool model = event.Is(Means::kModel) || event.kind == Event::Kind::kParameters;
        if (!model || event.sentence != events_[i].sentence) continue;
        const size_t bytes =
            k < i ? Between(event, events_[i]).size() : Between(events_[i], event).size();
        if (bytes < nearest_bytes) {
          nearest_bytes = bytes;
          nearest = k;
        }
      }
      if (nearest != i) events_[nearest].teacher = true;
    }
  }

  void AddModel(size_t i) {
    const Event& event = events_[i];
    const PhraseTree::Found found = tables_.phrases.Longest(folded_, event.begin);
    if (found.rule == nullptr || found.rule->means != Means::kModel) return;
    const ModelRule& rule = tables_.models[static_cast<size_t>(found.rule->ref)];
    const ModelAt extent = ExtendModel(tables_, text_, folded_, event.begin, found);
    const std::string_view name = text_.substr(extent.begin, extent.end - extent.begin);
    ModelFound model{std::string(name), extent.parameters};
    model.teacher = event.teacher;
    model.family = found.rule->ref;
    if (model.parameters == 0) {
      // "bge-m3 (568M)", "Qwen 的 72B 版本"
      for (size_t k = i + 1; k < events_.size() && k < i + 3; ++k) {
        if (events_[k].kind == Event::Kind::kParameters && events_[k].begin - event.end <= 12) {
          model.parameters = events_[k].value;
          model.teacher = model.teacher || events_[k].teacher;
        }
      }
    }
    if (const double bytes = PrecisionInName(tables_, name);
        bytes > 0 && findings_.use.bytes_per_parameter == 0) {
      findings_.use.bytes_per_parameter = bytes;
    }
    if (rule.on_gpu || model.parameters > 0) {
      findings_.Vote(ComputationClass::kGpuBound, rule.on_gpu ? 45 : 10);
    }
    // "the alpaca dataset" is named after a model.
    if (model.parameters == 0 && i + 1 < events_.size() && events_[i + 1].IsNoun(Noun::kData) &&
        events_[i + 1].begin <= event.end + 1) {
      return;
    }
    // A bare family without a size is a mention, not a model.
    if (model.parameters == 0 && kind_ != ProseKind::kDescription) return;
    if (kind_ == ProseKind::kComment && model.parameters == 0) return;
    if (findings_.models.size() < kMostNames) findings_.models.push_back(std::move(model));
  }

  // "our 13B chat model", "7B模型", "1.3B parameters", "130 亿参数".
  void Parameters(size_t i) {
    const Event& event = events_[i];
    for (size_t k = i + 1; k < events_.size() && k < i + 4; ++k) {
      const Event& next = events_[k];
      if (next.begin > event.end + 24) break;
      if (next.IsNoun(Noun::kModelWord) || next.Is(Means::kTraining) ||
          next.Is(Means::kPrecision) || next.Is(Means::kLora) || next.Is(Means::kQlora) ||
          next.Is(Means::kInference) || next.Is(Means::kTeacher) || next.Is(Means::kDistillation)) {
        if (event.big && !next.IsNoun(Noun::kModelWord) && !next.Is(Means::kTeacher)) continue;
        findings_.models.push_back({"", event.value, event.teacher});
        findings_.Vote(ComputationClass::kGpuBound, 45);
        return;
      }
      if (next.IsNoun(Noun::kData)) return;
    }
    // "16 H100, GPT-like, 13B": beside GPUs, and what is done on them, it can be nothing else.
    const bool written = text::IsAlpha(text_[event.end - 1]) && text_[event.end - 1] == 'B' &&
                         event.value >= 1e8 && IsDigit(text_[event.end - 2]);
    for (size_t k = i - std::min<size_t>(i, 8); written && k < std::min(events_.size(), i + 8);
         ++k) {
      const Event& other = events_[k];
      if (other.sentence != event.sentence || other.dead) continue;
      if (other.IsNoun(Noun::kGpu) || other.Is(Means::kGpuKind) || other.Is(Means::kLora) ||
          other.Is(Means::kQlora)) {
        findings_.models.push_back({"", event.value, event.teacher});
        return;
      }
    }
    for (size_t k = i; k-- > 0 && i - k < 3;) {
      const Event& before = events_[k];
      if (before.end + 12 < event.begin) break;
      if (before.IsNoun(Noun::kModelWord) || before.Is(Means::kTeacher) ||
          ((before.Is(Means::kTraining) || before.Is(Means::kDistillation)) && !event.big)) {
        findings_.models.push_back({"", event.value, event.teacher});
        findings_.Vote(ComputationClass::kGpuBound, 45);
        return;
      }
    }
  }

  // --- Amounts
  // ------------------------------------------------------------------------------------

  struct Counts {
    std::optional<double> nodes, ranks, cores, gpus;
    size_t nodes_at = 0, cores_at = 0, gpus_at = 0;
  };

  bool SameClause(const Event& a, const Event& b) const { return a.clause == b.clause; }

  // Whether only describing words stand between a number and what it counts.
  bool Describes(std::string_view gap) const {
    if (gap.size() > kNearBytes) return false;
    const std::string lower = text::Lower(gap);
    for (const char c : lower) {
      if (IsDigit(c) || c == '(' || c == ')' || c == '/' || c == '=') return false;
    }
    for (const std::string_view word :
         {" of ", " and ", " for ", " in ", " on ", " to ", " per ", " with ", " or ", " the ",
          " by ", "和", "从", "在", "的"}) {
      if (text::Contains(lower, word)) return false;
    }
    return true;
  }

  // "16 x 80GB A100", "2 80GB A100s"
  static bool IsTimes(std::string_view gap) {
    gap = text::Strip(gap);
    return gap.empty() || gap == "x" || gap == "X" || gap == "*" || gap == "×";
  }

  // Whether a name and its number are joined by nothing but signs: "cores: 8", "A100 x 8".
  bool Joins(std::string_view gap) const {
    if (gap.size() > 12) return false;
    for (size_t i = 0; i < gap.size(); ++i) {
      const std::string_view rest = gap.substr(i);
      bool wide = false;
      for (const std::string_view sign : {"×", "数量", "数", "个", "共", "为", "约", "总"}) {
        if (rest.starts_with(sign)) {
          i += sign.size() - 1;
          wide = true;
          break;
        }
      }
      if (!wide && !text::Contains(" x*:=X~", gap[i])) return false;
    }
    return true;
  }

  // Whether the event names a kind of GPU, and not a number that looks like one.
  bool IsKind(size_t i) const {
    const Event& event = events_[i];
    if (!event.Is(Means::kGpuKind)) return false;
    // "node-h100-17" is the name of a machine.
    if (event.begin > 1 && event.end < text_.size() && text_[event.end] == '-' &&
        (text_[event.begin - 1] == '-' || text_[event.begin - 1] == '_') &&
        kind_ != ProseKind::kName) {
      return false;
    }
    const GpuKindRule& rule = tables_.gpu_kinds[static_cast<size_t>(event.rule->ref)];
    const bool bare =
        IsDigit(text_[event.begin]) &&
        std::all_of(
            text_.begin() + static_cast<std::ptrdiff_t>(event.begin),
            text_.begin() + static_cast<std::ptrdiff_t>(std::min(event.end, event.begin + 4)),
            IsDigit);
    if (!rule.spelled && !bare) return true;
    if (!bare) {
      const std::string_view written = text_.substr(event.begin, event.end - event.begin);
      if (text::IsUpper(written[0]) && kind_ != ProseKind::kName) return true;
    }
    if (event.end < text_.size() && folded_[event.end - 1] == 's' && bare) return true;
    const auto beside = [&](const Event& other, std::string_view gap) {
      return (other.IsNoun(Noun::kGpu) || other.IsNoun(Noun::kGpuMeasure) ||
              other.kind == Event::Kind::kNumber || other.IsNoun(Noun::kGpuMemory)) &&
             gap.size() <= kBesideBytes;
    };
    if (i > 0 && beside(events_[i - 1], Between(events_[i - 1], event))) return true;
    if (i + 1 < events_.size()) {
      const Event& next = events_[i + 1];
      const std::string_view gap = Between(event, next);
      if ((next.IsNoun(Noun::kGpu) || next.IsNoun(Noun::kGpuMemory) || next.times) &&
          gap.size() <= kBesideBytes) {
        return true;
      }
      if (next.kind == Event::Kind::kNumber && Joins(gap) && !gap.empty() && gap != " ")
        return true;
    }
    return false;
  }

  void Sentence(size_t begin, size_t end) {
    Counts counts;
    bool total = false, need = false, memory = false, ranks = false;
    for (size_t i = begin; i < end; ++i) {
      if (events_[i].dead) continue;
      total = total || events_[i].Is(Means::kTotal);
      need = need || events_[i].IsNeed();
      memory = memory || IsMemoryWord(events_[i]);
      ranks = ranks || events_[i].IsNoun(Noun::kRank);
    }
    bool gpu_sentence = false, nodes = false;
    for (size_t i = begin; i < end; ++i) {
      if (events_[i].dead) continue;
      if (IsKind(i)) {
        gpu_sentence = true;
        if (findings_.sheet.gpu_kind.empty()) {
          findings_.sheet.gpu_kind =
              tables_.gpu_kinds[static_cast<size_t>(events_[i].rule->ref)].name;
          MentionGpu(60);
        }
      }
      gpu_sentence = gpu_sentence || events_[i].IsNoun(Noun::kGpu);
      nodes = nodes || events_[i].IsNoun(Noun::kNode);
    }
    gpu_sentence_ = gpu_sentence;
    need_asked_ = std::any_of(events_.begin() + static_cast<std::ptrdiff_t>(begin),
                              events_.begin() + static_cast<std::ptrdiff_t>(end),
                              [](const Event& event) { return event.Is(Means::kAsk); });
    nodes_said_ = nodes;
    // "16 chips of a TPU": an article counts only what nothing else does.
    for (const bool articles : {false, true}) {
      for (size_t i = begin; i < end; ++i) {
        const Event& event = events_[i];
        if (event.dead || event.kind != Event::Kind::kNumber || event.big) continue;
        if (event.article == articles) Count(i, begin, end, gpu_sentence, &counts);
      }
    }
    for (size_t i = begin; i < end; ++i) {
      if (events_[i].dead) continue;
      if (events_[i].kind == Event::Kind::kSize) Size(i, begin, end, need, memory, ranks);
      if (events_[i].kind == Event::Kind::kTime) Time(i, begin, end);
      if (events_[i].kind == Event::Kind::kPath || events_[i].Is(Means::kDataSet))
        Data(i, begin, end);
    }
    Settle(counts, total, begin, end);
  }

  static void First(std::optional<double>* slot, double value) {
    if (!*slot && value > 0 && value <= kMostCount) *slot = value;
  }

  // "MPI 128 进程" counts ranks; processes without that word are those of one machine.
  bool IsOfMpi(const Event& number, const Event& noun) const {
    const std::string_view word =
        std::string_view(folded_).substr(noun.begin, noun.end - noun.begin);
    if (!text::Contains(word, "进程") && !text::Contains(word, "process")) return false;
    const size_t begin = number.begin - std::min<size_t>(number.begin, 24);
    return text::Contains(std::string_view(folded_).substr(begin, number.begin - begin), "mpi");
  }

  // Whether two events are all of their clause.
  bool IsAlone(size_t first, size_t last, size_t begin, size_t end) const {
    return (first == begin || !SameClause(events_[first - 1], events_[first])) &&
           (last + 1 == end || !SameClause(events_[last], events_[last + 1]));
  }

  void Count(size_t i, size_t begin, size_t end, bool gpu_sentence, Counts* counts) {
    Event& number = events_[i];
    const auto bind = [&](const Event& noun, size_t noun_at) {
      if (noun.Is(Means::kGpuKind)) {
        if (!IsKind(noun_at)) return false;
        First(&counts->gpus, number.value);
        counts->gpus_at = number.begin;
        return true;
      }
      if (!noun.Is(Means::kNoun)) return false;
      switch (noun.rule->noun) {
        case Noun::kCore:
          if (number.article) return false;
          if (IsOfMpi(number, noun)) {
            First(&counts->ranks, number.value);
            return true;
          }
          First(&counts->cores, number.value);
          counts->cores_at = number.begin;
          return true;
        case Noun::kGpu:
          First(&counts->gpus, number.value);
          counts->gpus_at = number.begin;
          return true;
        case Noun::kNode:
          if (number.article) return false;
          First(&counts->nodes, number.value);
          counts->nodes_at = number.begin;
          return true;
        case Noun::kCpu:
          // "8 cpus", and not "one CPU-heavy step".
          if (number.article || (number.value == 1 && !IsDigit(text_[number.begin])) ||
              number.end + 1 < noun.begin) {
            return false;
          }
          First(&counts->cores, number.value);
          counts->cores_at = number.begin;
          return true;
        case Noun::kRank:
          if (number.article) return false;
          First(&counts->ranks, number.value);
          return true;
        default:
          return false;
      }
    };
    // Forward.
    if (i + 1 < end) {
      const Event& next = events_[i + 1];
      const std::string_view gap = Between(number, next);
      if (!next.dead && SameClause(number, next)) {
        if (next.IsNoun(Noun::kGpuMeasure) && gap.size() <= 1) {
          if (i + 2 < end) {
            const Event& counted = events_[i + 2];
            const bool beside = Between(next, counted).size() <= 8;
            if (beside && !counted.dead &&
                (counted.IsNoun(Noun::kGpu) || counted.IsNoun(Noun::kGpuMemory) || IsKind(i + 2) ||
                 (counted.kind == Event::Kind::kSize && gpu_sentence))) {
              First(&counts->gpus, number.value);
              counts->gpus_at = number.begin;
              number.dead = true;
              return;
            }
          }
          const bool ends = next.end >= text_.size() || !IsWide(text_[next.end]) ||
                            WideMark(text_, next.end) != Mark::kNone ||
                            text_.substr(next.end, 3) == "就" ||
                            text_.substr(next.end, 3) == "跑" ||
                            text_.substr(next.end, 3) == "够" || text_.substr(next.end, 3) == "（";
          if (gpu_sentence && ends) {
            First(&counts->gpus, number.value);
            counts->gpus_at = number.begin;
            number.dead = true;
          }
          return;
        }
        // "a single fat node"
        if (next.Is(Means::kVote) && gap == " " && !number.article &&
            std::string_view(folded_).substr(next.begin, next.end - next.begin).ends_with("node")) {
          First(&counts->nodes, number.value);
          counts->nodes_at = number.begin;
          number.dead = true;
          return;
        }
        // "2 80GB A100s"
        if (next.kind == Event::Kind::kSize && i + 2 < end && gap.size() <= 4 && IsTimes(gap) &&
            (IsKind(i + 2) || events_[i + 2].IsNoun(Noun::kGpu)) &&
            Between(next, events_[i + 2]).size() <= 2 && !events_[i + 2].dead) {
          if (bind(events_[i + 2], i + 2)) {
            number.dead = true;
            return;
          }
        }
        if (!number.times && Describes(gap) && bind(next, i + 1)) {
          number.dead = true;
          return;
        }
        // "8 NVIDIA A100": a word for GPUs' makers, or "4 MPI ranks", between.
        if (!number.times && gap.size() <= 2 && i + 2 < end && !events_[i + 2].dead &&
            SameClause(number, events_[i + 2]) &&
            (next.IsNoun(Noun::kCpu) || next.Is(Means::kVote) || next.Is(Means::kPlain) ||
             next.IsNoun(Noun::kNetwork) || next.Is(Means::kNumber) || next.IsNoun(Noun::kNode) ||
             next.IsNoun(Noun::kMemory)) &&
            Describes(Between(next, events_[i + 2])) && bind(events_[i + 2], i + 2)) {
          number.dead = true;
          return;
        }
      }
    }
    // "any number of GPUs, please give two"
    if (gpu_sentence && i > begin && !number.article && number.value <= 64 &&
        events_[i - 1].Is(Means::kAsk) && SameClause(events_[i - 1], number) &&
        Between(events_[i - 1], number) == " " &&
        (i + 1 == end || !SameClause(number, events_[i + 1]))) {
      First(&counts->gpus, number.value);
      counts->gpus_at = number.begin;
      number.dead = true;
      return;
    }
    // Backward.
    if (i > begin && !number.article) {
      const Event& before = events_[i - 1];
      const std::string_view gap = Between(before, number);
      const bool near = before.clause == number.clause || text::Contains(gap, ':');
      if (!before.dead && near && (Joins(gap) || text::Contains(gap, "：")) &&
          !(gap == " " && before.IsNoun(Noun::kNode) && !IsWide(text_[before.end - 1])) &&
          gap.size() <= 12) {
        const bool signs = number.times || gap.find_first_of("x*:=X") != gap.npos ||
                           text::Contains(gap, "×") || IsWide(text_[before.end - 1]) ||
                           text::Contains(gap, "：");
        const bool measured = i + 1 < end && (events_[i + 1].IsNoun(Noun::kGpuMeasure) ||
                                              text_.substr(number.end, 3) == "个" ||
                                              text_.substr(number.end, 4) == " 个");
        // "RAM 96 GB; Cores 24"
        const bool listed = gap == " " &&
                            (before.IsNoun(Noun::kCore) || before.IsNoun(Noun::kCpu)) &&
                            IsAlone(i - 1, i, begin, end);
        if ((signs || measured || listed) && bind(before, i - 1)) number.dead = true;
      }
    }
  }

  void Settle(const Counts& counts, bool total, size_t begin, size_t end) {
    FactSheet& sheet = findings_.sheet;
    if (counts.nodes) sheet.IfAbsent(Fact::kNodes, *counts.nodes);
    // "256 H100 on 32 nodes" counts all; "4 nodes with 8 each" those of one.
    bool each = false;
    for (size_t i = begin; i < end; ++i)
      each = each || (events_[i].Is(Means::kEach) && !events_[i].dead);
    // "4 nodes, 64 ranks per node"
    if (counts.ranks) {
      sheet.IfAbsent(each && counts.nodes ? Fact::kRanksPerNode : Fact::kRanks, *counts.ranks);
    }
    const auto of_all = [&](size_t at) {
      if (!counts.nodes || *counts.nodes <= 1) return false;
      if (each) return false;
      return total || at < counts.nodes_at;
    };
    if (counts.gpus) {
      sheet.IfAbsent(of_all(counts.gpus_at) ? Fact::kGpusTotal : Fact::kGpus, *counts.gpus);
      MentionGpu(60);
    }
    if (counts.cores) {
      sheet.IfAbsent(of_all(counts.cores_at) ? Fact::kCoresTotal : Fact::kCores, *counts.cores);
    }
  }

  // Phrases that tell of much memory name it too: "held in RAM".
  static bool IsMemoryWord(const Event& event) {
    return event.IsNoun(Noun::kMemory) ||
           (event.Is(Means::kVote) && event.rule->vote == ComputationClass::kMemoryBound &&
            event.rule->vote_weight >= 100);
  }

  // --- Sizes
  // --------------------------------------------------------------------------------------

  enum class SizeOf : uint8_t { kUnknown, kMemory, kGpuMemory, kDisk, kData };

  void Size(size_t i, size_t begin, size_t end, bool need, bool memory, bool ranks) {
    const Event& size = events_[i];
    SizeOf best = SizeOf::kUnknown;
    size_t best_distance = 40;
    const auto offer = [&](SizeOf what, size_t distance) {
      if (distance < best_distance) {
        best_distance = distance;
        best = what;
      }
    };
    const size_t last = std::min(end, i + kFarEvents);
    for (size_t k = i - std::min(i - begin, kFarEvents); k < last; ++k) {
      const Event& other = events_[k];
      if (k == i || other.dead) continue;
      const bool after = other.begin >= size.end;
      const std::string_view gap = after ? Between(size, other) : Between(other, size);
      if (gap.size() > 40) continue;
      // Each size has words of its own: none beyond the next size.
      bool blocked = false;
      for (size_t m = std::min(i, k) + 1; m < std::max(i, k); ++m) {
        blocked = blocked || events_[m].kind == Event::Kind::kSize;
      }
      if (blocked) continue;
      // "ram=48GB gpu=1"
      const bool equated = !after && (gap == "=" || gap == ":" || gap == ": " || gap == "：");
      const size_t distance =
          equated ? 0 : gap.size() + (SameClause(size, other) ? 0 : 30) + (after ? 0 : 2);
      if (IsKind(k) || other.IsNoun(Noun::kGpu)) {
        // "4 (A100, 80 GB)"
        const bool listed =
            !after && gap == ", " && other.begin > 0 && text_[other.begin - 1] == '(';
        // "4 GPUs and 512 GB" names two things.
        const bool apart = !after && gap == " and ";
        if (apart && i > begin && k == i - 1) offer(SizeOf::kMemory, 12);
        if ((gap.size() <= 8 && SameClause(size, other) && !apart) || listed) {
          offer(SizeOf::kGpuMemory, gap.size());
        }
        // "4 GPUs with at least 16 GB each"
        const bool each = i + 1 < end && events_[i + 1].Is(Means::kEach) &&
                          Between(size, events_[i + 1]).size() <= 2;
        if (!after && each && SameClause(size, other)) offer(SizeOf::kGpuMemory, gap.size());
        continue;
      }
      if (other.IsNoun(Noun::kGpuMemory))
        offer(SizeOf::kGpuMemory, distance > 0 ? distance - 1 : 0);
      if (IsMemoryWord(other)) offer(SizeOf::kMemory, distance);
      if (other.IsNoun(Noun::kDisk)) {
        // Disks are asked for; a word about them does not make any size one of theirs.
        const bool of = after ? (gap.size() <= 16) : (gap.size() <= 10);
        // "3 PB on tape" tells where data lies, unless it is asked for.
        const bool located =
            after && !need_asked_ && (text::Contains(gap, " on ") || text::Contains(gap, " from "));
        if (SameClause(size, other) && !located && (of || (need && gap.size() <= 24))) {
          offer(SizeOf::kDisk, distance);
        }
      }
      const bool cue = after && gap.size() <= 3 && other.end - other.begin >= 5 &&
                       (other.Is(Means::kInputCue) || other.Is(Means::kOutputCue));
      if (other.IsNoun(Noun::kData) || other.IsNoun(Noun::kFiles) || cue) {
        if (SameClause(size, other)) offer(SizeOf::kData, distance + (after ? 0 : 4));
      }
      if (other.kind == Event::Kind::kPath && SameClause(size, other)) {
        offer(SizeOf::kData, distance + 1);
      }
    }
    if (best == SizeOf::kUnknown) {
      // "12 cores, 32 GB", "256G/32核"
      const bool spec =
          (i > begin && events_[i - 1].IsNoun(Noun::kCore) &&
           (Between(events_[i - 1], size).size() <= 3 ||
            Between(events_[i - 1], size) == " and ")) ||
          (i + 2 < end && events_[i + 1].kind == Event::Kind::kNumber &&
           events_[i + 2].IsNoun(Noun::kCore) && Between(size, events_[i + 1]).size() <= 5 &&
           IsBareJoint(Between(size, events_[i + 1])) &&
           Between(events_[i + 1], events_[i + 2]).size() <= 3);
      const bool asked = i > begin && SameClause(size, events_[i - 1]) && events_[i - 1].IsNeed();
      // "190GB per node"
      const bool each = i + 1 < end && events_[i + 1].Is(Means::kEach) &&
                        SameClause(size, events_[i + 1]) &&
                        Between(size, events_[i + 1]).size() <= 2;
      if (each && gpu_sentence_ && !memory && !nodes_said_) best = SizeOf::kGpuMemory;
      const bool of_rank = ranks && size.value <= 2 * kTi;
      if (best != SizeOf::kUnknown) {
      } else if (spec || of_rank || each || (memory && (need || asked)) ||
                 AskedAlone(i, begin, end)) {
        best = SizeOf::kMemory;
      }
    }
    FactSheet& sheet = findings_.sheet;
    // "two nodes, 2 TB of memory in total"
    const bool total = (i > begin && events_[i - 1].Is(Means::kTotal) &&
                        Between(events_[i - 1], size).size() <= 4) ||
                       (i + 1 < end && events_[i + 1].Is(Means::kTotal) &&
                        Between(size, events_[i + 1]).size() <= 4);
    if (best != SizeOf::kGpuMemory && best != SizeOf::kDisk && IsPerCore(size)) {
      sheet.IfAbsent(Fact::kMemoryPerCore, size.value);
      return;
    }
    const std::string_view after_it = std::string_view(folded_).substr(size.end, 12);
    if (best == SizeOf::kMemory &&
        (after_it.starts_with(" per gpu") || after_it.starts_with(" per card"))) {
      sheet.IfAbsent(Fact::kMemoryPerGpu, size.value);
      return;
    }
    if (best == SizeOf::kMemory && total && kind_ == ProseKind::kDescription) {
      sheet.IfAbsent(Fact::kMemoryTotal, size.value);
      return;
    }
    switch (best) {
      case SizeOf::kMemory:
        if (kind_ == ProseKind::kComment && !need) return;
        // What is asked for wins over what is told.
        if (need && !memory_asked_) {
          sheet.Latest(Fact::kMemory, size.value);
          memory_asked_ = true;
        } else if (AskedBefore(i, begin)) {
          sheet.Latest(Fact::kMemory, size.value);
        } else {
          sheet.IfAbsent(Fact::kMemory, size.value);
        }
        break;
      case SizeOf::kGpuMemory:
        sheet.IfAbsent(Fact::kGpuMemory, size.value);
        break;
      case SizeOf::kDisk:
        if (kind_ != ProseKind::kDescription && !need) return;
        sheet.IfAbsent(Fact::kStorage, size.value);
        break;
      default:
        break;
    }
  }

  // Whether nothing but signs, or "and", stands between two amounts.
  static bool IsBareJoint(std::string_view gap) {
    return gap == " and " || gap == "，" || gap == "、" || gap == "和" ||
           std::all_of(gap.begin(), gap.end(), [](char c) { return text::Contains(" ,/+;-", c); });
  }

  // "3 GB per core", "每核 4G"
  bool IsPerCore(const Event& size) const {
    const std::string_view folded = folded_;
    const std::string_view after = folded.substr(size.end, 20);
    if (text::Contains(after, "per core") || text::Contains(after, "per cpu") ||
        after.starts_with("/core") || after.starts_with("/cpu")) {
      return true;
    }
    const size_t begin = size.begin - std::min<size_t>(size.begin, 20);
    const std::string_view before = folded.substr(begin, size.begin - begin);
    return text::Contains(before, "每核") || text::Contains(before, "每个核") ||
           text::Contains(before, "per core") || text::Contains(before, "each core") ||
           text::Contains(before, "every core");
  }

  // "asking for 128 GB": what a size is of that is asked for, where nothing else is named.
  bool AskedAlone(size_t i, size_t begin, size_t end) const {
    const Event& size = events_[i];
    bool asked = false;
    for (size_t k = i; k-- > begin && i - k < 4 && SameClause(events_[k], size);) {
      if (Between(events_[k], events_[k + 1]).size() > 8) break;
      // "a node with at least 640 GB"
      asked = events_[k].Is(Means::kAsk) || events_[k].Is(Means::kNow) ||
              (events_[k].IsNoun(Noun::kNode) && k + 1 < i);
      if (asked || !events_[k].IsNeed()) break;
    }
    if (!asked || size.value > 4 * kTi) return false;
    // "give it 20 GB images"
    const bool beside = i + 1 < end && SameClause(size, events_[i + 1]) &&
                        Between(size, events_[i + 1]).size() <= 4;
    return !beside || (!events_[i + 1].Is(Means::kNoun) && !IsKind(i + 1) &&
                       events_[i + 1].kind == Event::Kind::kPhrase);
  }

  bool AskedBefore(size_t i, size_t begin) const {
    for (size_t k = i; k-- > begin && i - k < 4;) {
      if (events_[k].IsNeed() && !events_[k].dead && SameClause(events_[k], events_[i])) {
        return true;
      }
    }
    return false;
  }

  // --- Times
  // --------------------------------------------------------------------------------------

  // "30 days of traffic", "every 30 min": how much there is of something, and how often.
  bool IsOfThings(const Event& time) const {
    const std::string_view folded = folded_;
    if (folded.substr(0, time.begin).ends_with("every ")) return true;
    std::string_view rest = folded.substr(time.end);
    if (!rest.starts_with(" of ")) return false;
    rest.remove_prefix(4);
    static constexpr std::string_view kWork[] = {"comput", "run",     "wall",   "cpu",
                                                 "gpu",    "machine", "node",   "work",
                                                 "proc",   "train",   "render", "time"};
    if (rest.substr(0, rest.find(' ')).ends_with("ing")) return false;
    return std::none_of(std::begin(kWork), std::end(kWork),
                        [&](std::string_view word) { return rest.starts_with(word); });
  }

  void Time(size_t i, size_t begin, size_t end) {
    if (kind_ == ProseKind::kName) return;
    const Event& time = events_[i];
    if (IsOfThings(time)) return;
    bool cue = false;
    const size_t last = std::min(end, i + kFarEvents);
    for (size_t k = i - std::min(i - begin, kFarEvents); k < last; ++k) {
      const Event& other = events_[k];
      if (!SameClause(other, time)) continue;
      if (other.Is(Means::kPerThing)) return;
      if (other.IsNeed()) cue = true;
    }
    if (kind_ == ProseKind::kComment && !cue) return;
    if (time.article && !cue && time.value < kMinuteMs) return;
    if (time.value < 10 * kSecondMs) return;
    findings_.sheet.IfAbsent(Fact::kDuration, time.value);
  }

  // --- Data
  // ---------------------------------------------------------------------------------------

  // "to zarr under /derived": where something lies is where it is written, when that was just said.
  bool IsPlaceWord(const Event& cue) const {
    const std::string_view word = std::string_view(folded_).substr(cue.begin, cue.end - cue.begin);
    return word == "in" || word == "under" || word == "below" || word == "在";
  }
  // "spills 500 GB to /scratch"
  bool SpilledBefore(size_t at, size_t begin) const {
    for (size_t k = at; k-- > begin && at - k < 4;) {
      const Event& event = events_[k];
      if (event.kind == Event::Kind::kPath || event.clause != events_[at].clause) return false;
      if (event.Is(Means::kScratchCue)) return true;
    }
    return false;
  }
  bool WrittenBefore(size_t at, size_t begin) const {
    for (size_t k = at; k-- > begin && at - k < 4;) {
      const Event& event = events_[k];
      if (event.kind == Event::Kind::kPath || event.clause != events_[at].clause ||
          Between(event, events_[at]).size() > 20) {
        return false;
      }
      if (event.Is(Means::kOutputCue)) return true;
    }
    return false;
  }

  void Data(size_t i, size_t begin, size_t end) {
    if (kind_ != ProseKind::kDescription || findings_.data.size() >= kMostNames) return;
    const Event& path = events_[i];
    std::string_view name = text_.substr(path.begin, path.end - path.begin);
    if (name.starts_with("http") && !IsDataFile(name)) return;
    std::optional<Fact> role;
    for (size_t k = i; k-- > begin;) {
      const Event& cue = events_[k];
      if (cue.kind == Event::Kind::kPath || cue.end + kCueBytes < path.begin) break;
      if (cue.dead) continue;
      if (cue.Is(Means::kInputCue) && IsPlaceWord(cue) && WrittenBefore(k, begin)) continue;
      if (cue.Is(Means::kInputCue)) role = Fact::kInput;
      if (cue.Is(Means::kOutputCue)) {
        role = SpilledBefore(k, begin) ? Fact::kIntermediate : Fact::kOutput;
      }
      if (cue.Is(Means::kScratchCue)) role = Fact::kIntermediate;
      if (role) break;
    }
    if (!role && i + 1 < end && path.kind == Event::Kind::kPath) {
      const Event& next = events_[i + 1];
      if (next.kind == Event::Kind::kSize && Between(path, next).size() <= 12) role = Fact::kInput;
    }
    if (path.Is(Means::kDataSet)) {
      // The name of a set beside its place: the place is the data.
      for (size_t k = i + 1; k < end && k < i + 8; ++k) {
        if (events_[k].kind == Event::Kind::kPath) return;
      }
      role = Fact::kInput;
    }
    if (!role) return;
    DataFound data{std::string(name), *role, 0, 0};
    // "s3://a/b (about 9 TB)"
    for (size_t k = i + 1; k < end && k < i + 4; ++k) {
      const Event& size = events_[k];
      if (size.kind == Event::Kind::kPath) break;
      const std::string_view gap = Between(path, size);
      if (size.kind == Event::Kind::kSize && gap.size() <= 20 &&
          (text::Contains(gap, '(') || text::Contains(gap, "（"))) {
        data.size_bytes = size.value;
        break;
      }
    }
    findings_.data.push_back(std::move(data));
  }

  const RuleTables& tables_;
  const std::string_view text_;
  const std::string folded_;
  const ProseKind kind_;
  TextFindings& findings_;
  std::vector<Event> events_;
  int32_t clause_ = 0;
  int32_t sentence_ = 0;
  bool memory_asked_ = false;
  bool gpu_sentence_ = false;  // of the sentence that is read
  bool nodes_said_ = false;
  bool need_asked_ = false;
};

}  // namespace

void ReadProse(const RuleTables& tables, std::string_view text, ProseKind kind,
               TextFindings* findings) {
  ProseReader(tables, text, kind, findings).Read();
}

}  // namespace berth::features
