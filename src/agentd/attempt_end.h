#pragma once

#include <optional>
#include <string_view>

#include "agentd/agent_event.h"
#include "berth/journal/v1/journal.pb.h"
#include "berth/v1/agent.pb.h"

// How an attempt's end is told to berthd: pure translations, each with the words for people.
namespace berth::agentd {

// From what its shim saw. `stop`: what asked it to stop, if anything did.
v1::AttemptEnded EndedByItself(const TaskOutcome& outcome,
                               const std::optional<journal::v1::StopAsked>& stop,
                               const v1::StartTask& start);

v1::AttemptEnded EndedCouldNotStart(v1::ReasonCode reason, std::string_view message);

v1::AttemptEnded EndedLost(v1::ReasonCode reason, std::string_view message,
                           const std::optional<v1::AttemptStarted>& started);

}  // namespace berth::agentd
