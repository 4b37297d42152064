// Reads a spec in place: no copy, no allocation. The strings point into the bytes that were parsed.
//
// Threading: none of its own. Errors: ParseSpec() says what is wrong with the bytes in words.
#pragma once

#include <cstddef>
#include <cstdint>

#include "shim/shim_protocol.h"

namespace berth::shim {

inline constexpr uint32_t kMaxCgroups = 8;
inline constexpr uint32_t kMaxGroups = 256;
inline constexpr uint32_t kMaxMounts = 64;

struct SpecView {
  const SpecHeader* header = nullptr;
  const uint32_t* groups = nullptr;
  const char* working_directory = nullptr;
  const char* input_path = nullptr;   // empty: the shim's own
  const char* output_path = nullptr;  // empty: the shim's own
  const char* error_path = nullptr;
  const char* kill_directory = nullptr;
  const char* memory_directory = nullptr;
  const char* lease_path = nullptr;         // empty: not fenced
  const char* network_namespace = nullptr;  // empty: the shim's own
  const char* runtime = nullptr;            // empty: a plain process
  const char* bundle = nullptr;
  const char* image = nullptr;
  const char* cgroup_procs[kMaxCgroups] = {};
  const char* mounts[kMaxMounts] = {};
  const char* mount_targets[kMaxMounts] = {};
  // NULL-terminated, as execve(2) wants them; they lie in the caller's `pointers`.
  char** arguments = nullptr;
  char** environment = nullptr;
};

// Pointers that a spec's arguments and environment need, terminators included; 0 when `data` is too
// short to tell.
size_t PointersNeeded(const char* data, size_t size);

// Fills `view` from `data`, which must be aligned to 8 bytes and outlive it. `pointers` has room
// for PointersNeeded() entries. Returns nullptr, or what is wrong. Cost: two passes over the bytes.
const char* ParseSpec(const char* data, size_t size, char** pointers, SpecView& view);

}  // namespace berth::shim
