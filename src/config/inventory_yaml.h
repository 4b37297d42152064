// A node's declared inventory: the `inventory` section of agent.yaml, or a file of its own.
#pragma once

#include "config/agent_config.h"
#include "yaml/decode.h"
#include "yaml/value.h"

namespace berth::config {

void ReadInventory(const yaml::Node& node, InventoryConfig& inventory);
yaml::Value WriteInventory(const InventoryConfig& inventory);

}  // namespace berth::config
