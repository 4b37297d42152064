#include "cli/run_view.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "cli/job_ending.h"
#include "cli/names.h"

namespace berth::cli {
namespace {

constexpr std::size_t kMostPartialLine = 64 * 1024;

}  // namespace

ScreenView::ScreenView(const RunScreen::Options& options, const Process& process, int64_t tasks)
    : process_(process), single_(tasks == 1), screen_(options, process.out, process.err) {}

void ScreenView::Submitted(const std::string& job_id) {
  job_id_ = job_id;
  screen_.Submitted(job_id);
}

const v1::Task* ScreenView::only_task() const {
  return single_ && last_task_ ? &*last_task_ : nullptr;
}

void ScreenView::OnTask(const v1::Task& task) {
  if (!single_) return;
  ShowWay(task);
  last_task_ = task;
}

// The stations that the task has passed, those included that no message showed.
void ScreenView::ShowWay(const v1::Task& task) {
  const v1::Attempt& attempt = task.attempt();
  const bool ran = attempt.started_unix_ms() > 0 || task.state() == v1::TASK_STATE_RUNNING;
  if (!attempt.node().empty() && attempt.number() > attempt_shown_) {
    attempt_shown_ = attempt.number();
    screen_.Station(attempt.node());
  }
  if (ran && attempt.number() > running_shown_) {
    running_shown_ = attempt.number();
    screen_.Station("running");
  }
  switch (task.state()) {
    case v1::TASK_STATE_QUEUED:
      if (attempt_shown_ > again_shown_) {
        again_shown_ = attempt_shown_;
        // Why: once, not with each attempt.
        std::string why = WhyItFailed(task);
        screen_.Station(why == why_again_ ? "queued again" : "queued again (" + why + ")");
        why_again_ = std::move(why);
      }
      break;
    case v1::TASK_STATE_PARKED:
      screen_.Station(task.message().empty() ? "parked" : "parked (" + task.message() + ")");
      screen_.Rest();
      break;
    case v1::TASK_STATE_RUNNING:
      screen_.Rest();
      break;
    case v1::TASK_STATE_HELD:
    case v1::TASK_STATE_SUSPENDED:
    case v1::TASK_STATE_STOPPING:
      screen_.Station(std::string(NameOf(task.state())));
      break;
    default:
      break;
  }
}

void ScreenView::OnJob(const v1::Job& job) {
  if (!single_ && job.state() == v1::JOB_STATE_RUNNING) {
    screen_.Station("running");
    screen_.Rest();
  }
}

void ScreenView::OnOutput(const v1::Task& task, bool is_stderr, std::string_view bytes) {
  const int64_t now_ms = process_.clock->MonotonicMs();
  if (single_) {
    screen_.Output(is_stderr, bytes, now_ms);
    return;
  }
  // Whole lines only, so that those of several tasks do not mix.
  std::string& partial = partial_[{task.id(), is_stderr}];
  partial += bytes;
  std::string whole;
  for (std::size_t end = partial.find('\n');
       end != std::string::npos || partial.size() > kMostPartialLine; end = partial.find('\n')) {
    const std::size_t size = std::min(end, kMostPartialLine);
    whole += task.id() + ": " + partial.substr(0, size) + "\n";
    partial.erase(0, std::min(size + (size == end ? 1 : 0), partial.size()));
  }
  screen_.Output(is_stderr, whole, now_ms);
}

void ScreenView::OnOutputLost(const v1::Task& task, const std::string& why) {
  screen_.Warn("berth: output of task " + task.id() + " is incomplete: " + why);
}

void ScreenView::OnContactLost(const std::string& why) { screen_.Notice(why + "; trying again"); }

void ScreenView::OnCancelling() {
  screen_.Notice("cancelling job " + job_id_ + "; Ctrl-C again leaves it to itself");
}

void ScreenView::OnAsking() { screen_.Ask("detach (d) or cancel (c)? Ctrl-C again cancels: "); }

void ScreenView::OnCancelRefused(const std::string& why) {
  screen_.Warn("berth: job " + job_id_ + " is not cancelled: " + why);
}

void ScreenView::Ended(const v1::Job& job) {
  for (auto& [source, partial] : partial_) {
    if (partial.empty()) continue;
    screen_.Output(source.second, source.first + ": " + partial + "\n",
                   process_.clock->MonotonicMs());
  }
  screen_.Ended(EndingOf(job, only_task()));
}

const v1::Task* RecordView::only_task() const {
  return single_ && !tasks_.empty() ? &tasks_.begin()->second.task : nullptr;
}

void RecordView::OnOutput(const v1::Task& task, bool is_stderr, std::string_view bytes) {
  Record& record = tasks_[task.id()];
  std::string& output = record.output[is_stderr ? 1 : 0];
  const std::size_t room = kMostBytes - output.size();
  if (bytes.size() > room) record.truncated = true;
  output += bytes.substr(0, room);
}

void RecordView::OnOutputLost(const v1::Task& task, const std::string& why) {
  tasks_[task.id()].lost = why;
}

void RecordView::OnContactLost(const std::string& why) {
  process_.err->Write("berth: " + why + "; trying again\n");
}

void RecordView::OnCancelRefused(const std::string& why) {
  process_.err->Write("berth: the job is not cancelled: " + why + "\n");
}

yaml::Value RecordView::Document(const v1::Job& job, int exit_code) const {
  yaml::Value document;
  document.Set("job", yaml::Value::String(job.id()));
  document.Set("state", yaml::Value::String(std::string(NameOf(job.state()))));
  document.Set("exitCode", yaml::Value::Int(exit_code));
  yaml::Value::List tasks;
  for (const auto& [id, record] : tasks_) {
    const v1::Attempt& attempt = record.task.attempt();
    yaml::Value task;
    task.Set("id", yaml::Value::String(id));
    task.Set("state", yaml::Value::String(std::string(NameOf(record.task.state()))));
    task.Set("node", yaml::Value::String(attempt.node()));
    if (attempt.has_exit_code()) task.Set("exitCode", yaml::Value::Int(attempt.exit_code()));
    if (attempt.has_signal()) task.Set("signal", yaml::Value::Int(attempt.signal()));
    if (record.task.state() == v1::TASK_STATE_FAILED) {
      task.Set("message", yaml::Value::String(WhyItFailed(record.task)));
    }
    task.Set("memoryPeakBytes", yaml::Value::Int(attempt.usage().memory_peak_bytes()));
    task.Set("stdout", yaml::Value::String(record.output[0]));
    task.Set("stderr", yaml::Value::String(record.output[1]));
    if (record.truncated) task.Set("truncated", yaml::Value::Bool(true));
    if (!record.lost.empty()) task.Set("outputLost", yaml::Value::String(record.lost));
    tasks.push_back(std::move(task));
  }
  document.Set("tasks", yaml::Value::Sequence(std::move(tasks)));
  return document;
}

}  // namespace berth::cli
