#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "config/berthd_config.h"
#include "yaml/places.h"

namespace berth::config {

struct LoadedBerthdConfig {
  BerthdConfig config;
  // For errors that are found later, as those of a profile's plugins: places.Locate(status).
  yaml::Places places;
};

// Reads berthd.yaml. Strict: unknown keys, wrong types, units and ranges, and keys that this
// version does not honour are refused, all of them in one InvalidArgument, a line each:
//   /etc/berth/berthd.yaml:12:7: profiles[0].name: has no value; ...
// NotFound, PermissionDenied: the file. An empty file gives the defaults.
absl::StatusOr<LoadedBerthdConfig> LoadBerthdConfig(const std::string& path);

// The same of a text; `file` is the name in errors.
absl::StatusOr<LoadedBerthdConfig> ParseBerthdConfig(std::string_view text,
                                                     const std::string& file);

// The configuration in force, defaults included, as a file that ParseBerthdConfig reads back to an
// equal one. Values of plugin arguments whose names say that they are secret are masked.
std::string FormatBerthdConfig(const BerthdConfig& config);

// What differs between two configurations.
struct ReloadDiff {
  // Keys that are in force as soon as the new configuration is ("log.level", "profiles").
  std::vector<std::string> at_once;
  // Keys whose change takes a restart ("dataDir").
  std::vector<std::string> needs_restart;
  // The resources of the cluster are the same by name and key, so that new amounts are in force.
  bool takes_cluster_resources = true;
};

// In the order of the file's documentation.
ReloadDiff CompareForReload(const BerthdConfig& running, const BerthdConfig& reloaded);

}  // namespace berth::config
