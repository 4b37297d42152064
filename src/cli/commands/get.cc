// berth get: tables of jobs, tasks and nodes.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/did_you_mean.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/names.h"
#include "cli/output/message_value.h"
#include "cli/output/rows.h"
#include "cli/output/table.h"
#include "cli/output/terminal_text.h"
#include "cli/patience.h"
#include "yaml/write.h"

namespace berth::cli {
namespace {

struct GetFlags {
  std::string what;
  std::vector<std::string> ids;
  std::string job;
  std::vector<std::string> states;
  bool watch = false;
  bool no_headers = false;
};

// How one kind of thing is fetched and shown.
template <typename T>
struct Kind {
  const char* prefix;  // of -o name
  v1::ObjectKind object;
  std::vector<std::string> (*headers)(bool wide);
  std::vector<std::string> (*cells)(const T&, bool wide, int64_t now_unix_ms);
  std::function<std::string(const T&)> id;
  // The object of a watch event, or null when it is of another kind.
  std::function<const T*(const v1::WatchEvent&)> of_event;
  // Whether the flags ask for it.
  std::function<bool(const T&)> wanted;
  // Everything that is asked for, and the epoch from which a watch goes on.
  std::function<absl::Status(std::vector<T>& things, uint64_t& epoch)> list;
};

// Prints things as they come: a table's rows, names, or documents.
template <typename T>
class Printer {
 public:
  Printer(Invocation& invocation, const GetFlags& flags, const Kind<T>& kind)
      : invocation_(invocation), flags_(flags), kind_(kind) {}

  void Print(const std::vector<T>& things, bool first) {
    if (invocation_.wants_names()) {
      for (const T& thing : things) {
        const std::string id = TerminalText(kind_.id(thing));
        invocation_.Print((invocation_.flags().quiet ? "" : std::string(kind_.prefix)) + id + "\n");
      }
      return;
    }
    if (flags_.watch && invocation_.wants_document()) {
      // One document a change: a line of JSON, or a YAML document.
      for (const T& thing : things) {
        const yaml::Value value = MessageToValue(thing);
        invocation_.Print(invocation_.flags().format == OutputFormat::kJson
                              ? yaml::WriteJson(value) + "\n"
                              : "---\n" + yaml::WriteYaml(value));
      }
      return;
    }
    if (invocation_.wants_document()) {
      yaml::Value::List items;
      for (const T& thing : things) items.push_back(MessageToValue(thing));
      if (!flags_.ids.empty() && items.size() == 1) {
        invocation_.PrintDocument(items[0]);
        return;
      }
      yaml::Value list;
      list.Set("items", yaml::Value::Sequence(std::move(items)));
      invocation_.PrintDocument(list);
      return;
    }
    const int64_t now_unix_ms = invocation_.process().clock->WallMs();
    Table table(kind_.headers(invocation_.wide()));
    for (const T& thing : things) {
      table.AddRow(kind_.cells(thing, invocation_.wide(), now_unix_ms));
    }
    invocation_.Print(table.Text(widths_, first && !flags_.no_headers));
  }

