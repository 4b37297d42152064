#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "yaml/value.h"

namespace berth::yaml {

// Reads one YAML document. An empty text is null.
//
// Stricter than YAML: refused, each with its line and column, are duplicate keys, keys that are not
// text, anchors, aliases and tags (a few bytes of them can stand for gigabytes), a second document,
// invalid UTF-8 and NUL bytes. Scalars are typed by the core schema of YAML 1.2: `no` is text, and
// what is in quotes always is.
//
// `file` is the name in errors: "job.yaml:3:5: ...". InvalidArgument for every fault of the text;
// also when it has more than `max_bytes`. Cost: O(text); depth is bounded.
absl::StatusOr<Value> ParseYaml(std::string_view text, const std::string& file,
                                std::size_t max_bytes);

// What an unquoted scalar stands for: null, true, 12, 1.5, or else text.
Value ResolvePlainScalar(std::string text);

}  // namespace berth::yaml
