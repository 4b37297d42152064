#include "features/shell_words.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/strings.h"
#include "features/plain_text.h"

namespace berth::features {
namespace {

// How far the end of a command substitution is looked for, and how deep they are read: without
// bounds a text of nothing but "$(" would cost its square.
constexpr size_t kMostSubstitution = 2048;
constexpr int kMostDepth = 3;
// After so many bytes looked through in vain, nothing is taken for a substitution any more.
constexpr size_t kMostSearched = 64 << 10;
constexpr size_t kMostVariables = 512;
constexpr size_t kMostVariableBytes = 512;

bool IsNameByte(char c) { return text::IsAlnum(c) || c == '_'; }

bool IsKeyword(std::string_view word) {
  static constexpr std::array<std::string_view, 14> kKeywords = {
      "do", "then", "else", "if",   "elif", "while", "until",
      "!",  "{",    "}",    "done", "fi",   "esac",  "begin"};
  return std::find(kKeywords.begin(), kKeywords.end(), word) != kKeywords.end();
}

// Whether a comment's text is a directive that does not count, or an old command.
bool IsNoProse(std::string_view text) {
  text = text::StripLeft(text);
  if (text.empty() || text[0] == '#' || text[0] == '!' || text[0] == '$') return true;
  static constexpr std::array<std::string_view, 10> kDirectives = {
      "SBATCH", "PBS", "BSUB", "HQ ", "MSUB", "COBALT", "OAR", "PJM", "QSUB", "FLUX"};
  for (const std::string_view directive : kDirectives) {
    if (text.starts_with(directive)) return true;
  }
  return text.find(" --") != text.npos;
}

class ScriptReader {
 public:
  explicit ScriptReader(ShellScript* script) : script_(*script) {}

  void Read(std::string_view text, int depth) {
    ShellCommand command;
    ShellWord word;
    bool in_word = false;
    bool piped = false;
    enum class Redirect { kNone, kFrom, kTo, kHere } redirect = Redirect::kNone;
    std::vector<std::pair<std::string, bool>> here;  // words that end here-documents

    const auto end_word = [&] {
      if (!in_word) return;
      in_word = false;
      Expand(&word);
      switch (redirect) {
        case Redirect::kFrom:
          if (!word.built) command.reads_from.push_back(std::move(word.text));
          break;
        case Redirect::kTo:
          if (!word.built) command.writes_to.push_back(std::move(word.text));
          break;
        case Redirect::kHere:
          here.emplace_back(std::move(word.text), true);
          break;
        case Redirect::kNone:
          command.words.push_back(std::move(word));
          break;
      }
      redirect = Redirect::kNone;
      word = ShellWord();
    };
    const auto end_command = [&](bool pipes) {
      end_word();
      redirect = Redirect::kNone;
      command.reads_pipe = piped;
      command.writes_pipe = pipes;
      piped = pipes;
      last_ = Finish(std::move(command));
      command = ShellCommand();
    };

    size_t i = 0;
    while (i < text.size()) {
      const char c = text[i];
      if (c == '\\') {
        if (i + 1 < text.size() && text[i + 1] == '\n') {
          i += 2;
          continue;
        }
        if (i + 2 < text.size() && text[i + 1] == '\r' && text[i + 2] == '\n') {
          i += 3;
          continue;
        }
        in_word = true;
        if (i + 1 < text.size()) word.text.push_back(text[i + 1]);
        i += 2;
        continue;
      }
      if (c == '\'') {
        const size_t close = text.find('\'', i + 1);
        in_word = true;
        word.quoted = true;
        if (close == text.npos) {
          // Not a quote: an apostrophe of a text that is no script.
          i += 1;
          continue;
        }
        word.text.append(text.substr(i + 1, close - i - 1));
        i = close + 1;
        continue;
      }
      if (c == '"') {
        in_word = true;
        word.quoted = true;
        i = ReadDoubleQuoted(text, i + 1, depth, &word);
        continue;
      }
      if (c == '$' && i + 1 < text.size() && text[i + 1] == '(') {
        in_word = true;
        i = ReadSubstitution(text, i, depth, &word);
        continue;
      }
      if (c == '`') {
        const size_t close =
            text.substr(0, std::min(text.size(), i + kMostSubstitution)).find('`', i + 1);
        in_word = true;
        word.built = true;
        if (close == text.npos) {
          ++i;
          continue;
        }
        if (depth < kMostDepth) Read(text.substr(i + 1, close - i - 1), depth + 1);
        i = close + 1;
        continue;
      }
      if (c == '#' && !in_word) {
        const size_t end = std::min(text.find('\n', i), text.size());
        const std::string_view comment = text::StripRight(text.substr(i + 1, end - i - 1));
        if (!IsNoProse(comment)) script_.comments.push_back(comment);
        i = end;
        continue;
      }
      if (c == '\n' || c == ';') {
        end_command(false);
        ++i;
        if (c == '\n' && !here.empty()) {
          for (const auto& [end_mark, ignored] : here) i = ReadHereDocument(text, i, end_mark);
          here.clear();
        }
        continue;
      }
      if (c == '|') {
        const bool either = i + 1 < text.size() && text[i + 1] == '|';
        end_command(!either);
        i += either || (i + 1 < text.size() && text[i + 1] == '&') ? 2 : 1;
        continue;
      }
      if (c == '&') {
        if (i + 1 < text.size() && text[i + 1] == '>') {  // &> file
          end_word();
          redirect = Redirect::kTo;
          i += 2;
          while (i < text.size() && text[i] == '>') ++i;
          continue;
        }
        end_command(false);
        i += i + 1 < text.size() && text[i + 1] == '&' ? 2 : 1;
        continue;
      }
      if ((c == '(' || c == ')') && !in_word) {
        end_command(false);
        ++i;
        continue;
      }
      if (c == '<' || c == '>') {
        // "2>log" redirects errors, which are no data.
        const bool errors = in_word && word.text == "2";
        if (in_word && word.text.size() == 1 && text::IsDigit(word.text[0])) {
          in_word = false;
          word = ShellWord();
        }
        if (in_word && c == '<' && !word.text.empty() && word.text[0] == '<') {
          ++i;
          continue;
        }
        end_word();
        size_t run = 0;
        while (i < text.size() && text[i] == c) {
          ++i;
          ++run;
        }
        if (i < text.size() && text[i] == '&') {  // 2>&1
          ++i;
          while (i < text.size() && (IsNameByte(text[i]) || text[i] == '-')) ++i;
          continue;
        }
        if (i < text.size() && text[i] == '(') {  // <(command)
          ++i;
          continue;
        }
        if (c == '<' && run == 2) {
          if (i < text.size() && text[i] == '-') ++i;
          redirect = Redirect::kHere;
        } else if (c == '<' && run >= 3) {
          redirect = Redirect::kNone;
        } else {
          redirect = c == '<' ? Redirect::kFrom : Redirect::kTo;
        }
        if (errors) {
          // The word after it is dropped.
          while (i < text.size() && text[i] == ' ') ++i;
          while (i < text.size() && !text::IsSpace(text[i]) && text[i] != ';') ++i;
          redirect = Redirect::kNone;
        }
        continue;
      }
      if (text::IsSpace(c)) {
        end_word();
        ++i;
        continue;
      }
      in_word = true;
      word.text.push_back(c);
      ++i;
    }
    end_command(false);
  }

