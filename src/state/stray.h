// Attempts that run on a node and are no task's current one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "berth/reserve.h"
#include "state/commands.h"
#include "state/requirements_table.h"

namespace berth::state {

// Its room on the node is held until it has ended. Not kept in the store: an agent reports what it
// has at the start of each session.
struct Stray {
  AttemptHolding holding;
  std::optional<AttemptStart> started;
  int64_t since_unix_ms = 0;  // when this process first heard of it
  // True: it was given up, or an operator has said so, and it is told to stop. False: in
  // quarantine. Nothing is known of it here, after a restore from an older snapshot, and it runs on
  // until an operator says otherwise.
  bool is_leaving = false;
  // Task of this state that gets no other attempt as long as this one may run.
  std::optional<TaskKey> holds_back;
  ShapeId shape = 0;  // of what it holds
  Reservation reservation;
};

// "12.3#2", in the words that its agent was told.
inline std::string StrayIdText(const AgentAttempt& attempt, const AttemptHolding& holding) {
  const std::string task = holding.task_id.empty() ? std::to_string(attempt.job.value) + "." +
                                                         std::to_string(attempt.index)
                                                   : holding.task_id;
  return task + "#" + std::to_string(attempt.attempt);
}

// One attempt in quarantine, for answers.
struct StrayView {
  std::string node;
  AgentAttempt attempt;
  AttemptHolding holding;
  int64_t started_unix_ms = 0;  // 0: it has not, or its agent did not say
  int64_t since_unix_ms = 0;
  bool job_known = false;
};

}  // namespace berth::state
