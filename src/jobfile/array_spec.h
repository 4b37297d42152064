#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/v1/types.pb.h"

namespace berth::jobfile {

// Bounds of an array, as types.proto states them.
inline constexpr int kMaxIndexRanges = 64;
inline constexpr int64_t kMaxIndex = (int64_t{1} << 31) - 2;
inline constexpr int64_t kMaxTasks = 1'000'000;

// Reads which tasks an array has: "0-99", "1,3,5-8", "0-10:2" (every second), "0-99%10" (at most
// ten at once). Indices ascend and are named once. InvalidArgument quotes the part that is wrong.
// Cost: O(text).
absl::StatusOr<v1::ArraySpec> ParseArraySpec(std::string_view text);

// The same in text; ParseArraySpec reads it back.
std::string FormatArraySpec(const v1::ArraySpec& array);

// How many tasks it has. REQUIRES: ranges as ParseArraySpec makes them.
int64_t CountTasks(const v1::ArraySpec& array);

}  // namespace berth::jobfile
