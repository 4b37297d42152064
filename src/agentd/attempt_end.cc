#include "agentd/attempt_end.h"

#include <string.h>

#include <string>
#include <string_view>

#include "base/quantities.h"
#include "base/utf8.h"

namespace berth::agentd {
namespace {

// It is journalled, and sent with many others: programs and paths in it may be long, and are any
// bytes.
constexpr size_t kMostMessageBytes = 1 << 10;

void SetMessage(v1::AttemptEnded& ended, std::string_view message) {
  const std::string valid = base::ToValidUtf8(message);
  ended.set_message(std::string(base::CutUtf8(valid, kMostMessageBytes)));
}

std::string SignalName(int signal) {
  const char* name = sigabbrev_np(signal);
  return name == nullptr ? std::to_string(signal) : "SIG" + std::string(name);
}

v1::ReasonCode ReasonOfStop(v1::AttemptEnd end, const TaskOutcome& outcome) {
  switch (end) {
    case v1::ATTEMPT_END_CANCELLED:
      return v1::REASON_CODE_CANCELLED_BY_USER;
    case v1::ATTEMPT_END_TIMED_OUT:
      return v1::REASON_CODE_TIME_LIMIT_REACHED;
    case v1::ATTEMPT_END_LOST:
      return v1::REASON_CODE_NODE_LOST;
    default:
      return outcome.signal != 0 ? v1::REASON_CODE_KILLED_BY_SIGNAL : v1::REASON_CODE_EXITED;
  }
}

}  // namespace

v1::AttemptEnded EndedByItself(const TaskOutcome& outcome,
                               const std::optional<journal::v1::StopAsked>& stop,
                               const v1::StartTask& start) {
  const v1::AttemptEnd asked = stop ? stop->stop().end() : v1::ATTEMPT_END_UNSPECIFIED;
  v1::AttemptEnded ended;
  if (outcome.signal != 0) {
    ended.set_signal(outcome.signal);
  } else {
    ended.set_exit_code(outcome.exit_code);
  }
  *ended.mutable_usage() = outcome.usage;
  ended.set_started_unix_ms(outcome.started_unix_ms);
  ended.set_ended_unix_ms(outcome.ended_unix_ms);

  const bool failed = outcome.signal != 0 || outcome.exit_code != 0;
  const bool stopped = outcome.cause == TaskOutcome::Cause::kStopped;
  std::string message;
  if (outcome.cause == TaskOutcome::Cause::kTimeLimit) {
    ended.set_end(v1::ATTEMPT_END_TIMED_OUT);
    ended.set_reason(v1::REASON_CODE_TIME_LIMIT_REACHED);
    message = "reached its time limit of " +
              base::FormatExactDuration(absl::Milliseconds(start.time_limit_ms()));
  } else if (outcome.cause == TaskOutcome::Cause::kLeaseEnded) {
    ended.set_end(v1::ATTEMPT_END_LOST);
    ended.set_reason(v1::REASON_CODE_NODE_LOST);
    message =
        "ended by the node, which had not heard from berthd for as long as its lease lasts, as"
        " onPartition: kill asks for";
  } else if (stopped && asked != v1::ATTEMPT_END_UNSPECIFIED) {
    ended.set_end(asked);
    const bool of_the_node = stop->reason() != v1::REASON_CODE_UNSPECIFIED;
    ended.set_reason(of_the_node ? stop->reason() : ReasonOfStop(asked, outcome));
    message = stop->message();
  } else if (outcome.out_of_memory && failed) {
    ended.set_end(v1::ATTEMPT_END_OUT_OF_MEMORY);
    ended.set_reason(v1::REASON_CODE_OUT_OF_MEMORY);
    message = "killed at its memory limit of " +
              base::FormatBytes(start.resources().memory_bytes()) + "; it used up to " +
              base::FormatBytes(outcome.usage.memory_peak_bytes());
  } else {
    ended.set_end(v1::ATTEMPT_END_EXITED);
    ended.set_reason(outcome.signal != 0 ? v1::REASON_CODE_KILLED_BY_SIGNAL
                                         : v1::REASON_CODE_EXITED);
    if (outcome.signal != 0) message = "killed by " + SignalName(outcome.signal);
    if (stopped) {
      message += message.empty() ? "" : ", ";
      message += "after its shim was told to stop by hand";
    }
  }
  if (outcome.left_stuck) {
    message += message.empty() ? "" : "; ";
    message += "processes of it are left that SIGKILL does not end (uninterruptible sleep)";
  }
  SetMessage(ended, message);
  return ended;
}

v1::AttemptEnded EndedCouldNotStart(v1::ReasonCode reason, std::string_view message) {
  v1::AttemptEnded ended;
  ended.set_end(v1::ATTEMPT_END_COULD_NOT_START);
  ended.set_reason(reason);
  SetMessage(ended, message);
  return ended;
}

v1::AttemptEnded EndedLost(v1::ReasonCode reason, std::string_view message,
                           const std::optional<v1::AttemptStarted>& started) {
  v1::AttemptEnded ended;
  ended.set_end(v1::ATTEMPT_END_LOST);
  ended.set_reason(reason);
  SetMessage(ended, message);
  if (started) ended.set_started_unix_ms(started->unix_ms());
  return ended;
}

}  // namespace berth::agentd
