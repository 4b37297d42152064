// Nodes for tests, in the words of the domain.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/quantities.h"
#include "base/strings.h"
#include "state/node_spec.h"

namespace berth::testing {

// "16Gi" in MiB, rounded down. REQUIRES: a valid amount of bytes.
inline int32_t Mib(std::string_view text) {
  const auto bytes = base::ParseBytes(text);
  BERTH_CHECK(bytes.ok()) << base::S(bytes.status().message());
  return static_cast<int32_t>(*bytes >> 20);
}

// NodeBuilder("n1").Cpu(8).Memory("16Gi").Label("zone", "a").Taint("gpu", "true").Gpus(4).Build()
//
// Without more: 8 cores, 16 GiB, no labels, taints or devices.
class NodeBuilder {
 public:
  explicit NodeBuilder(std::string name) {
    spec_.name = std::move(name);
    Cpu(8);
    Memory("16Gi");
  }

  NodeBuilder& Cpu(int32_t cores) { return CpuMilli(cores * 1000); }
  NodeBuilder& CpuMilli(int32_t milli) {
    spec_.capacity.builtin[kCpu] = milli;
    return *this;
  }
  NodeBuilder& Memory(std::string_view text) { return MemoryMib(Mib(text)); }
  NodeBuilder& MemoryMib(int32_t mib) {
    spec_.capacity.builtin[kMemory] = mib;
    return *this;
  }
  NodeBuilder& Storage(std::string_view text) {
    spec_.capacity.builtin[kStorage] = Mib(text);
    return *this;
  }
  NodeBuilder& Bandwidth(int32_t mbit_per_s) {
    spec_.capacity.builtin[kBandwidth] = mbit_per_s;
    return *this;
  }
  NodeBuilder& Extended(std::string name, int32_t amount) {
    spec_.capacity.extended.emplace_back(std::move(name), amount);
    return *this;
  }
  NodeBuilder& Label(std::string key, std::string value) {
    spec_.labels[std::move(key)] = std::move(value);
    return *this;
  }
  NodeBuilder& Taint(std::string key, std::string value = "",
                     TaintEffect effect = TaintEffect::kNoSchedule) {
    spec_.taints.push_back({std::move(key), std::move(value), effect});
    return *this;
  }

  // Appends `count` devices named "<kind><position>".
  NodeBuilder& Devices(const std::string& kind, int count, const std::string& model,
                       std::string_view memory) {
    for (int i = 0; i < count; ++i) {
      state::DeviceSpec device;
      device.id = kind + std::to_string(spec_.devices.size());
      device.kind = kind;
      device.model = model;
      device.memory_mib = Mib(memory);
      spec_.devices.push_back(std::move(device));
    }
    return *this;
  }
  NodeBuilder& Gpus(int count, const std::string& model = "A100",
                    std::string_view memory = "40Gi") {
    return Devices("gpu", count, model, memory);
  }
  // Joins each of these devices, by position, to each other by something fast.
  NodeBuilder& Linked(const std::vector<size_t>& positions) {
    for (size_t from : positions) {
      for (size_t to : positions) {
        if (from != to) spec_.devices[from].fast_peers.push_back(spec_.devices[to].id);
      }
    }
    return *this;
  }
  NodeBuilder& Numa(const std::vector<size_t>& positions, int16_t node) {
    for (size_t position : positions) spec_.devices[position].numa_node = node;
    return *this;
  }
  // Puts all devices into one torus, the first axis first; bit a of `wraps`: axis a does.
  NodeBuilder& Torus(std::array<uint8_t, kTorusAxes> extents, uint8_t wraps = 0) {
    size_t place = 0;
    for (state::DeviceSpec& device : spec_.devices) {
      size_t left = place++;
      device.torus = {.at = {}, .extent = extents, .wraps = wraps};
      for (size_t axis = 0; axis < kTorusAxes; ++axis) {
        device.torus.at[axis] = static_cast<uint8_t>(left % extents[axis]);
        left /= extents[axis];
      }
    }
    return *this;
  }
  NodeBuilder& Sick(size_t position) {
    spec_.devices[position].healthy = false;
    return *this;
  }

  state::NodeSpec Build() const { return spec_; }

 private:
  state::NodeSpec spec_;
};

}  // namespace berth::testing
