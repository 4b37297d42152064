// Registers one plugin, and gives up.
#include <stdexcept>

#include "berth/plugin_library.h"

namespace {

void Register(berth::PluginRegistrar& registrar) {
  registrar.Register("First", [](const berth::PluginArgs&, berth::PluginContext&) {
    return std::unique_ptr<berth::Plugin>();
  });
  throw std::runtime_error("no licence");
}

}  // namespace

BERTH_PLUGIN_LIBRARY(Register);
