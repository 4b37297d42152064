#pragma once

#include <functional>
#include <string_view>

#include "absl/status/status.h"
#include "store/tables.h"

namespace berth::store {

// Takes one record of a state that is being built.
using RecordSink =
    std::function<absl::Status(Table table, std::string_view key, std::string_view value)>;

}  // namespace berth::store
