#include <stdexcept>

#include "berth/plugin_library.h"

namespace {

absl::StatusOr<std::unique_ptr<berth::Plugin>> Make(const berth::PluginArgs&,
                                                    berth::PluginContext&) {
  throw std::runtime_error("out of luck");
}

}  // namespace

BERTH_PLUGINS({"Unlucky", Make});
