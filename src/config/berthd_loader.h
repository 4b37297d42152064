// berthd.yaml into BerthdConfig and back.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "config/berthd_config.h"

namespace berth::config {

// Reads and checks a file. InvalidArgument lists everything that is wrong, a line each:
// "berthd.yaml:12:7: profiles[0].name: is empty". NotFound, PermissionDenied: the file itself.
absl::StatusOr<BerthdConfig> LoadBerthdConfig(const std::string& path);

// As above, of a text; `file` is its name in errors.
absl::StatusOr<BerthdConfig> ParseBerthdConfig(std::string_view text, const std::string& file);

// The configuration with every default, as YAML that the loader reads back to an equal value.
std::string WriteBerthdConfig(const BerthdConfig& config);

// Keys that differ between two configurations and take effect only at a start. What else differs
// (log, profiles) is put in force by a reload.
std::vector<std::string> KeysNeedingRestart(const BerthdConfig& now, const BerthdConfig& next);

}  // namespace berth::config
