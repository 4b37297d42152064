// Calls a function that nobody has.
#include "berth/plugin_library.h"

void HasBeenForgotten(berth::PluginRegistrar& registrar);

BERTH_PLUGIN_LIBRARY(HasBeenForgotten);
