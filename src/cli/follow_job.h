#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "berth/v1/types.pb.h"
#include "cli/client.h"

namespace berth::cli {

// Who is told what happens to a job that is followed.
class JobListener {
 public:
  virtual ~JobListener() = default;

  // A task or the job as it now is. States between may have been passed unseen.
  virtual void OnTask(const v1::Task& task) = 0;
  virtual void OnJob(const v1::Job& job) = 0;
  // Output of one attempt: each byte once, each stream in its order.
  virtual void OnOutput(const v1::Task& task, bool is_stderr, std::string_view bytes) = 0;
  // Part of an attempt's output cannot be had.
  virtual void OnOutputLost(const v1::Task& task, const std::string& why) = 0;
  // berthd cannot be reached and is tried again.
  virtual void OnContactLost(const std::string& why) = 0;
  // The person, or the end of our own reader, asks to stop; the job is being cancelled.
  virtual void OnCancelling() = 0;
  // The person is asked whether to detach or to cancel.
  virtual void OnAsking() = 0;
  // berthd will not cancel it; the job is followed on.
  virtual void OnCancelRefused(const std::string& why) = 0;

  // Timers of the listener's own: Tick() is called when its time has come.
  virtual std::optional<int64_t> tick_at_ms() const = 0;
  virtual void Tick(int64_t now_ms) = 0;
  // Nobody reads what OnOutput is given any more.
  virtual bool output_closed() const = 0;
};

struct FollowOptions {
  std::string job_id;
  // Everything after this epoch is news.
  uint64_t epoch = 0;
  // Readable when somebody wants the job to stop. May be -1.
  int interrupt_fd = -1;
  // The terminal of who may be asked then, see InterruptDialogue. -1: nobody is asked.
  int key_fd = -1;
  // Of a job of one task that has a console: return when an attempt after this one runs, to attach
  // to it. The output of attempts up to attached_through is not followed. Absent: nobody attaches.
  std::optional<int32_t> console_after;
  int32_t attached_through = 0;
};

struct FollowResult {
  // As it ended; as last seen when `left`.
  v1::Job job;
  // It was asked to stop.
  bool cancelled_by_us = false;
  // The person left without waiting for the end: by detaching, or while it was being cancelled.
  bool left = false;
  bool detached = false;
  // What happened up to here was told.
  uint64_t epoch = 0;
  // The attempt that runs, for console_after; 0: it ended before.
  int32_t running_attempt = 0;
};

// Follows a job to its end: its tasks' states by a watch, the output of each attempt by a log
// stream, both dialled again where they broke off, so that nothing is missed and nothing is told
// twice. A berthd that starts again is waited for, for a minute.
//
// An interrupt asks, where somebody can be asked, or cancels the job and waits for its end; one
// more leaves.
//
// Threading: blocks; calls `listener` on the caller's thread. Errors: berthd could not be reached
// any more (the job goes on without us), or refused.
absl::StatusOr<FollowResult> FollowJob(Client& client, const base::Clock& clock,
                                       const FollowOptions& options, JobListener& listener);

}  // namespace berth::cli
