// Tasks' needs for tests, in the words of the domain.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "state/job_spec.h"
#include "tests/support/node_builder.h"

namespace berth::testing {

// One condition on a label, in words.
inline state::LabelRequirementSpec In(std::string key, std::vector<std::string> values) {
  return {SelectorOp::kIn, std::move(key), std::move(values), 0};
}
inline state::LabelRequirementSpec NotIn(std::string key, std::vector<std::string> values) {
  return {SelectorOp::kNotIn, std::move(key), std::move(values), 0};
}
inline state::LabelRequirementSpec Exists(std::string key) {
  return {SelectorOp::kExists, std::move(key), {}, 0};
}
inline state::LabelRequirementSpec DoesNotExist(std::string key) {
  return {SelectorOp::kDoesNotExist, std::move(key), {}, 0};
}
inline state::LabelRequirementSpec Greater(std::string key, int64_t bound) {
  return {SelectorOp::kGreater, std::move(key), {}, bound};
}
inline state::LabelRequirementSpec Less(std::string key, int64_t bound) {
  return {SelectorOp::kLess, std::move(key), {}, bound};
}

// TaskBuilder().Cpu(2).Memory("4Gi").Tolerates("gpu").Build()
//
// Without more: asks for nothing.
class TaskBuilder {
 public:
  TaskBuilder& Cpu(int32_t cores) { return CpuMilli(cores * 1000); }
  TaskBuilder& CpuMilli(int32_t milli) {
    needs_.requests.builtin[kCpu] = milli;
    return *this;
  }
  TaskBuilder& Memory(std::string_view text) { return MemoryMib(Mib(text)); }
  TaskBuilder& MemoryMib(int32_t mib) {
    needs_.requests.builtin[kMemory] = mib;
    return *this;
  }
  TaskBuilder& Storage(std::string_view text) {
    needs_.requests.builtin[kStorage] = Mib(text);
    return *this;
  }
  TaskBuilder& Bandwidth(int32_t mbit_per_s) {
    needs_.requests.builtin[kBandwidth] = mbit_per_s;
    return *this;
  }
  TaskBuilder& Extended(std::string name, int32_t amount) {
    needs_.requests.extended.emplace_back(std::move(name), amount);
    return *this;
  }
  TaskBuilder& Device(state::DeviceNeedSpec need) {
    needs_.devices.push_back(std::move(need));
    return *this;
  }
  TaskBuilder& Gpus(int32_t count, std::vector<std::string> models = {},
                    std::string_view memory = "0B") {
    return Device({"gpu", count, 1000, Mib(memory), std::move(models), {}});
  }
  TaskBuilder& GpuShare(int32_t milli, std::string_view memory = "0B") {
    return Device({"gpu", 1, milli, Mib(memory), {}, {}});
  }
  TaskBuilder& TpuBox(std::vector<int32_t> extents) {
    state::DeviceNeedSpec need{.kind = "tpu", .models = {}, .box = std::move(extents)};
    for (const int32_t extent : need.box) need.count *= extent;
    return Device(std::move(need));
  }
  TaskBuilder& Selects(std::string key, std::string value) {
    needs_.node_selector[std::move(key)] = std::move(value);
    return *this;
  }
  // One more alternative: all its conditions hold.
  TaskBuilder& Requires(state::LabelSelectorSpec alternative) {
    needs_.required_nodes.push_back(std::move(alternative));
    return *this;
  }
  TaskBuilder& Prefers(int32_t weight, state::LabelSelectorSpec selector) {
    needs_.preferred_nodes.push_back({weight, std::move(selector)});
    return *this;
  }
  TaskBuilder& Tolerates(std::string key, std::optional<std::string> value = std::nullopt,
                         std::optional<TaintEffect> effect = std::nullopt) {
    needs_.tolerations.push_back({std::move(key), std::move(value), effect});
    return *this;
  }

  state::NeedsSpec Build() const { return needs_; }

 private:
  state::NeedsSpec needs_;
};

}  // namespace berth::testing
