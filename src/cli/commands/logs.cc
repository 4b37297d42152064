// berth logs: what tasks wrote.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/quantities.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/log_follower.h"
#include "cli/log_printer.h"
#include "cli/log_reader.h"

namespace berth::cli {
namespace {

struct LogsFlags {
  std::vector<std::string> ids;
  bool follow = false;
  bool only_stdout = false;
  bool only_stderr = false;
  bool previous = false;
  bool timestamps = false;
  bool prefix = false;
  bool no_prefix = false;  // neither: with several tasks
  std::string tail;
};

// All tasks of a job, `most` of them at the most: one more tells that there are more.
absl::StatusOr<std::vector<v1::Task>> ListTasks(Client& client, const std::string& job,
                                                std::size_t most) {
  std::vector<v1::Task> tasks;
  v1::ListTasksRequest request;
  request.set_job_id(job);
  request.set_page_size(1000);
  while (true) {
    BERTH_ASSIGN_OR_RETURN(const v1::ListTasksResponse page,
                           client.Call(client.jobs(), &v1::JobService::Stub::ListTasks, request));
    for (const v1::Task& task : page.tasks()) {
      tasks.push_back(task);
      if (tasks.size() > most) return tasks;
    }
    if (page.next_page_token().empty()) return tasks;
    request.set_page_token(page.next_page_token());
  }
}

// Tasks whose output is asked for. A job of several tasks stands for all of them.
absl::StatusOr<std::vector<std::string>> Expand(Client& client,
                                                const std::vector<Selector>& selectors) {
  std::vector<std::string> ids;
  for (const Selector& selector : selectors) {
    if (selector.is_task() || selector.names_attempt()) {
      ids.push_back(selector.id);
      continue;
    }
    BERTH_ASSIGN_OR_RETURN(const std::vector<v1::Task> tasks,
                           ListTasks(client, selector.id, SIZE_MAX - 1));
    const std::size_t before = ids.size();
    for (const v1::Task& task : tasks) {
      if (task.has_attempt()) ids.push_back(task.id());
    }
    if (ids.size() == before) {
      return absl::NotFoundError("no task of job " + selector.id +
                                 " has started yet; see 'berth explain " + selector.id + "'");
    }
  }
  return ids;
}

absl::Status TooMany(const std::string& what) {
  return absl::InvalidArgumentError(
      what + ": at most " + std::to_string(LogFollower::kMostTasks) +
      " tasks are followed at once; name those that you mean, as in 'berth logs -f 12.0-9', or "
      "leave out -f to read them one after another");
}

// Whether there is such a task, so that one that is not there, or a berthd that is not, is told
// from one that went away.
absl::Status CheckTask(Client& client, const std::string& id) {
  v1::GetTaskRequest request;
  request.set_task_id(id.substr(0, id.find('#')));
  return client.Call(client.jobs(), &v1::JobService::Stub::GetTask, request).status();
}

LogPrinter::Style StyleOf(const LogsFlags& flags, bool several) {
  return {.prefix = flags.prefix || (several && !flags.no_prefix), .timestamps = flags.timestamps};
}

int ExitCode(const Invocation& invocation) {
  return invocation.process().out->failed() ? kExitBrokenPipe : 0;
}

absl::StatusOr<int> PrintDocument(Invocation& invocation, Client& client,
                                  const std::vector<std::string>& ids, v1::LogsRequest request) {
  yaml::Value::List documents;
  for (const std::string& id : ids) {
    request.set_id(id);
    std::array<std::string, 2> record;
    yaml::Value::List notices;
    LogReader reader(client, *invocation.process().clock, [&](LogPiece piece) {
      record[piece.is_stderr] += piece.data;
      if (!piece.notice.empty()) notices.push_back(yaml::Value::String(piece.notice));
      return true;
    });
    BERTH_RETURN_IF_ERROR(reader.Read(request));
    yaml::Value document;
    document.Set("id", yaml::Value::String(id));
    document.Set("stdout", yaml::Value::String(record[0]));
    document.Set("stderr", yaml::Value::String(record[1]));
    if (!notices.empty()) document.Set("notices", yaml::Value::Sequence(std::move(notices)));
    documents.push_back(std::move(document));
  }
  invocation.PrintDocument(documents.size() == 1 ? documents[0]
                                                 : yaml::Value::Sequence(std::move(documents)));
  return 0;
}

absl::StatusOr<int> RunLogs(const LogsFlags& flags, Invocation& invocation) {
  BERTH_RETURN_IF_ERROR(invocation.RefuseNameFormat("logs"));
  if (flags.ids.empty()) {
    return absl::InvalidArgumentError(
        "whose output? Name a task or a job, as in: berth logs 12.3, "
        "or: berth logs last");
  }
  if (flags.only_stdout && flags.only_stderr) {
    return absl::InvalidArgumentError("--stdout and --stderr: give one, or none for both");
  }
  if (flags.prefix && flags.no_prefix) {
    return absl::InvalidArgumentError("--prefix and --no-prefix: give one");
  }
  v1::LogsRequest request;
  request.set_follow(flags.follow);
  request.set_previous(flags.previous);
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
  if (flags.follow && !invocation.wants_document() && selectors.size() == 1 &&
      !selectors[0].is_task() && !selectors[0].names_attempt()) {
    const std::string& job = selectors[0].id;
    BERTH_ASSIGN_OR_RETURN(const std::vector<v1::Task> tasks,
                           ListTasks(*client, job, LogFollower::kMostTasks));
    if (tasks.size() > static_cast<std::size_t>(LogFollower::kMostTasks)) {
      return TooMany("job " + job + " has more than " + std::to_string(LogFollower::kMostTasks));
    }
    if (tasks.size() > 1) {
      LogFollower follower(invocation.process(), *client, StyleOf(flags, true), request);
      follower.AddJob(job);
      BERTH_RETURN_IF_ERROR(follower.Run());
      return ExitCode(invocation);
    }
  }
  BERTH_ASSIGN_OR_RETURN(const std::vector<std::string> ids, Expand(*client, selectors));
  if (flags.follow) {
    for (const std::string& id : ids) BERTH_RETURN_IF_ERROR(CheckTask(*client, id));
  }
  if (invocation.wants_document()) return PrintDocument(invocation, *client, ids, request);
  const auto most = static_cast<std::size_t>(LogFollower::kMostTasks);
  if (flags.follow && ids.size() > most) return TooMany("these are " + std::to_string(ids.size()));
  // More than can be read at once come one after another.
  const std::size_t at_once = ids.size() > most ? 1 : ids.size();
  for (std::size_t at = 0; at < ids.size(); at += at_once) {
    LogFollower follower(invocation.process(), *client, StyleOf(flags, ids.size() > 1), request);
    for (std::size_t i = at; i < at + at_once; ++i) follower.Add(ids[i]);
    BERTH_RETURN_IF_ERROR(follower.Run());
    if (invocation.process().out->failed()) break;
  }
  return ExitCode(invocation);
}

}  // namespace

Action AddLogs(CLI::App& app) {
  const auto flags = std::make_shared<LogsFlags>();
  app.add_option("ID", flags->ids, "Tasks (12.3), attempts (12.3#1) or jobs (12); last");
  app.add_flag("-f,--follow", flags->follow,
               "Go on until the task ends; of a job of several tasks, until the job does");
  app.add_flag("-p,--previous", flags->previous,
               "Of the attempt before the last one, or before the one that is named");
  app.add_flag("--stdout", flags->only_stdout, "Only standard output");
  app.add_flag("--stderr", flags->only_stderr, "Only standard error");
  app.add_flag("--timestamps", flags->timestamps,
               "Before each line when its node saw it written, to about a second");
  app.add_flag("--prefix", flags->prefix,
               "Before each line its task; with several tasks it is there anyway");
  app.add_flag("--no-prefix", flags->no_prefix, "Never");
  app.add_option("--tail", flags->tail, "Only the last bytes of each stream: 1000, 64Ki")
      ->type_name("BYTES");
  return [flags](Invocation& invocation) { return RunLogs(*flags, invocation); };
}

}  // namespace berth::cli
