// What placement looks at, in a job file: resources, devices, where a task may run, beside whom.
#pragma once

#include "berth/v1/types.pb.h"
#include "yaml/decode.h"
#include "yaml/value.h"

namespace berth::jobfile {

// Reads the keys from `resources` to `terms`. What is wrong is reported to the map's problems.
void ReadPlacement(yaml::MapReader& map, v1::TaskTemplate& task);
// Writes them in that order; what is absent is left out.
void WritePlacement(yaml::Value& map, const v1::TaskTemplate& task);

}  // namespace berth::jobfile
