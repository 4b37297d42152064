// Brings a plugin of its own, and one whose name is taken.
#include "berth/plugin_library.h"

namespace {

absl::StatusOr<std::unique_ptr<berth::Plugin>> Make(const berth::PluginArgs&,
                                                    berth::PluginContext&) {
  return absl::UnimplementedError("is not made in this test");
}

}  // namespace

BERTH_PLUGINS({"Own", Make}, {"Taken", Make});
