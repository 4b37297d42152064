#pragma once

#include <google/protobuf/message.h>

#include "yaml/value.h"

namespace berth::cli {

// A message of the wire as the tree that -o json and -o yaml print.
//
// Keys are in camelCase. Numbers are numbers; enums are the words that tables use ("running"), but
// reason codes keep their stable names. What is not set, and empty text and lists, are left out;
// other zeros are there. A JobSpec takes the shape of a job file, so that it can be submitted
// again. Cost: O(message), by reflection.
yaml::Value MessageToValue(const google::protobuf::Message& message);

}  // namespace berth::cli
