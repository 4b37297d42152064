#include "cli/berth_cli.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/did_you_mean.h"
#include "base/quantities.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/invocation.h"
#include "cli/output/terminal_text.h"
#include "cli/rpc_status.h"

namespace berth::cli {
namespace {

constexpr char kDefaultServer[] = "unix:/run/berth/berthd.sock";
// A number of arguments that no person types, and no list in them needs.
constexpr std::size_t kMostQuoted = 100;

struct Verb {
  std::string_view name;
  const char* summary;
  Action (*add)(CLI::App&);
  // Words after "--" are its command.
  bool takes_command;
};

constexpr std::array<Verb, 20> kVerbs = {{
    {"run", "Run a command on the cluster, follow it, and end as it ends", AddRun, true},
    {"submit", "Submit a job file or a command, and return", AddSubmit, true},
    {"plan", "Say where a job's tasks would go now, without submitting it", AddPlan, true},
    {"get", "List jobs, tasks or nodes", AddGet, false},
    {"describe", "Show all there is to know about a job, a task or a node", AddDescribe, false},
    {"explain", "Say why a task is where it is, or is nowhere", AddExplain, false},
    {"logs", "Print what tasks wrote", AddLogs, false},
    {"exec", "Run a command beside a running task", AddExec, true},
    {"attach", "Type into a running task, and see what it writes", AddAttach, false},
    {"cp", "Copy files to or from a task", AddCp, false},
    {"port-forward", "Reach a port of a running task from here", AddPortForward, false},
    {"wait", "Wait until jobs or tasks have ended", AddWait, false},
    {"cancel", "Ask that jobs or tasks end", AddCancel, false},
    {"cordon", "Give a node no new tasks", AddCordon, false},
    {"uncordon", "Give a node new tasks again", AddUncordon, false},
    {"node", "Say what is wrong with a node", AddNode, false},
    {"features", "Show what is thought of a job, and how well it is read", AddFeatures, false},
    {"admin", "Save, inspect or restore the state of the cluster", AddAdmin, false},
    {"version", "Print the versions of this program and of berthd", AddVersion, false},
    {"completion", "Print a completion script for bash", AddCompletion, false},
}};

constexpr std::string_view kExamples = R"(
Examples:
  berth run --cpu 1 -- python3 -c 'print(6*7)'
  berth submit --array 0-99 -- ./square.sh
  berth wait 2
  berth logs 2.7
  berth explain last
)";

constexpr std::string_view kFlagsOfAll =
    "\nEvery command takes --server, -o, -q, -n and --request-timeout, too: see 'berth --help'.\n";

constexpr std::string_view kExitCodes = R"(
Exit codes: 0 ok; 1 the answer is no; 2 usage; 3 not found; 4 not allowed; 5 unavailable; 124 `wait`
timed out. `run` ends with the task's own code, or 125 when Berth failed before it ran.)";

constexpr std::array<std::pair<std::string_view, OutputFormat>, 5> kFormats = {{
    {"table", OutputFormat::kTable},
    {"wide", OutputFormat::kWide},
    {"json", OutputFormat::kJson},
    {"yaml", OutputFormat::kYaml},
    {"name", OutputFormat::kName},
}};

// The flags of every verb, as they were typed.
struct TypedGlobals {
  std::string server;
  std::string output;
  std::string name_space;
  std::string request_timeout;
  bool quiet = false;
};

void AddGlobals(CLI::App& app, TypedGlobals& typed) {
  app.add_option("--server", typed.server,
                 "berthd's address, unix:/path or host:port; BERTH_SERVER by default")
      ->type_name("ADDRESS");
  app.add_option("-o,--output", typed.output, "table, wide, json, yaml or name")
      ->type_name("FORMAT");
  app.add_flag("-q,--quiet", typed.quiet, "Ids alone; of `run`, nothing but the task's output");
  app.add_option("-n,--namespace", typed.name_space, "Whose things are meant")->type_name("NAME");
  app.add_option("--request-timeout", typed.request_timeout,
                 "How long one request may take; 15s by default")
      ->type_name("DURATION");
}

std::string QuoteArgument(std::string_view text) {
  std::string quoted = TerminalText(text.substr(0, kMostQuoted));
  if (text.size() > kMostQuoted) quoted += "...";
  return "\"" + quoted + "\"";
}

absl::Status Usage(const std::string& message) { return absl::InvalidArgumentError(message); }

absl::StatusOr<OutputFormat> ParseFormat(const std::string& text) {
  std::array<std::string_view, kFormats.size()> names;
  for (std::size_t i = 0; i < kFormats.size(); ++i) {
    if (kFormats[i].first == text) return kFormats[i].second;
    names[i] = kFormats[i].first;
  }
  return Usage("--output: " + QuoteArgument(text) + " is no format" +
               base::DidYouMean(text, names) + ": write table, wide, json, yaml or name");
}

absl::StatusOr<GlobalFlags> CheckGlobals(const TypedGlobals& typed, const Process& process) {
  GlobalFlags flags;
  flags.server = typed.server;
  if (flags.server.empty()) flags.server = process.environment("BERTH_SERVER").value_or("");
  if (flags.server.empty()) flags.server = kDefaultServer;
  flags.quiet = typed.quiet;
  flags.name_space = typed.name_space;
  if (!typed.output.empty()) {
    BERTH_ASSIGN_OR_RETURN(flags.format, ParseFormat(typed.output));
  }
  if (!typed.request_timeout.empty()) {
    const auto timeout = base::ParseDuration(typed.request_timeout);
    if (!timeout.ok()) {
      return Usage("--request-timeout: " + base::S(timeout.status().message()));
    }
    if (*timeout < absl::Milliseconds(1) || *timeout > absl::Hours(24)) {
      return Usage("--request-timeout: " + QuoteArgument(typed.request_timeout) +
                   " is out of range: from 1ms to 24h");
    }
    flags.request_timeout = *timeout;
  }
  return flags;
}

// The long and short names of an app's flags, with their dashes.
std::vector<std::string> FlagNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

// The verb that was named, or the verb within it: "snapshot save" of "admin".
const CLI::App& Innermost(const CLI::App& verb) {
  const CLI::App* app = &verb;
  for (auto named = app->get_subcommands(); !named.empty(); named = app->get_subcommands()) {
    app = named.front();
  }
  return *app;
}

// "berth admin snapshot"
std::string WordsOf(const CLI::App& app) {
  const CLI::App* const parent = app.get_parent();
  return parent == nullptr ? app.get_name() : WordsOf(*parent) + " " + app.get_name();
}

// What to say of an argument that no flag or operand took.
absl::Status Unexpected(const std::string& argument, const CLI::App& app, const CLI::App& sub,
                        const Verb& verb) {
  if (argument.size() > 1 && argument[0] == '-') {
    const std::string name = argument.substr(0, argument.find('='));
    std::vector<std::string> known = FlagNames(sub);
    for (std::string& global : FlagNames(app)) known.push_back(std::move(global));
    std::vector<std::string_view> views;
    for (const std::string& each : known) {
      if (each.starts_with("--")) views.emplace_back(each);
    }
    std::string message = "unknown flag " + QuoteArgument(name) + base::DidYouMean(name, views) +
                          "; see '" + WordsOf(sub) + " --help'";
    if (verb.takes_command) message += "; what belongs to the command goes after \"--\"";
    return Usage(message);
  }
  if (verb.takes_command) {
    return Usage("unexpected argument " + QuoteArgument(argument) +
                 ": the command goes after \"--\", as in: berth " + std::string(verb.name) +
                 " -- " + TerminalText(argument.substr(0, kMostQuoted)));
  }
  std::vector<std::string_view> verbs;
  const std::vector<const CLI::App*> within =
      sub.get_subcommands([](const CLI::App* each) { return each != nullptr; });
  for (const CLI::App* const each : within) verbs.emplace_back(each->get_name());
  return Usage("unexpected argument " + QuoteArgument(argument) +
               base::DidYouMean(argument, verbs) + "; see '" + WordsOf(sub) + " --help'");
}

// One argument of ours, checked before the parser sees it.
absl::Status CheckArgument(const std::string& argument, std::size_t position) {
  if (!base::IsValidUtf8(argument)) {
    return Usage("argument " + std::to_string(position) + ", " + QuoteArgument(argument) +
                 ", is not valid UTF-8");
  }
  return absl::OkStatus();
}

// An empty value means "not given" further on, so it must not be given.
absl::Status CheckValues(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& value : option->results()) {
      if (value.empty()) return Usage(option->get_name() + " has an empty value");
    }
  }
  return absl::OkStatus();
}

