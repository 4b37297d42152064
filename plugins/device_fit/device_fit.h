// DeviceFit: accelerators of the right kind, model and memory, whole or shared.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kDeviceFit = "DeviceFit";

// A filter, a score and a reserve. No arguments.
//
// Filter: for each kind asked for, the node has enough healthy devices of an accepted model that
// have what is asked. For a share: as much of the device, and of its memory, is not given away. For
// whole devices: nobody has a part of it, and its memory is large enough. For a box of a torus:
// such devices make one. Score: packs; the part of the node's devices of these kinds that would be
// given away. Skips tasks without devices. Reserve: the devices that plugins which score sets of
// devices have chosen. Where the profile has none, the first candidate set (berth/device_sets.h): a
// share goes to the device with the least left that still holds it, and of whole devices those are
// taken that are best joined.
absl::StatusOr<std::unique_ptr<Plugin>> MakeDeviceFit(const PluginArgs& args,
                                                      PluginContext& context);

}  // namespace berth::plugins
