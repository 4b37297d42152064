#pragma once

#include "berth/plugin_args.h"
#include "yaml/decode.h"
#include "yaml/value.h"

namespace berth::config {

// A plugin's arguments as the SDK knows them. Places are lost; a path is what a plugin names.
PluginArgs ToPluginArgs(const yaml::Value& value);

// Back, keys in their order. Text under a key that says that it is secret (password, token, ...)
// becomes "(masked)".
yaml::Value ToYaml(const PluginArgs& args);

}  // namespace berth::config
