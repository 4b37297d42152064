#include "berth/plugin_library.h"

namespace {
void Register(berth::PluginRegistrar&) {}
}  // namespace

BERTH_PLUGIN_LIBRARY(Register);
