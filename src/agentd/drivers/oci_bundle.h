#pragma once

#include <set>
#include <string>

#include "absl/status/status.h"

namespace berth::agentd {

// What the shim makes a container of; shim/container.h says what is in it. It also names the image,
// so that an agent after this one knows which are in use.
//
// Threading: any; one at a time for each bundle. Errors name the path.

// Makes the directory `bundle` anew, for a task over the root file system `image`, with `config` as
// its config.json. After an error something of it may be there.
absl::Status WriteBundle(const std::string& bundle, const std::string& image,
                         const std::string& config);

// Roots of images that the bundles in `folder` are over. Cost: a readlink(2) for each.
std::set<std::string> ImagesInUse(const std::string& folder);

}  // namespace berth::agentd