 private:
  size_t ReadDoubleQuoted(std::string_view text, size_t i, int depth, ShellWord* word) {
    while (i < text.size() && text[i] != '"') {
      if (text[i] == '\\' && i + 1 < text.size()) {
        if (text[i + 1] != '"' && text[i + 1] != '$' && text[i + 1] != '\n') {
          word->text.push_back(text[i]);
        }
        if (text[i + 1] != '\n') word->text.push_back(text[i + 1]);
        i += 2;
      } else if (text[i] == '$' && i + 1 < text.size() && text[i + 1] == '(') {
        i = ReadSubstitution(text, i, depth, word);
      } else {
        word->text.push_back(text[i]);
        ++i;
      }
    }
    return i + 1;
  }

  // Reads "$(...)" at `i`; returns where it ends.
  size_t ReadSubstitution(std::string_view text, size_t i, int depth, ShellWord* word) {
    const size_t begin = i + 2;
    const size_t limit =
        searched_ >= kMostSearched ? begin : std::min(text.size(), i + kMostSubstitution);
    int open = 1;
    size_t end = begin;
    for (; end < limit; ++end) {
      if (text[end] == '(') ++open;
      if (text[end] == ')' && --open == 0) break;
    }
    word->built = true;
    if (end >= limit) {
      // Not closed nearby. Looking again and again would cost a square.
      searched_ += end - begin;
      word->text.append("$(");
      return begin;
    }
    if (depth < kMostDepth && begin < text.size() && text[begin] != '(') {
      Read(text.substr(begin, end - begin), depth + 1);
    }
    word->text.append(text.substr(i, end + 1 - i));
    return end + 1;
  }

  size_t ReadHereDocument(std::string_view text, size_t i, std::string_view mark) {
    const size_t begin = i;
    while (i < text.size()) {
      const size_t end = std::min(text.find('\n', i), text.size());
      if (text::Strip(text.substr(i, end - i)) == mark) {
        if (last_ < script_.commands.size()) {
          script_.commands[last_].here_document = text.substr(begin, i - begin);
        }
        return std::min(end + 1, text.size());
      }
      i = end + 1;
    }
    return text.size();
  }

