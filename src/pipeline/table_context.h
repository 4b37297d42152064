// What plugins may ask of the cluster while they are made, answered from the node table's names.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "berth/plugin_registry.h"
#include "state/node_table.h"
#include "state/task_mix.h"

namespace berth::pipeline {

// Interns the names that plugins' arguments mention, so that a profile may name a resource before
// the first node has it.
//
// Threading: the owner of the names.
class TableContext final : public PluginContext {
 public:
  // `names` and `mix`, where one is given, outlive this.
  explicit TableContext(state::Names& names, const state::TaskMix* mix = nullptr)
      : names_(names), mix_(mix) {}

  absl::StatusOr<uint32_t> ResourceColumn(std::string_view name) override {
    return state::ResourceColumn(names_, name);
  }
  KindId DeviceKind(std::string_view name) override { return KindId{names_.kinds.Intern(name)}; }
  ModelId DeviceModel(std::string_view name) override {
    return ModelId{names_.models.Intern(name)};
  }
  LabelId Label(std::string_view key, std::string_view value) override {
    return LabelId{names_.labels.Intern(state::LabelName(key, value))};
  }
  KeyId LabelKey(std::string_view key) override { return KeyId{names_.keys.Intern(key)}; }
  std::vector<MixedTask> TaskMix(KindId kind) override {
    if (mix_ == nullptr) return {};
    return mix_->Of(names_.kinds.Name(kind.value));
  }

 private:
  state::Names& names_;
  const state::TaskMix* mix_;
};

}  // namespace berth::pipeline
