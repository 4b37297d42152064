// The `profiles` section of berthd.yaml, in the shape of KubeSchedulerConfiguration.
#pragma once

#include <vector>

#include "config/berthd_config.h"
#include "yaml/decode.h"
#include "yaml/value.h"

namespace berth::config {

void ReadProfiles(yaml::MapReader& parent, std::vector<ProfileConfig>& profiles);
yaml::Value WriteProfiles(const std::vector<ProfileConfig>& profiles);

}  // namespace berth::config
