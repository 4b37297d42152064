#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "berth/v1/agent.pb.h"

namespace berth::agentd {

// Names an attempt on this node: ordered, small, a map's key.
struct AttemptKey {
  uint64_t job_id = 0;
  uint32_t group = 0;
  uint32_t index = 0;
  uint32_t attempt = 0;

  auto operator<=>(const AttemptKey&) const = default;
};

AttemptKey FromProto(const v1::AttemptKey& key);
v1::AttemptKey ToProto(const AttemptKey& key);

// "12.0.3#1": job, group's position, index and attempt. Names the attempt's directory.
std::string ToString(const AttemptKey& key);
// Nothing when `name` is not such a name.
std::optional<AttemptKey> ParseAttemptKey(std::string_view name);

}  // namespace berth::agentd
