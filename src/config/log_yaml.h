// The `log` section, which both daemons have.
#pragma once

#include "config/log_config.h"
#include "yaml/decode.h"
#include "yaml/value.h"

namespace berth::config {

void ReadLog(yaml::MapReader& parent, LogConfig& log);
yaml::Value WriteLog(const LogConfig& log);

}  // namespace berth::config