// "node" is a verb, and what `get` and `describe` are asked about.
bool IsOperand(const Verb& verb, const std::vector<std::string>& arguments) {
  if (verb.name != "node") return false;
  const auto node = std::find(arguments.begin(), arguments.end(), verb.name);
  return std::any_of(arguments.begin(), node, [](const std::string& argument) {
    return std::any_of(kVerbs.begin(), kVerbs.end(),
                       [&](const Verb& each) { return each.name == argument; });
  });
}

// The program's parser, with the verbs that are named in the arguments filled in. Filling in all of
// them would cost more than the rest of the start.
struct Parser {
  explicit Parser(const std::vector<std::string>& arguments) {
    app.fallthrough();
    app.allow_extras();
    app.footer(std::string(kExamples).append(kExitCodes));
    AddGlobals(app, globals);
    for (std::size_t i = 0; i < kVerbs.size(); ++i) {
      const Verb& verb = kVerbs[i];
      subs[i] = app.add_subcommand(std::string(verb.name), verb.summary);
      subs[i]->allow_extras();
      subs[i]->footer(std::string(kFlagsOfAll).append(kExitCodes));
      if (IsOperand(verb, arguments)) subs[i]->disabled();
      if (std::find(arguments.begin(), arguments.end(), verb.name) != arguments.end()) {
        actions[i] = verb.add(*subs[i]);
      }
    }
  }

