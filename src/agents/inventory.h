// What agents say of their nodes and attempts, read into the loop's words.
#pragma once

#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "berth/v1/agent.pb.h"
#include "state/commands.h"
#include "state/node_spec.h"
#include "state/output_tails.h"
#include "wire/refusal.h"

namespace berth::agents {

// A node's inventory, amounts rounded down to quanta, with its own bytes kept beside it. A refusal
// lists everything that is wrong, by path.
std::variant<state::NodeSpec, wire::Refusal> ReadNode(std::string_view name,
                                                      std::string_view agent_version,
                                                      const v1::NodeInventory& inventory);

// NodeSpec::encoded_inventory back into a spec, for recovery. Leaves name, agent_version and
// encoded_inventory empty.
absl::StatusOr<state::NodeSpec> DecodeInventory(std::string_view encoded);

// A stream's first message. A refusal says what is wrong with it.
std::variant<state::OpenSession, wire::Refusal> ReadHello(uint64_t stream, const v1::Hello& hello);

// Facts and heartbeats. Numbers of enums that this version does not know become "none"; a fact of
// an unknown sort counts as acceptance, so that its sequence is not lost.
state::AgentFacts ReadFacts(uint64_t stream, const v1::FactBatch& batch);
state::AgentHeartbeat ReadHeartbeat(uint64_t stream, const v1::Heartbeat& heartbeat);

// The ends of output, each cut to its last 32 KiB; what is none is left out.
std::vector<state::OutputTail> ReadTails(const v1::OutputTails& tails);

}  // namespace berth::agents