 private:
  Invocation& invocation_;
  const GetFlags& flags_;
  const Kind<T>& kind_;
  std::vector<std::size_t> widths_;
};

// Prints what changes after `epoch` until the stream ends for good. OutOfRange: what changed since
// is no longer kept.
template <typename T>
absl::StatusOr<int> Watch(Invocation& invocation, Client& client, const GetFlags& flags,
                          const Kind<T>& kind, uint64_t epoch, Printer<T>& printer) {
  int silent_legs = 0;
  while (true) {
    grpc::ClientContext context;
    client.SetWatchDeadline(context);
    v1::WatchRequest request;
    request.add_kinds(kind.object);
    request.set_job_id(flags.job);
    request.set_namespace_(invocation.flags().name_space);
    request.set_from_epoch(epoch);
    const auto stream = client.jobs().Watch(&context, request);
    v1::WatchResponse response;
    while (stream->Read(&response)) {
      silent_legs = 0;
      std::vector<T> changed;
      for (const v1::WatchEvent& event : response.events()) {
        const T* const thing = kind.of_event(event);
        if (thing != nullptr && kind.wanted(*thing)) changed.push_back(*thing);
        if (event.has_deleted() && event.deleted().kind() == kind.object &&
            !invocation.wants_document()) {
          invocation.PrintError(TerminalText(event.deleted().id()) + " is gone\n");
        }
      }
      if (!changed.empty()) printer.Print(changed, false);
      epoch = std::max<uint64_t>(epoch, response.epoch());
      if (invocation.process().out->failed()) context.TryCancel();
    }
    const grpc::Status status = stream->Finish();
    if (invocation.process().out->failed()) return kExitBrokenPipe;
    const bool again = status.ok() || status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED ||
                       status.error_code() == grpc::StatusCode::ABORTED ||
                       status.error_code() == grpc::StatusCode::UNAVAILABLE;
    constexpr int kMostSilentLegs = 100;  // with the pause below: about 20 s out of reach
    if (!again || ++silent_legs > kMostSilentLegs) return client.Explain(status);
    std::this_thread::sleep_for(kRetryPause);
  }
}

// Prints what there is and, with --watch, what changes.
template <typename T>
absl::StatusOr<int> Show(Invocation& invocation, Client& client, const GetFlags& flags,
                         const Kind<T>& kind) {
  Printer<T> printer(invocation, flags, kind);
  bool first = true;
  while (true) {
    std::vector<T> things;
    uint64_t epoch = 0;
    BERTH_RETURN_IF_ERROR(kind.list(things, epoch));
    printer.Print(things, std::exchange(first, false));
    if (!flags.watch) return 0;
    const absl::StatusOr<int> watched = Watch(invocation, client, flags, kind, epoch, printer);
    if (!absl::IsOutOfRange(watched.status())) return watched;
    invocation.PrintError("berth: some changes are no longer kept; all is listed again\n");
    std::this_thread::sleep_for(kRetryPause);
  }
}

absl::Status UnknownState(const std::string& name, std::span<const std::string_view> names) {
  std::string known;
  for (const std::string_view each : names) {
    known += (known.empty() ? "" : ", ") + std::string(each);
  }
  return absl::InvalidArgumentError("--state: \"" + name + "\" is no state" +
                                    base::DidYouMean(name, names) + ": " + known);
}

// "a,b" and repeated flags alike.
std::vector<std::string> SplitStates(const std::vector<std::string>& given) {
  std::vector<std::string> states;
  for (std::string_view rest : given) {
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      states.emplace_back(rest.substr(0, comma));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return states;
}

absl::Status NotWith(bool given, const char* flag, const std::string& what) {
  if (!given) return absl::OkStatus();
  return absl::InvalidArgumentError(std::string(flag) + " does not go with 'berth get " + what +
                                    "'");
}

absl::StatusOr<int> GetJobs(const GetFlags& flags, Invocation& invocation) {
  BERTH_RETURN_IF_ERROR(NotWith(!flags.job.empty(), "--job", "jobs"));
  v1::ListJobsRequest request;
  std::set<v1::JobState> states;
  for (const std::string& name : SplitStates(flags.states)) {
    const auto state = JobStateOf(name);
    if (!state) return UnknownState(name, JobStateNames());
    states.insert(*state);
    request.add_states(*state);
  }
  BERTH_ASSIGN_OR_RETURN(std::vector<Selector> selectors, ParseSelectors(flags.ids));
  BERTH_RETURN_IF_ERROR(invocation.ResolveLast(selectors));
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  std::set<std::string> ids;
  const auto list = [&](std::vector<v1::Job>& jobs, uint64_t& epoch) -> absl::Status {
    request.set_namespace_(invocation.flags().name_space);
    request.set_page_size(kPageSize);
    request.clear_page_token();
    while (selectors.empty()) {
      BERTH_ASSIGN_OR_RETURN(
          v1::ListJobsResponse page,
          client->Call(client->jobs(), &v1::JobService::Stub::ListJobs, request));
      if (epoch == 0) epoch = page.epoch();
      for (v1::Job& job : *page.mutable_jobs()) jobs.push_back(std::move(job));
      if (page.next_page_token().empty()) break;
      request.set_page_token(page.next_page_token());
    }
    for (const Selector& selector : selectors) {
      v1::GetJobRequest get;
      get.set_job_id(selector.id);
      BERTH_ASSIGN_OR_RETURN(v1::GetJobResponse answer,
                             client->Call(client->jobs(), &v1::JobService::Stub::GetJob, get));
      epoch = epoch == 0 ? answer.epoch() : std::min<uint64_t>(epoch, answer.epoch());
      ids.insert(answer.job().id());
      if (states.empty() || states.contains(answer.job().state())) {
        jobs.push_back(std::move(*answer.mutable_job()));
      }
    }
    return absl::OkStatus();
  };
  const Kind<v1::Job> kind = {
      "job/",
      v1::OBJECT_KIND_JOB,
      JobHeaders,
      JobCells,
      [](const v1::Job& job) { return job.id(); },
      [](const v1::WatchEvent& event) { return event.has_job() ? &event.job() : nullptr; },
      [&](const v1::Job& job) {
        return (ids.empty() || ids.contains(job.id())) &&
               (states.empty() || states.contains(job.state()));
      },
      list};
  return Show(invocation, *client, flags, kind);
}

absl::StatusOr<int> GetTasks(GetFlags flags, Invocation& invocation) {
  v1::ListTasksRequest request;
  std::set<v1::TaskState> states;
  for (const std::string& name : SplitStates(flags.states)) {
    const auto state = TaskStateOf(name);
    if (!state) return UnknownState(name, TaskStateNames());
    states.insert(*state);
    request.add_states(*state);
  }
  if (!flags.job.empty()) {
    BERTH_ASSIGN_OR_RETURN(std::vector<Selector> job, ParseSelectors({flags.job}));
    BERTH_RETURN_IF_ERROR(invocation.ResolveLast(job));
    if (job.size() != 1 || job[0].is_task()) {
      return absl::InvalidArgumentError("--job: \"" + flags.job + "\" is not one job");
    }
    flags.job = job[0].id;
  }
  BERTH_ASSIGN_OR_RETURN(std::vector<Selector> selectors, ParseSelectors(flags.ids));
  BERTH_RETURN_IF_ERROR(invocation.ResolveLast(selectors));
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());

  std::set<std::string> ids;
  for (const Selector& selector : selectors) ids.insert(selector.id);
  const auto list_of = [&](const std::string& job, std::vector<v1::Task>& tasks,
                           uint64_t& epoch) -> absl::Status {
    request.set_job_id(job);
    request.set_namespace_(invocation.flags().name_space);
    request.set_page_size(kPageSize);
    request.clear_page_token();
    while (true) {
      BERTH_ASSIGN_OR_RETURN(
          v1::ListTasksResponse page,
          client->Call(client->jobs(), &v1::JobService::Stub::ListTasks, request));
      if (epoch == 0) epoch = page.epoch();
      for (v1::Task& task : *page.mutable_tasks()) tasks.push_back(std::move(task));
      if (page.next_page_token().empty()) return absl::OkStatus();
      request.set_page_token(page.next_page_token());
    }
  };
  const auto list = [&](std::vector<v1::Task>& tasks, uint64_t& epoch) -> absl::Status {
    if (selectors.empty()) return list_of(flags.job, tasks, epoch);
    for (const Selector& selector : selectors) {
      if (!selector.is_task()) {
        BERTH_RETURN_IF_ERROR(list_of(selector.id, tasks, epoch));
        continue;
      }
      v1::GetTaskRequest get;
      get.set_task_id(selector.id);
      BERTH_ASSIGN_OR_RETURN(v1::GetTaskResponse answer,
                             client->Call(client->jobs(), &v1::JobService::Stub::GetTask, get));
      epoch = epoch == 0 ? answer.epoch() : std::min<uint64_t>(epoch, answer.epoch());
      if (states.empty() || states.contains(answer.task().state())) {
        tasks.push_back(std::move(*answer.mutable_task()));
      }
    }
    return absl::OkStatus();
  };
  const Kind<v1::Task> kind = {
      "task/",
      v1::OBJECT_KIND_TASK,
      TaskHeaders,
      TaskCells,
      [](const v1::Task& task) { return task.id(); },
      [](const v1::WatchEvent& event) { return event.has_task() ? &event.task() : nullptr; },
      [&](const v1::Task& task) {
        return (ids.empty() || ids.contains(task.id()) || ids.contains(task.job_id())) &&
               (states.empty() || states.contains(task.state()));
      },
      list};
  return Show(invocation, *client, flags, kind);
}

absl::StatusOr<int> GetNodes(const GetFlags& flags, Invocation& invocation) {
  BERTH_RETURN_IF_ERROR(NotWith(!flags.job.empty(), "--job", "nodes"));
  std::set<std::string> states;
  constexpr std::array<std::string_view, 3> kStates = {"ready", "not-ready", "cordoned"};
  for (const std::string& name : SplitStates(flags.states)) {
    if (std::find(kStates.begin(), kStates.end(), name) == kStates.end()) {
      return UnknownState(name, kStates);
    }
    states.insert(name);
  }
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  std::set<std::string> names;
  const auto wanted = [&](const v1::Node& node) {
    const bool in_state = states.empty() || states.contains(std::string(NameOf(node.state()))) ||
                          (node.cordoned() && states.contains("cordoned"));
    return in_state && (names.empty() || names.contains(node.name()));
  };
  const auto list = [&](std::vector<v1::Node>& nodes, uint64_t& epoch) -> absl::Status {
    for (const std::string& given : flags.ids) {
      v1::GetNodeRequest get;
      get.set_name(given.starts_with("node/") ? given.substr(5) : given);
      names.insert(get.name());
      BERTH_ASSIGN_OR_RETURN(v1::GetNodeResponse answer,
                             client->Call(client->nodes(), &v1::NodeService::Stub::GetNode, get));
      epoch = epoch == 0 ? answer.epoch() : std::min<uint64_t>(epoch, answer.epoch());
      if (wanted(answer.node())) nodes.push_back(std::move(*answer.mutable_node()));
    }
    v1::ListNodesRequest request;
    request.set_page_size(kPageSize);
    while (flags.ids.empty()) {
      BERTH_ASSIGN_OR_RETURN(
          v1::ListNodesResponse page,
          client->Call(client->nodes(), &v1::NodeService::Stub::ListNodes, request));
      if (epoch == 0) epoch = page.epoch();
      for (v1::Node& node : *page.mutable_nodes()) {
        if (wanted(node)) nodes.push_back(std::move(node));
      }
      if (page.next_page_token().empty()) break;
      request.set_page_token(page.next_page_token());
    }
    return absl::OkStatus();
  };
  const Kind<v1::Node> kind = {
      "node/",
      v1::OBJECT_KIND_NODE,
      NodeHeaders,
      NodeCells,
      [](const v1::Node& node) { return node.name(); },
      [](const v1::WatchEvent& event) { return event.has_node() ? &event.node() : nullptr; },
      wanted,
      list};
  return Show(invocation, *client, flags, kind);
}

absl::StatusOr<int> RunGet(GetFlags& flags, Invocation& invocation) {
  constexpr std::array<std::string_view, 6> kNouns = {"jobs", "job",   "tasks",
                                                      "task", "nodes", "node"};
  // "job/12", as -o name prints it.
  if (const std::size_t slash = flags.what.find('/'); slash != std::string::npos) {
    flags.ids.insert(flags.ids.begin(), flags.what.substr(slash + 1));
    flags.what.resize(slash);
  }
  if (flags.what == "jobs" || flags.what == "job") return GetJobs(flags, invocation);
  if (flags.what == "tasks" || flags.what == "task") return GetTasks(flags, invocation);
  if (flags.what == "nodes" || flags.what == "node") return GetNodes(flags, invocation);
  const std::string what =
      flags.what.empty()
          ? "get what? Write"
          : "\"" + flags.what + "\" is unknown" + base::DidYouMean(flags.what, kNouns) + ": write";
  return absl::InvalidArgumentError(what + " berth get jobs, tasks or nodes");
}

}  // namespace

Action AddGet(CLI::App& app) {
  const auto flags = std::make_shared<GetFlags>();
  app.add_option("KIND", flags->what, "jobs, tasks or nodes");
  app.add_option("ID", flags->ids, "Only these: 12, 12.3, 1,3,5-8, last; names of nodes");
  app.add_option("--job", flags->job, "Only tasks of this job")->type_name("ID");
  app.add_option("--state", flags->states, "Only those in these states: running,failed")
      ->type_name("STATES")
      ->allow_extra_args(false);
  app.add_flag("-w,--watch", flags->watch, "Then print what changes, until interrupted");
  app.add_flag("--no-headers", flags->no_headers, "Rows alone");
  return [flags](Invocation& invocation) { return RunGet(*flags, invocation); };
}

}  // namespace berth::cli
