#include "cli/job_ending.h"

#include <algorithm>

#include "base/quantities.h"
#include "cli/exit_codes.h"
#include "cli/names.h"

namespace berth::cli {
namespace {

constexpr int kSignalBase = 128;

// "0.1s, 9Mi peak"
std::string SpentText(const v1::Attempt& attempt) {
  if (attempt.started_unix_ms() == 0 || attempt.ended_unix_ms() == 0) return "";
  std::string text = base::FormatElapsed(attempt.ended_unix_ms() - attempt.started_unix_ms());
  if (attempt.usage().memory_peak_bytes() > 0) {
    text += ", " + base::FormatBytes(attempt.usage().memory_peak_bytes()) + " peak";
  }
  return text;
}

bool Ran(const v1::Task& task) { return task.attempt().started_unix_ms() > 0; }

}  // namespace

int AttemptExitCode(const v1::Attempt& attempt) {
  if (attempt.has_exit_code()) return attempt.exit_code();
  if (attempt.has_signal()) return kSignalBase + attempt.signal();
  return kExitBerthFailed;
}

int ExitCodeOf(const v1::Job& job, const v1::Task* task) {
  if (job.state() == v1::JOB_STATE_SUCCEEDED) return 0;
  const int code = task != nullptr ? AttemptExitCode(task->attempt()) : job.exit_code();
  // It did not succeed, whatever the code says.
  return code != 0 ? code : kExitBerthFailed;
}

std::string WhyItFailed(const v1::Task& task) {
  const v1::Attempt& attempt = task.attempt();
  const std::string& message = attempt.message().empty() ? task.message() : attempt.message();
  const v1::ReasonCode reason =
      attempt.reason() != v1::REASON_CODE_UNSPECIFIED ? attempt.reason() : task.reason();
  switch (reason) {
    case v1::REASON_CODE_OUT_OF_MEMORY: {
      const int64_t limit = task.resources().memory_bytes();
      if (limit <= 0) return "out of memory";
      return "out of memory at its limit of " + base::FormatBytes(limit) +
             "; ask for more with --memory";
    }
    case v1::REASON_CODE_TIME_LIMIT_REACHED:
      return "time limit reached";
    case v1::REASON_CODE_NODE_LOST:
      return "node " + attempt.node() + " was lost";
    case v1::REASON_CODE_EXITED:
      return "exit " + std::to_string(attempt.exit_code());
    case v1::REASON_CODE_KILLED_BY_SIGNAL:
      return "killed by " + SignalName(attempt.signal());
    default:
      break;
  }
  if (!message.empty()) return message;
  if (attempt.has_exit_code()) return "exit " + std::to_string(attempt.exit_code());
  if (attempt.has_signal()) return "killed by " + SignalName(attempt.signal());
  const std::string name = NameOf(reason);
  return name.empty() ? "for a reason that berthd did not give" : name;
}

RunScreen::Ending EndingOf(const v1::Job& job, const v1::Task* task) {
  RunScreen::Ending ending;
  const std::string logs = "see 'berth logs " + job.id() + "'";
  const std::string describe = "see 'berth describe " + job.id() + "'";
  if (job.state() == v1::JOB_STATE_CANCELLED) {
    ending.kind = RunScreen::Ending::Kind::kCancelled;
    return ending;
  }
  const bool succeeded = job.state() == v1::JOB_STATE_SUCCEEDED;
  if (!succeeded) ending.kind = RunScreen::Ending::Kind::kFailed;
  if (task != nullptr) {
    ending.detail = succeeded ? SpentText(task->attempt()) : WhyItFailed(*task);
    if (!succeeded) ending.next_step = Ran(*task) ? logs : describe;
    return ending;
  }
  if (succeeded) {
    ending.detail = std::to_string(job.tasks().total()) + " tasks";
    if (job.started_unix_ms() > 0 && job.ended_unix_ms() > 0) {
      ending.detail += ", " + base::FormatElapsed(job.ended_unix_ms() - job.started_unix_ms());
    }
    return ending;
  }
  ending.detail = std::to_string(job.tasks().failed()) + " of " +
                  std::to_string(job.tasks().total()) + " tasks failed";
  ending.next_step = "see 'berth get tasks --job " + job.id() + " --state failed'";
  return ending;
}

std::string CountsText(const v1::TaskCounts& counts) {
  const int64_t done = counts.succeeded() + counts.failed() + counts.cancelled();
  std::string text = std::to_string(done) + "/" + std::to_string(counts.total()) + " done, " +
                     std::to_string(counts.failed()) + " failed";
  if (counts.cancelled() > 0) text += ", " + std::to_string(counts.cancelled()) + " cancelled";
  if (counts.quarantined() > 0) {
    text += ", " + std::to_string(counts.quarantined()) + " quarantined";
  }
  return text;
}

}  // namespace berth::cli
