// Arguments of RemoteScorer, which its plugin checks and berthd's client works by.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "berth/plugin_args.h"

namespace berth::plugins {

// In a profile, with their defaults:
//   address: unix:/run/berth/scorer.sock   # or a port on this machine: 127.0.0.1:7470
//   timeout: 2s            # of one call; 10ms to 5m
//   interval: 10s          # between calls; 100ms to 1h
//   timeToLive: 1m         # of scores, from the state that was scored; interval + timeout to 24h.
//                          # With a long interval the default is twice these two
//   maxShapes: 100         # that are scored, those used last; 1 to 1000
//   failures: 3            # calls in a row after which the breaker opens; 1 to 100
//   longestPause: 1m       # between tries while it is open; 1s to 1h
struct RemoteScorerArgs {
  std::string address = "unix:/run/berth/scorer.sock";
  int64_t timeout_ms = 2000;
  int64_t interval_ms = 10'000;
  int64_t time_to_live_ms = 60'000;
  int64_t most_shapes = 100;
  int64_t failures = 3;
  int64_t longest_pause_ms = 60'000;

  bool operator==(const RemoteScorerArgs&) const = default;
};

// INVALID_ARGUMENT begins with the path of what is wrong.
absl::StatusOr<RemoteScorerArgs> ReadRemoteScorerArgs(const PluginArgs& args);

}  // namespace berth::plugins
