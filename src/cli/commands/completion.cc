// berth completion: a script that teaches bash the verbs and their flags.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <string>

#include "cli/berth_cli.h"
#include "cli/commands/commands.h"

namespace berth::cli {
namespace {

// Verbs and flags are asked of the program itself (`berth completion words VERB`), so that the
// script never says anything else than the program.
constexpr char kBash[] = R"bash(# bash completion of berth: source <(berth completion bash)
_berth() {
  local current="${COMP_WORDS[COMP_CWORD]}" verb="" word
  COMPREPLY=()
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -- ]] && { compopt -o default; return; }
    [[ -z $verb && $word != -* ]] && verb=$word
  done
  COMPREPLY=($(compgen -W "$(berth completion words ${verb:+"$verb"} 2>/dev/null)" -- "$current"))
}
complete -o bashdefault -o default -F _berth berth
)bash";

absl::StatusOr<int> RunCompletion(const std::string& what, const std::string& verb,
                                  Invocation& invocation) {
  if (what == "bash") {
    invocation.Print(kBash);
    return 0;
  }
  if (what == "words") {
    std::string words;
    for (const std::string& word : CompletionWords(verb)) words += word + "\n";
    invocation.Print(words);
    return 0;
  }
  return absl::InvalidArgumentError(
      what.empty() ? "for which shell? Write: berth completion bash"
                   : "\"" + what + "\" is no shell that is known: write berth completion bash");
}

}  // namespace

Action AddCompletion(CLI::App& app) {
  struct Flags {
    std::string what;
    std::string verb;
  };
  const auto flags = std::make_shared<Flags>();
  app.add_option("SHELL", flags->what, "bash");
  app.add_option("VERB", flags->verb, "For `words`: the verb whose flags are listed");
  return [flags](Invocation& invocation) {
    return RunCompletion(flags->what, flags->verb, invocation);
  };
}

}  // namespace berth::cli
