#include "cli/log_follower.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "cli/names.h"
#include "cli/patience.h"
#include "cli/rpc_status.h"

namespace berth::cli {
namespace {

constexpr auto kLookForTasks = std::chrono::seconds(1);

}  // namespace

LogFollower::LogFollower(const Process& process, Client& client, const LogPrinter::Style& style,
                         const v1::LogsRequest& request)
    : process_(process),
      client_(client),
      request_(request),
      printer_(process, style),
      merger_(request.follow()) {}

LogFollower::~LogFollower() {
  {
    base::MutexLock lock(mutex_);
    over_ = true;
    changed_.NotifyAll();
  }
  if (watcher_.joinable()) watcher_.join();
  std::deque<Source> sources;
  {
    base::MutexLock lock(mutex_);
    sources.swap(sources_);
  }
  for (Source& source : sources) source.reader->Cancel();
  for (Source& source : sources) source.thread.join();
}

void LogFollower::Add(const std::string& id) {
  base::MutexLock lock(mutex_);
  Begin(id);
}

void LogFollower::AddJob(const std::string& job) {
  {
    base::MutexLock lock(mutex_);
    more_may_start_ = true;
  }
  watcher_ = std::thread([this, job] { WatchJob(job); });
}

void LogFollower::Begin(const std::string& id) {
  const size_t number = merger_.AddSource(process_.clock->MonotonicMs());
  Source& source = sources_.emplace_back();
  source.task = id.substr(0, request_.follow() ? id.find('#') : std::string::npos);
  source.reader = std::make_unique<LogReader>(
      client_, *process_.clock,
      [this, number](LogPiece piece) { return Take(number, std::move(piece)); });
  v1::LogsRequest request = request_;
  request.set_id(id);
  source.thread = std::thread([this, number, reader = source.reader.get(), request] {
    const absl::Status status = reader->Read(request);
    base::MutexLock lock(mutex_);
    Fail(status);
    merger_.End(number);
    changed_.NotifyAll();
  });
}

void LogFollower::Fail(const absl::Status& status) {
  if (error_.ok()) error_ = status;
}

bool LogFollower::Take(size_t source, LogPiece piece) {
  base::MutexLock lock(mutex_);
  while (!over_ && !merger_.Wants(source)) changed_.Wait(mutex_);
  if (over_) return false;
  merger_.Add(source, std::move(piece), process_.clock->MonotonicMs());
  changed_.NotifyAll();
  return true;
}

absl::Status LogFollower::Run() {
  while (!process_.out->failed()) {
    std::vector<LogMerger::Text> texts;
    std::vector<std::string> tasks;
    {
      base::MutexLock lock(mutex_);
      while (true) {
        const int64_t now = process_.clock->MonotonicMs();
        texts = merger_.Take(now);
        if (!texts.empty()) break;
        if (merger_.done() && !more_may_start_) {
          printer_.Finish();
          return error_;
        }
        if (const auto due = merger_.due_ms(now)) {
          changed_.WaitFor(mutex_, std::chrono::milliseconds(std::max<int64_t>(1, *due - now)));
        } else {
          changed_.Wait(mutex_);
        }
      }
      for (const Source& source : sources_) tasks.push_back(source.task);
      changed_.NotifyAll();  // there is room for more
    }
    for (const LogMerger::Text& text : texts) printer_.Print(tasks[text.source], text);
  }
  return absl::OkStatus();
}

void LogFollower::WatchJob(const std::string& job) {
  std::map<std::string, int32_t> followed;  // task, its last attempt
  Patience patience(*process_.clock);
  while (true) {
    const absl::StatusOr<bool> ended = LookForTasks(job, followed);
    base::MutexLock lock(mutex_);
    if (over_) return;
    if (ended.ok()) {
      patience.Renew();
    } else {
      patience.Miss();
    }
    if (ended.ok() ? *ended : !IsPassing(ended.status()) || patience.IsOver()) {
      Fail(ended.status());
      more_may_start_ = false;
      changed_.NotifyAll();
      return;
    }
    // Whatever wakes it, looking more often costs little.
    changed_.WaitFor(mutex_, kLookForTasks);
    if (over_) return;
  }
}

absl::StatusOr<bool> LogFollower::LookForTasks(const std::string& job,
                                               std::map<std::string, int32_t>& followed) {
  v1::ListTasksRequest request;
  request.set_job_id(job);
  request.set_page_size(kMostTasks);  // it has no more
  BERTH_ASSIGN_OR_RETURN(const v1::ListTasksResponse page,
                         client_.Call(client_.jobs(), &v1::JobService::Stub::ListTasks, request));
  base::MutexLock lock(mutex_);
  if (over_) return true;
  bool ended = true;
  for (const v1::Task& task : page.tasks()) {
    ended = ended && HasEnded(task.state());
    int32_t& last = followed[task.id()];
    if (!task.has_attempt() || task.attempt().number() <= last) continue;
    last = task.attempt().number();
    Begin(task.attempt().id());
  }
  changed_.NotifyAll();
  return ended;
}

}  // namespace berth::cli
