// What can be known of a shared object before any of its code runs.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace berth::plugin_dir {

// The bytes of a section of the ELF file at `path`; none when it has no such section.
//
// INVALID_ARGUMENT, without the path: the file cannot be read, is no shared object, or ends before
// its own tables say so, of which the loader of libc would die.
absl::StatusOr<std::optional<std::string>> ReadSection(const std::string& path,
                                                       std::string_view section);

}  // namespace berth::plugin_dir
