// berth logs: what tasks wrote.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/quantities.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cli/commands/commands.h"

namespace berth::cli {
namespace {

constexpr int kExitBrokenPipe = 141;  // 128 + SIGPIPE

struct Flags {
  std::vector<std::string> ids;
  bool follow = false;
  bool only_stdout = false;
  bool only_stderr = false;
  std::string tail;
};

// Tasks whose output is asked for. A job of several tasks stands for all of them.
absl::StatusOr<std::vector<std::string>> Expand(Client& client,
                                                const std::vector<Selector>& selectors) {
  std::vector<std::string> ids;
  for (const Selector& selector : selectors) {
    if (selector.is_task() || selector.names_attempt()) {
      ids.push_back(selector.id);
      continue;
    }
    v1::ListTasksRequest request;
    request.set_job_id(selector.id);
    request.set_page_size(1000);
    const std::size_t before = ids.size();
    while (true) {
      BERTH_ASSIGN_OR_RETURN(const v1::ListTasksResponse page,
                             client.Call(client.jobs(), &v1::JobService::Stub::ListTasks, request));
      for (const v1::Task& task : page.tasks()) {
        if (task.has_attempt()) ids.push_back(task.id());
      }
      if (page.next_page_token().empty()) break;
      request.set_page_token(page.next_page_token());
    }
    if (ids.size() == before) {
      return absl::NotFoundError("no task of job " + selector.id +
                                 " has started yet; see 'berth explain " + selector.id + "'");
    }
  }
  return ids;
}

// Prints one task's output, each line behind `prefix` when there is one; or keeps it in `record`.
absl::Status Show(Invocation& invocation, Client& client, const v1::LogsRequest& request,
                  const std::string& prefix, std::string (*record)[2]) {
  grpc::ClientContext context;
  client.SetLogsDeadline(context);
  const auto stream = client.jobs().Logs(&context, request);
  v1::LogsResponse response;
  std::string partial[2];
  while (stream->Read(&response)) {
    const std::size_t which = response.stream() == v1::OUTPUT_STREAM_STDERR ? 1 : 0;
    ByteSink& sink = which == 1 ? *invocation.process().err : *invocation.process().out;
    if (record != nullptr) {
      (*record)[which] += response.data();
    } else if (prefix.empty()) {
      sink.Write(response.data());
    } else {
      std::string& rest = partial[which];
      rest += response.data();
      std::string whole;
      for (std::size_t end = rest.find('\n'); end != std::string::npos; end = rest.find('\n')) {
        whole += prefix + rest.substr(0, end + 1);
        rest.erase(0, end + 1);
      }
      sink.Write(whole);
    }
    if (invocation.process().out->failed()) context.TryCancel();
  }
  if (!partial[0].empty()) invocation.Print(prefix + partial[0] + "\n");
  if (!partial[1].empty()) invocation.PrintError(prefix + partial[1] + "\n");
  const grpc::Status status = stream->Finish();
  if (status.ok() || invocation.process().out->failed()) return absl::OkStatus();
  return client.Explain(status);
}

absl::StatusOr<int> Run(const Flags& flags, Invocation& invocation) {
  if (flags.ids.empty()) {
    return absl::InvalidArgumentError(
        "whose output? Name a task or a job, as in: berth logs 12.3, "
        "or: berth logs last");
  }
  if (flags.only_stdout && flags.only_stderr) {
    return absl::InvalidArgumentError("--stdout and --stderr: give one, or none for both");
  }
  v1::LogsRequest request;
  request.set_follow(flags.follow);
  if (flags.only_stdout) request.set_stream(v1::OUTPUT_STREAM_STDOUT);
  if (flags.only_stderr) request.set_stream(v1::OUTPUT_STREAM_STDERR);
  if (!flags.tail.empty()) {
    // A bare number is bytes here: it counts, it does not reserve.
    auto tail = base::ParseCount(flags.tail, 0, INT64_MAX);
    if (!tail.ok()) tail = base::ParseBytes(flags.tail);
    if (!tail.ok()) {
      return absl::InvalidArgumentError("--tail: " + base::S(tail.status().message()));
    }
    request.set_tail_bytes(*tail);
  }
  BERTH_ASSIGN_OR_RETURN(std::vector<Selector> selectors, ParseSelectors(flags.ids));
  BERTH_RETURN_IF_ERROR(invocation.ResolveLast(selectors));
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  BERTH_ASSIGN_OR_RETURN(const std::vector<std::string> ids, Expand(*client, selectors));

  yaml::Value::List documents;
  for (const std::string& id : ids) {
    request.set_id(id);
    std::string record[2];
    const std::string prefix = ids.size() > 1 ? id + ": " : "";
    BERTH_RETURN_IF_ERROR(Show(invocation, *client, request, prefix,
                               invocation.wants_document() ? &record : nullptr));
    if (invocation.process().out->failed()) return kExitBrokenPipe;
    if (!invocation.wants_document()) continue;
    yaml::Value document;
    document.Set("id", yaml::Value::String(id));
    document.Set("stdout", yaml::Value::String(record[0]));
    document.Set("stderr", yaml::Value::String(record[1]));
    documents.push_back(std::move(document));
  }
  if (invocation.wants_document()) {
    invocation.PrintDocument(documents.size() == 1 ? documents[0]
                                                   : yaml::Value::Sequence(std::move(documents)));
  }
  return 0;
}

}  // namespace

Action AddLogs(CLI::App& app) {
  const auto flags = std::make_shared<Flags>();
  app.add_option("ID", flags->ids, "Tasks (12.3), attempts (12.3#1) or jobs (12); last");
  app.add_flag("-f,--follow", flags->follow, "Go on until the task ends");
  app.add_flag("--stdout", flags->only_stdout, "Only standard output");
  app.add_flag("--stderr", flags->only_stderr, "Only standard error");
  app.add_option("--tail", flags->tail, "Only the last bytes of each stream: 1000, 64Ki")
      ->type_name("BYTES");
  return [flags](Invocation& invocation) { return Run(*flags, invocation); };
}

}  // namespace berth::cli
