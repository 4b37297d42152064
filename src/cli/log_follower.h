#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "base/mutex.h"
#include "cli/client.h"
#include "cli/log_merger.h"
#include "cli/log_printer.h"
#include "cli/log_reader.h"
#include "cli/process.h"

namespace berth::cli {

// Shows the output of several tasks at once, in the order in which it was written. Each is read on
// a thread of its own; the calling thread prints.
//
// Threading: one thread calls.
class LogFollower {
 public:
  // Tasks that are read at once at the most.
  static constexpr int kMostTasks = 64;

  // All outlive it. `request`: what is wanted of each task, but for its name.
  LogFollower(const Process& process, Client& client, const LogPrinter::Style& style,
              const v1::LogsRequest& request);
  LogFollower(const LogFollower&) = delete;
  LogFollower& operator=(const LogFollower&) = delete;
  // Reads no further.
  ~LogFollower();

  // A task or an attempt. Before Run().
  void Add(const std::string& id);
  // All tasks of a job, and their further attempts, as they start, until the job has ended. Before
  // Run(), once.
  void AddJob(const std::string& job);

  // To the end of all of them, or until nobody reads what is printed. The first error of any, after
  // what the others wrote.
  absl::Status Run();

 private:
  struct Source {
    std::string task;  // as it is shown
    std::unique_ptr<LogReader> reader;
    std::thread thread;
  };

  void Begin(const std::string& id) BERTH_REQUIRES(mutex_);
  bool Take(size_t source, LogPiece piece);
  void WatchJob(const std::string& job);
  // Begins what has started since; whether the job has ended, or why that is not known.
  absl::StatusOr<bool> LookForTasks(const std::string& job,
                                    std::map<std::string, int32_t>& followed);
  void Fail(const absl::Status& status) BERTH_REQUIRES(mutex_);

  const Process& process_;
  Client& client_;
  const v1::LogsRequest request_;
  LogPrinter printer_;  // the calling thread's
  std::thread watcher_;

  base::Mutex mutex_;
  base::CondVar changed_;
  LogMerger merger_ BERTH_GUARDED_BY(mutex_);
  std::deque<Source> sources_ BERTH_GUARDED_BY(mutex_);
  absl::Status error_ BERTH_GUARDED_BY(mutex_);
  bool more_may_start_ BERTH_GUARDED_BY(mutex_) = false;
  bool over_ BERTH_GUARDED_BY(mutex_) = false;
};

}  // namespace berth::cli
