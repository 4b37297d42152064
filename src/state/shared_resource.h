// Resources that belong to no node: licences, shared storage, a rack's uplink.
#pragma once

#include <cstdint>
#include <string>

#include "berth/ids.h"
#include "berth/terms.h"

namespace berth::state {

// The domain that every node is in, of a resource that the whole cluster has once.
inline constexpr int32_t kWholeCluster = 0;

// As the configuration has it.
struct SharedResourceSpec {
  std::string name;
  std::string topology_key;  // there is `capacity` in each domain; empty: in the whole cluster
  int32_t capacity = 0;      // 0 to kMaxQuanta

  bool operator==(const SharedResourceSpec&) const = default;
};

struct SharedResource {
  std::string name;
  std::string topology_key;
  int32_t capacity = 0;  // in each domain
  KeyId key;
  CounterId counter;          // what is taken, by domain
  bool is_configured = true;  // may be asked for
};

}  // namespace berth::state
