// berth logs: what tasks wrote.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/quantities.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cli/commands/commands.h"
#include "cli/patience.h"
#include "cli/rpc_status.h"

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

// Shows one task's output: as it is, or each line behind a prefix, or kept for a document.
class OutputReader {
 public:
  // `record`: where output is kept instead of being printed, or null.
  OutputReader(Invocation& invocation, Client& client, std::string prefix,
               std::array<std::string, 2>* record)
      : invocation_(invocation), client_(client), prefix_(std::move(prefix)), record_(record) {}

  // Reads to the end. While it follows, a berthd that goes away is waited for, for a minute, and
  // nothing is shown twice. REQUIRES: to follow, berthd has been reached before.
  absl::Status Read(v1::LogsRequest request) {
    Patience patience(*invocation_.process().clock);
    while (true) {
      heard_ = false;
      const absl::Status status = ReadLeg(request);
      if (status.ok() || !request.follow() || !IsPassing(status)) {
        FlushPartialLines();
        return status;
      }
      // Where it goes on is known by the offsets now.
      if (next_[0] + next_[1] > 0) request.clear_tail_bytes();
      if (heard_) patience.Renew();
      patience.Miss();
      if (patience.IsOver()) return status;
      std::this_thread::sleep_for(kRetryPause);
    }
  }

 private:
  absl::Status ReadLeg(const v1::LogsRequest& request) {
    grpc::ClientContext context;
    client_.SetLogsDeadline(context);
    const auto stream = client_.jobs().Logs(&context, request);
    v1::LogsResponse response;
    while (stream->Read(&response)) {
      heard_ = true;
      Show(response);
      if (invocation_.process().out->failed()) context.TryCancel();
    }
    const grpc::Status status = stream->Finish();
    if (status.ok() || invocation_.process().out->failed()) return absl::OkStatus();
    return client_.Explain(status);
  }

  void Show(const v1::LogsResponse& response) {
    const std::size_t which = response.stream() == v1::OUTPUT_STREAM_STDERR ? 1 : 0;
    std::string_view bytes = response.data();
    const int64_t shown = std::max<int64_t>(next_[which] - response.offset(), 0);
    if (shown >= static_cast<int64_t>(bytes.size())) return;
    bytes.remove_prefix(static_cast<std::size_t>(shown));
    next_[which] = response.offset() + static_cast<int64_t>(response.data().size());
    if (record_ != nullptr) {
      (*record_)[which] += bytes;
    } else if (prefix_.empty()) {
      SinkOf(which).Write(bytes);
    } else {
      std::string& rest = partial_[which];
      rest += bytes;
      std::string whole;
      for (std::size_t end = rest.find('\n'); end != std::string::npos; end = rest.find('\n')) {
        whole += prefix_ + rest.substr(0, end + 1);
        rest.erase(0, end + 1);
      }
      SinkOf(which).Write(whole);
    }
  }

  void FlushPartialLines() {
    for (const std::size_t which : {0, 1}) {
      if (!partial_[which].empty()) SinkOf(which).Write(prefix_ + partial_[which] + "\n");
      partial_[which].clear();
    }
  }

  ByteSink& SinkOf(std::size_t which) const {
    return which == 1 ? *invocation_.process().err : *invocation_.process().out;
  }

  Invocation& invocation_;
  Client& client_;
  const std::string prefix_;
  std::array<std::string, 2>* const record_;
  // Whether this leg of the stream has brought anything.
  bool heard_ = false;
  // Next byte wanted of standard output and of standard error.
  std::array<int64_t, 2> next_ = {0, 0};
  // Their unfinished lines.
  std::array<std::string, 2> partial_;
};

// Whether there is such a task, so that one that is not there, or a berthd that is not, is told
// from one that went away.
absl::Status CheckTask(Client& client, const std::string& id) {
  v1::GetTaskRequest request;
  request.set_task_id(id.substr(0, id.find('#')));
  return client.Call(client.jobs(), &v1::JobService::Stub::GetTask, request).status();
}

absl::StatusOr<int> Run(const Flags& flags, Invocation& invocation) {
  BERTH_RETURN_IF_ERROR(invocation.RefuseNameFormat("logs"));
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
    std::array<std::string, 2> record;
    const std::string prefix = ids.size() > 1 ? id + ": " : "";
    if (flags.follow) BERTH_RETURN_IF_ERROR(CheckTask(*client, id));
    OutputReader reader(invocation, *client, prefix,
                        invocation.wants_document() ? &record : nullptr);
    BERTH_RETURN_IF_ERROR(reader.Read(request));
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
