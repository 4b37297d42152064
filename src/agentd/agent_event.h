#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "agentd/attempt_key.h"
#include "berth/v1/agent.pb.h"
#include "shim/lease_file.h"

// What happens to an agent: the inputs of AgentCore.
namespace berth::agentd {

// The process has started and its journal has been applied.
struct Began {
  std::string boot_id;  // of this boot of the machine
  shim::Lease lease;    // as an agent before this one has written it
};

// A connection to berthd stands. `link` counts connections; a later one ends those before it.
struct LinkUp {
  uint64_t link = 0;
};

struct LinkDown {
  uint64_t link = 0;
};

struct MessageReceived {
  uint64_t link = 0;
  v1::DaemonMessage message;
};

// An attempt's process runs.
struct TaskStarted {
  AttemptKey key;
  v1::AttemptStarted started;
};

// An attempt's process could not be started, and never will be.
struct TaskNotStarted {
  AttemptKey key;
  v1::ReasonCode reason = v1::REASON_CODE_DRIVER_ERROR;
  std::string message;
};

// How a shim saw its task end.
struct TaskOutcome {
  enum class Cause { kItself, kStopped, kTimeLimit, kLeaseEnded };
  Cause cause = Cause::kItself;
  int exit_code = 0;
  int signal = 0;  // 0: it exited
  bool out_of_memory = false;
  bool left_stuck = false;  // processes that SIGKILL does not end
  v1::Usage usage;
  int64_t started_unix_ms = 0;
  int64_t ended_unix_ms = 0;
};

struct TaskEnded {
  AttemptKey key;
  TaskOutcome outcome;
  std::vector<v1::OutputTail> tails = {};  // the last of its output
};

// The shim is gone without a word on how the task ended, or did not start it because the node's
// lease had ended: another attempt may take its place.
struct TaskLost {
  AttemptKey key;
  std::string message;
  v1::ReasonCode reason = v1::REASON_CODE_DRIVER_ERROR;
  std::vector<v1::OutputTail> tails = {};
};

// The node itself wants an attempt to end: it takes up too much, or its health check failed.
struct TaskCondemned {
  AttemptKey key;
  v1::AttemptEnd end = v1::ATTEMPT_END_UNSPECIFIED;
  v1::ReasonCode reason = v1::REASON_CODE_UNSPECIFIED;
  std::string message;
  bool at_once = false;  // without its grace
};

// What the readiness check of an attempt says has changed.
struct TaskReadiness {
  AttemptKey key;
  bool ready = false;
};

// Answer to Inspect: nothing of this attempt was ever started.
struct TaskNeverStarted {
  AttemptKey key;
};

// Answer to SampleUsage.
struct UsageSampled {
  v1::Usage node;
  v1::NodeUsage parts;
  std::vector<std::pair<AttemptKey, v1::Usage>> attempts;  // all that run
  std::vector<v1::PeerLatency> latencies;                  // all that are known
  int64_t boot_time_ms = 0;                                // on the clock of AgentCore
  int64_t unix_ms = 0;
};

// Answer to ReadTails.
struct TailsRead {
  std::vector<v1::OutputTail> tails;  // at most 1 MiB of output
};

// The deadline that AgentCore named has passed.
struct DeadlinePassed {};

// Whether the journal's disk is full up to the reserve.
struct JournalSpace {
  bool low = false;
};

// The node offers something else now.
struct InventoryChanged {
  v1::NodeInventory inventory;
};

using Event = std::variant<Began, LinkUp, LinkDown, MessageReceived, TaskStarted, TaskNotStarted,
                           TaskEnded, TaskLost, TaskCondemned, TaskReadiness, TaskNeverStarted,
                           UsageSampled, TailsRead, DeadlinePassed, JournalSpace, InventoryChanged>;

}  // namespace berth::agentd