  void Expand(ShellWord* word) {
    std::string& text = word->text;
    if (text.find('$') == text.npos || word->built) return;
    std::string_view name = text;
    if (name.starts_with("${") && name.ends_with("}")) {
      name = name.substr(2, name.size() - 3);
    } else if (name.starts_with("$")) {
      name = name.substr(1);
    }
    if (name.size() != text.size()) {
      const size_t end = static_cast<size_t>(
          std::find_if_not(name.begin(), name.end(), IsNameByte) - name.begin());
      const auto found = variables_.find(name.substr(0, end));
      if (end == name.size()) {
        if (found != variables_.end()) text = std::string(found->second);
        return;
      }
      if (name.substr(end).starts_with(":-") && text[1] == '{') {
        text = found != variables_.end() ? std::string(found->second)
                                         : std::string(name.substr(end + 2));
        return;
      }
    }
    // Inside of an option only numbers are put in: names stay as they are written.
    if (text[0] != '-' && text[0] != '+') return;
    std::string built;
    for (size_t i = 0; i < text.size();) {
      if (text[i] != '$') {
        built.push_back(text[i++]);
        continue;
      }
      const bool braced = i + 1 < text.size() && text[i + 1] == '{';
      const size_t begin = i + (braced ? 2 : 1);
      size_t end = begin;
      while (end < text.size() && IsNameByte(text[end])) ++end;
      const auto found = variables_.find(std::string_view(text).substr(begin, end - begin));
      const size_t after = end + (braced && end < text.size() && text[end] == '}' ? 1 : 0);
      if (found != variables_.end() && !found->second.empty() && found->second.size() <= 12 &&
          text::IsDigit(found->second[0])) {
        built += found->second;
      } else {
        built.append(text, i, after - i);
      }
      i = std::max(after, i + 1);
    }
    text = std::move(built);
  }

  void Set(ShellCommand& command, std::string_view name, std::string value, bool built) {
    if (!built && value.find('`') == value.npos && value.size() <= kMostVariableBytes &&
        variables_.size() < kMostVariables) {
      variables_[std::string(name)] = value;
    } else {
      variables_.erase(std::string(name));
    }
    command.settings.emplace_back(std::string(name), std::move(value));
  }

  // Moves settings out of the words, and keeps the command when anything is left. Returns its
  // position, or where it would have been.
  size_t Finish(ShellCommand command) {
    std::vector<ShellWord>& words = command.words;
    size_t first = 0;
    while (first < words.size() && IsKeyword(words[first].text) && !words[first].quoted) ++first;
    if (first < words.size() && words[first].text == "for" && first + 2 < words.size()) {
      // A loop over one name stands for that name; over more, for none.
      if (words.size() == first + 4 && !words[first + 3].built) {
        Set(command, words[first + 1].text, words[first + 3].text, false);
      } else {
        variables_.erase(words[first + 1].text);
      }
      return script_.commands.size();
    }
    if (first < words.size() && words[first].text == "setenv" && first + 2 < words.size()) {
      Set(command, words[first + 1].text, words[first + 2].text, words[first + 2].built);
      first = words.size();
    }
    while (first < words.size() &&
           (words[first].text == "export" || words[first].text == "set" ||
            words[first].text == "local" || words[first].text == "readonly" ||
            words[first].text == "declare" || words[first].text == "env")) {
      ++first;
    }
    while (first < words.size()) {
      const std::string& text = words[first].text;
      const size_t equals = text.find('=');
      if (equals == text.npos || equals == 0 || equals > 64 ||
          !std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(equals),
                       IsNameByte)) {
        break;
      }
      ShellWord value;
      value.text = text.substr(equals + 1);
      value.built = words[first].built;
      Expand(&value);
      Set(command, std::string_view(text).substr(0, equals), value.text, words[first].built);
      ++first;
    }
    words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(first));
    const bool empty = words.empty() && command.settings.empty() && command.reads_from.empty();
    if (empty || script_.commands.size() >= kMostCommands) return script_.commands.size();
    script_.commands.push_back(std::move(command));
    return script_.commands.size() - 1;
  }

  ShellScript& script_;
  absl::flat_hash_map<std::string, std::string, base::StringHash, base::StringEq> variables_;
  size_t last_ = 0;
  size_t searched_ = 0;
};

}  // namespace

std::vector<std::string> SplitWords(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (const char c : line) {
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word.push_back(c);
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
      in_word = true;
    } else if (text::IsSpace(c)) {
      if (in_word) words.push_back(std::move(word));
      word.clear();
      in_word = false;
    } else if (c == '#' && !in_word) {
      break;
    } else {
      word.push_back(c);
      in_word = true;
    }
  }
  if (in_word) words.push_back(std::move(word));
  return words;
}

ShellScript ReadShellScript(std::string_view text) {
  ShellScript script;
  for (size_t i = 0; i < text.size();) {
    const size_t end = std::min(text.find('\n', i), text.size());
    const std::string_view line = text.substr(i, end - i);
    const std::string_view bare = text::Strip(line);
    if (!bare.empty() && bare[0] != '#') break;
    if (!bare.empty()) script.header.push_back(text::StripRight(line));
    i = end + 1;
  }
  ScriptReader(&script).Read(text, 0);
  return script;
}

ShellCommand CommandOf(std::span<const std::string> argv) {
  ShellCommand command;
  for (const std::string& word : argv) command.words.push_back({word, true, false});
  return command;
}

}  // namespace berth::features
