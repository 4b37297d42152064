#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "agentd/attempt_key.h"
#include "berth/journal/v1/journal.pb.h"
#include "berth/v1/agent.pb.h"
#include "shim/lease_file.h"

// What an agent is to do: the outputs of AgentCore, in order. An effect is carried out only when
// every record noted before it is on disk.
namespace berth::agentd {

// Write to the journal before what follows.
struct Note {
  journal::v1::JournalRecord record;
};

// Write to the journal when it is written anyway: nothing breaks when a crash loses it.
struct NoteLater {
  journal::v1::JournalRecord record;
};

// Start the process of an attempt. Answered by TaskStarted or TaskNotStarted, then TaskEnded or
// TaskLost.
struct Launch {
  AttemptKey key;
  v1::StartTask start;
  // Until when the node's lease was to last when berthd's word was accepted. With on_partition:
  // kill the attempt is not started under another one; TaskLost then.
  int64_t lease_until_ms = 0;
};

// Find out what became of an attempt that an agent before this one had. Answered by
// TaskNeverStarted, TaskLost, TaskStarted (again), TaskEnded: what applies.
struct Inspect {
  AttemptKey key;
  v1::StartTask start;  // without its payload
};

// SIGTERM, and SIGKILL after the grace; 0: at once. No answer but the end.
struct StopAttempt {
  AttemptKey key;
  int64_t grace_ms = 0;
};

// A stop had no effect in time: kill everything without the shim's help.
struct ForceKill {
  AttemptKey key;
};

// The end is noted: what only served to run the attempt may go. Its output stays.
struct TidyAttempt {
  AttemptKey key;
};

// An attempt runs, whether this agent started it or found it: its checks and the size of its
// scratch directory are looked after until TidyAttempt.
struct WatchAttempt {
  AttemptKey key;
  v1::StartTask start;  // without its payload
};

// berthd counts on this node for so long, whatever becomes of the connection. Shims of attempts
// with on_partition: kill end them when it has passed.
struct RenewLease {
  shim::Lease lease;
};

struct Send {
  uint64_t link = 0;
  v1::AgentMessage message;
};

// End a connection; the next is made at once, or after a long pause when a person has to mend
// something first.
struct CloseLink {
  uint64_t link = 0;
  std::string reason;
  bool slow_retry = false;
};

// Measure the node and its running attempts. Answered by UsageSampled.
struct SampleUsage {};

// Measure the way to these nodes, and to no others, from now on.
struct MeasurePeers {
  v1::Peers peers;
};

// Read the ends of output that have grown, for berthd to keep. Answered by TailsRead.
struct ReadTails {
  bool anew = false;                // berthd may know nothing of what it was told before
  std::vector<AttemptKey> running;  // all of them, in order
  std::vector<AttemptKey> ended;    // with `anew`: whose ends berthd has not acknowledged
};

// Dial a data channel and serve what is asked for.
struct OpenDataChannel {
  v1::OpenData request;
};

// For the log.
struct Say {
  enum class Level { kDebug, kInfo, kWarn, kError };
  Level level = Level::kInfo;
  std::string text;
};

using Effect = std::variant<Note, NoteLater, Launch, Inspect, StopAttempt, ForceKill, TidyAttempt,
                            WatchAttempt, RenewLease, Send, CloseLink, SampleUsage, ReadTails,
                            MeasurePeers, OpenDataChannel, Say>;

}  // namespace berth::agentd
