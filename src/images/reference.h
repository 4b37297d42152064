#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace berth::images {

// Whether `text` names an image of a registry: [HOST[:PORT]/]NAME[:TAG][@sha256:HEX].
//
// InvalidArgument for all else, above all for what else podman takes in such a place, as
// "docker-archive:/FILE": it would be read with root's rights.
absl::Status CheckReference(std::string_view text);

}  // namespace berth::images
