#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/client.h"
#include "cli/process.h"
#include "cli/selector.h"
#include "yaml/value.h"

namespace berth::cli {

enum class OutputFormat { kTable, kWide, kJson, kYaml, kName };

// What every command takes.
struct GlobalFlags {
  std::string server;
  OutputFormat format = OutputFormat::kTable;
  // Names alone where something is listed; nothing but the task's output of `run`.
  bool quiet = false;
  // Empty: the server's default.
  std::string name_space;
  absl::Duration request_timeout = absl::Seconds(15);
};

// One run of the program, as a command sees it.
//
// Threading: one thread.
class Invocation {
 public:
  // `command`: the words after "--"; empty when there was none.
  Invocation(const Process& process, GlobalFlags flags,
             std::optional<std::vector<std::string>> command)
      : process_(process), flags_(std::move(flags)), command_(std::move(command)) {}

  const Process& process() const { return process_; }
  const GlobalFlags& flags() const { return flags_; }
  const std::optional<std::vector<std::string>>& command() const { return command_; }

  // berthd. The first call makes the channel; nothing is dialled yet. InvalidArgument: the address.
  absl::StatusOr<Client*> client();

  // JSON or YAML is asked for: one document on standard output, errors included.
  bool wants_document() const {
    return flags_.format == OutputFormat::kJson || flags_.format == OutputFormat::kYaml;
  }
  bool wide() const { return flags_.format == OutputFormat::kWide; }
  // Only names: -o name, or -q.
  bool wants_names() const { return flags_.format == OutputFormat::kName || flags_.quiet; }

  // InvalidArgument when -o name was given to a command that has no names to print: "explain".
  absl::Status RefuseNameFormat(std::string_view command) const;

  void Print(std::string_view text) { process_.out->Write(text); }
  void PrintError(std::string_view text) { process_.err->Write(text); }
  // In the format that was asked for.
  void PrintDocument(const yaml::Value& value);

  // Reports a failed command: {"error": {...}} on standard output when a document is asked for,
  // else a line on standard error.
  void PrintFailure(const absl::Status& status);

  // Replaces "last" by the id of the newest job: of one's own when the connection says whose one
  // is, else of all. NotFound when there is none. Calls the server only when "last" is there.
  absl::Status ResolveLast(std::vector<Selector>& selectors);

 private:
  const Process& process_;
  const GlobalFlags flags_;
  const std::optional<std::vector<std::string>> command_;
  std::unique_ptr<Client> client_;
};

// What a command does; its result is the exit code.
using Action = std::function<absl::StatusOr<int>(Invocation&)>;

}  // namespace berth::cli
