// What the loop wants done outside. Held back until the epoch that caused it is durable.
//
// Every effect here can be derived again: a directive from the task's row and its sequence, an
// acknowledgement from the link's record. Nothing is lost when the process dies before it is done.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "berth/reason.h"
#include "state/commands.h"
#include "state/job_spec.h"
#include "state/views.h"

namespace berth::state {

// Header of every directive of a session.
struct SessionHeader {
  std::string cluster_id;
  uint32_t generation = 0;
  uint64_t term = 0;
  uint64_t session = 0;
  std::string incarnation;
};

// Answers a Hello.
struct WelcomeAgent {
  uint64_t stream = 0;
  SessionHeader header;
  int64_t heartbeat_interval_ms = 0;
  int64_t lease_ms = 0;
  uint64_t fact_sequence = 0;
};

// Ends a stream: a refused Hello, or a session that another has replaced.
struct RefuseAgent {
  uint64_t stream = 0;
  Reason reason = Reason::kNone;
  std::string message;
};

// Everything of a StartTask but the payload, which the dispatcher takes from the blob.
struct StartTask {
  uint64_t sequence = 0;
  AgentAttempt attempt;
  JobId job;
  std::shared_ptr<const JobSpec> spec;
  uint32_t group = 0;
  uint32_t position = 0;
  RunAs run_as;
  std::vector<std::string> device_ids;
  int32_t device_share_milli = 0;  // 0: whole devices
  int32_t device_memory_mib = 0;   // held on a shared device
  int32_t memory_mib = 0;          // instead of the group's; 0: the group's
};

struct StopTask {
  uint64_t sequence = 0;
  AgentAttempt attempt;
  AttemptEnd end = AttemptEnd::kCancelled;
};

struct ForgetAttempt {
  uint64_t sequence = 0;
  AgentAttempt attempt;
};

using Directive = std::variant<StartTask, StopTask, ForgetAttempt>;

// To one session, in rising order of sequence.
struct SendDirectives {
  uint64_t stream = 0;
  SessionHeader header;
  std::vector<Directive> directives;
};

struct AckFacts {
  uint64_t stream = 0;
  uint64_t sequence = 0;
};

struct AckHeartbeat {
  uint64_t stream = 0;
  uint64_t sequence = 0;
};

struct Peer {
  std::string node;
  std::string address;

  bool operator==(const Peer&) const = default;
};

// Whom to measure the way to, in place of those before.
struct SendPeers {
  uint64_t stream = 0;
  std::vector<Peer> peers;
};

using AgentEffect =
    std::variant<WelcomeAgent, RefuseAgent, SendDirectives, AckFacts, AckHeartbeat, SendPeers>;

}  // namespace berth::state