  // "berth run", or "berth" before a verb was found.
  std::string CommandLine() const {
    for (std::size_t i = 0; i < kVerbs.size(); ++i) {
      if (subs[i]->parsed() || actions[i]) return "berth " + std::string(kVerbs[i].name);
    }
    return "berth";
  }

  CLI::App app{"Places work on a cluster of machines.", "berth"};
  TypedGlobals globals;
  std::array<CLI::App*, kVerbs.size()> subs = {};
  std::array<Action, kVerbs.size()> actions;
};

// What the parser refused, in our words: it says "--cpu: 1 required AMOUNT missing".
std::string ParserTrouble(const std::string& what) {
  const std::string option = what.substr(0, what.find(':'));
  if (what.find("required") != std::string::npos && what.find("missing") != std::string::npos) {
    return option + " needs a value";
  }
  if (what.find("At Most 1") != std::string::npos) return option + " is given more than once";
  return TerminalText(what);
}

absl::StatusOr<int> Execute(const std::vector<std::string>& arguments, const Process& process,
                            std::optional<GlobalFlags>& flags) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    BERTH_RETURN_IF_ERROR(CheckArgument(arguments[i], i + 1));
  }
  // Our own words end at the first "--", whatever follows.
  const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
  const std::vector<std::string> own(arguments.begin(), dashes);
  std::optional<std::vector<std::string>> command;
  if (dashes != arguments.end()) command.emplace(dashes + 1, arguments.end());
  for (const std::string& argument : own) {
    // The parser would take the next argument for the value.
    if (argument.starts_with("--") && argument.ends_with('=') &&
        std::count(argument.begin(), argument.end(), '=') == 1) {
      return Usage(QuoteArgument(argument) + " has no value");
    }
  }

  Parser parser(own);
  try {
    // The parser takes them from the end.
    parser.app.parse(std::vector<std::string>(own.rbegin(), own.rend()));
  } catch (const CLI::CallForHelp&) {
    process.out->Write(parser.app.help());
    return 0;
  } catch (const CLI::ParseError& error) {
    flags = CheckGlobals(parser.globals, process).value_or(GlobalFlags());
    return Usage(ParserTrouble(error.what()) + "; see '" + parser.CommandLine() + " --help'");
  }
  BERTH_ASSIGN_OR_RETURN(flags, CheckGlobals(parser.globals, process));

  for (std::size_t i = 0; i < kVerbs.size(); ++i) {
    if (!parser.subs[i]->parsed()) continue;
    const Verb& verb = kVerbs[i];
    const std::vector<std::string> extra = parser.app.remaining(true);
    BERTH_RETURN_IF_ERROR(CheckValues(parser.app));
    const CLI::App& named = Innermost(*parser.subs[i]);
    BERTH_RETURN_IF_ERROR(CheckValues(named));
    if (!extra.empty()) return Unexpected(extra[0], parser.app, named, verb);
    if (command && !verb.takes_command) {
      return Usage("berth " + std::string(verb.name) + " takes no command after \"--\"");
    }
    Invocation invocation(process, *flags, std::move(command));
    return parser.actions[i](invocation);
  }

  const std::vector<std::string> extra = parser.app.remaining();
  if (extra.empty()) {
    process.err->Write(parser.app.help());
    return kExitUsage;
  }
  std::array<std::string_view, kVerbs.size()> names;
  for (std::size_t i = 0; i < kVerbs.size(); ++i) names[i] = kVerbs[i].name;
  const bool flag = extra[0].size() > 1 && extra[0][0] == '-';
  return Usage((flag ? "unknown flag " : "unknown command ") + QuoteArgument(extra[0]) +
               (flag ? "" : base::DidYouMean(extra[0], names)) + "; see 'berth --help'");
}

}  // namespace

std::vector<std::string> CompletionWords(const std::string& verb) {
  std::vector<std::string> words;
  Parser parser({verb});
  if (verb == "get") words = {"jobs", "tasks", "nodes"};
  for (std::size_t i = 0; i < kVerbs.size(); ++i) {
    if (verb.empty()) words.emplace_back(kVerbs[i].name);
    if (kVerbs[i].name != verb) continue;
    for (std::string& name : FlagNames(*parser.subs[i])) {
      if (name.starts_with("--")) words.push_back(std::move(name));
    }
  }
  for (std::string& name : FlagNames(parser.app)) {
    if (name.starts_with("--") && name != "--help") words.push_back(std::move(name));
  }
  return words;
}

int RunBerthCli(const std::vector<std::string>& arguments, const Process& process) {
  std::optional<GlobalFlags> flags;
  const absl::StatusOr<int> result = Execute(arguments, process, flags);
  if (result.ok()) return *result;
  const GlobalFlags known = flags.value_or(GlobalFlags());
  Invocation invocation(process, known, std::nullopt);
  invocation.PrintFailure(result.status());
  return ExitCodeOf(result.status());
}

}  // namespace berth::cli
