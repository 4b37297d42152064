#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "config/agent_config.h"

namespace berth::config {

// Reads agent.yaml, and the file that its `inventoryFile` names (relative to agent.yaml's folder).
// Strict as LoadBerthdConfig. `host_name` is the machine's: the node's name where the file gives
// none, lower-cased.
absl::StatusOr<AgentConfig> LoadAgentConfig(const std::string& path, const std::string& host_name);

// The same of a text; `file` is the name in errors. Reads no other file: `inventoryFile` is kept,
// and the inventory stays empty.
absl::StatusOr<AgentConfig> ParseAgentConfig(std::string_view text, const std::string& file,
                                             const std::string& host_name);

// Reads an inventory that is a file of its own.
absl::StatusOr<InventoryConfig> ParseInventory(std::string_view text, const std::string& file);

// The configuration in force, defaults included, as a file that ParseAgentConfig reads back to an
// equal one, except that an inventory from a file of its own is written out.
std::string FormatAgentConfig(const AgentConfig& config);

}  // namespace berth::config
