// agent.yaml into AgentConfig and back.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "config/agent_config.h"

namespace berth::config {

// Reads and checks a file, and the inventoryFile that it names. Errors as LoadBerthdConfig's.
absl::StatusOr<AgentConfig> LoadAgentConfig(const std::string& path);

// As above, of a text; `file` is its name in errors, and the inventory file's relative paths are
// taken from its directory.
absl::StatusOr<AgentConfig> ParseAgentConfig(std::string_view text, const std::string& file);

// The configuration with every default, as YAML that the loader reads back to an equal value.
std::string WriteAgentConfig(const AgentConfig& config);

}  // namespace berth::config
