#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "cli/follow_job.h"
#include "cli/process.h"
#include "cli/run_screen.h"
#include "yaml/value.h"

namespace berth::cli {

// What `run` shows while it follows a job.
class RunView : public JobListener {
 public:
  // The job has been admitted.
  virtual void Submitted(const std::string& job_id) = 0;
  // The task's console writes on the same terminal from now on.
  virtual void ConsoleFollows() = 0;
  // Once, last.
  virtual void Ended(const v1::Job& job) = 0;
  // The job's only task as last seen; null when the job has several, or none was seen.
  virtual const v1::Task* only_task() const = 0;
};

// For a person: one task on a RunScreen with its output as it is; several with each line of their
// output behind the task's id.
class ScreenView final : public RunView {
 public:
  ScreenView(const RunScreen::Options& options, const Process& process, int64_t tasks);

  void Submitted(const std::string& job_id) override;
  void ConsoleFollows() override { screen_.Yield(); }
  void Ended(const v1::Job& job) override;
  const v1::Task* only_task() const override;

  void OnTask(const v1::Task& task) override;
  void OnJob(const v1::Job& job) override;
  void OnOutput(const v1::Task& task, bool is_stderr, std::string_view bytes) override;
  void OnOutputLost(const v1::Task& task, const std::string& why) override;
  void OnContactLost(const std::string& why) override;
  void OnCancelling() override;
  void OnAsking() override;
  void OnCancelRefused(const std::string& why) override;
  std::optional<int64_t> tick_at_ms() const override { return screen_.tick_at_ms(); }
  void Tick(int64_t now_ms) override { screen_.Tick(now_ms); }
  bool output_closed() const override { return process_.out->failed(); }

 private:
  void ShowWay(const v1::Task& task);

  const Process& process_;
  const bool single_;
  RunScreen screen_;
  std::string job_id_;
  std::optional<v1::Task> last_task_;
  // Numbers of the last attempts whose node, whose running, and whose end as one that is followed
  // by another have been shown.
  int32_t attempt_shown_ = 0;
  int32_t running_shown_ = 0;
  int32_t again_shown_ = 0;
  std::string why_again_;
  // Unfinished lines of several tasks' output, by task and stream.
  std::map<std::pair<std::string, bool>, std::string> partial_;
};

// For a program (-o json): keeps the output; nothing is shown before the end.
class RecordView final : public RunView {
 public:
  // Most bytes kept of each stream of each task.
  static constexpr std::size_t kMostBytes = std::size_t{1} << 20;

  RecordView(const Process& process, int64_t tasks) : process_(process), single_(tasks == 1) {}

  // {"job": "12", "state": "succeeded", "tasks": [{"id", "state", "exitCode", "stdout", ...}]}
  yaml::Value Document(const v1::Job& job, int exit_code) const;

  void Submitted(const std::string&) override {}
  void ConsoleFollows() override {}
  void Ended(const v1::Job&) override {}
  const v1::Task* only_task() const override;

  void OnTask(const v1::Task& task) override { tasks_[task.id()].task = task; }
  void OnJob(const v1::Job&) override {}
  void OnOutput(const v1::Task& task, bool is_stderr, std::string_view bytes) override;
  void OnOutputLost(const v1::Task& task, const std::string& why) override;
  void OnContactLost(const std::string& why) override;
  void OnCancelling() override {}
  void OnAsking() override {}
  void OnCancelRefused(const std::string& why) override;
  std::optional<int64_t> tick_at_ms() const override { return std::nullopt; }
  void Tick(int64_t) override {}
  bool output_closed() const override { return process_.out->failed(); }

 private:
  struct Record {
    v1::Task task;
    std::string output[2];
    bool truncated = false;
    std::string lost;
  };

  const Process& process_;
  const bool single_;
  std::map<std::string, Record> tasks_;
};

}  // namespace berth::cli
