// What a node says of itself, in words: the form in which it is registered and kept.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "berth/labels.h"
#include "berth/node_columns.h"
#include "berth/resources.h"

namespace berth::state {

// Amounts by resource, in quanta. Extended ones by name, each name once.
struct Amounts {
  std::array<int32_t, kFirstExtended> builtin{};
  std::vector<std::pair<std::string, int32_t>> extended;

  auto operator<=>(const Amounts&) const = default;
};

struct TaintSpec {
  std::string key;
  std::string value;
  TaintEffect effect = TaintEffect::kNoSchedule;

  bool operator==(const TaintSpec&) const = default;
  auto operator<=>(const TaintSpec&) const = default;
};

// "key=value:NoSchedule", as people write it.
std::string ToString(const TaintSpec& taint);

struct DeviceSpec {
  std::string id;
  std::string kind;
  std::string model;
  int32_t memory_mib = 0;
  int16_t numa_node = -1;  // -1: not known
  bool healthy = true;
  std::vector<std::string> fast_peers;  // devices of this node joined by more than PCIe
  TorusPlace torus;                     // one torus for all devices of a kind

  bool operator==(const DeviceSpec&) const = default;
};

struct NodeSpec {
  std::string name;
  Amounts capacity;
  std::map<std::string, std::string> labels;
  std::vector<TaintSpec> taints;
  std::vector<DeviceSpec> devices;
  std::vector<std::string> data;  // names of the data sets and models that lie there; sorted
  std::string isolation;          // "cgroup-v1", "cgroup-v2", "none"
  std::string address;            // by which other nodes reach it; empty: not known
  std::string agent_version;
  // The inventory as the agent sent it, for lists and for the store; opaque here.
  std::shared_ptr<const std::string> encoded_inventory;
};

}  // namespace berth::state
