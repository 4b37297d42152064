// A profile and a cluster: places, binds, releases and explains.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "builtin.h"
#include "engine/engine.h"
#include "pipeline/explanation.h"
#include "pipeline/profile.h"
#include "pipeline/table_context.h"
#include "tests/support/cluster.h"

namespace berth::testing {

// Threading: one thread. A plugin that cannot work, or a profile that does not compile, ends the
// test program.
class PipelineHarness {
 public:
  // `add_plugins` registers further ones, for the profile to name.
  explicit PipelineHarness(const pipeline::ProfileOptions& options = {}, uint64_t seed = 1,
                           const std::function<void(PluginRegistry&)>& add_plugins = nullptr)
      : cluster(seed), options_(options) {
    plugins::RegisterBuiltinPlugins(registry_);
    if (add_plugins) add_plugins(registry_);
    UseMix({});
  }

  // Makes the plugins anew, with another mix of tasks.
  void UseMix(const state::TaskMix& mix) {
    pipeline::TableContext context(cluster.table().names(), &mix);
    auto compiled = pipeline::CompileProfile(options_, "profiles[0]", registry_, context);
    BERTH_CHECK(compiled.ok()) << base::S(compiled.status().message());
    engine_.Reset();
    profile_.emplace(*std::move(compiled));
  }

  // Where the task would go; changes nothing.
  engine::Placement Place(const TaskRequirements& needs) {
    auto placement = engine_.Place(profile_->placing(), cluster.KeyOf(needs), {needs, {}});
    BERTH_CHECK(placement.ok()) << base::S(placement.status().message());
    return *std::move(placement);
  }
  engine::Placement Place(const TaskBuilder& task) { return Place(cluster.Needs(task)); }

  // Places and takes the resources; the name of the node, "" when none fits.
  std::string Bind(const TaskRequirements& needs) {
    const engine::Placement placement = Place(needs);
    if (placement.slot == kNoSlot) return "";
    cluster.table().Allocate(placement.slot, needs, placement.reservation);
    return cluster.NameOf(placement.slot);
  }
  std::string Bind(const TaskBuilder& task) { return Bind(cluster.Needs(task)); }

  pipeline::Explanation Explain(const TaskRequirements& needs,
                                const pipeline::ExplainOptions& options = {}) {
    auto explanation = pipeline::Explain(*profile_, {needs, {}}, cluster.table(), options);
    BERTH_CHECK(explanation.ok()) << base::S(explanation.status().message());
    return *std::move(explanation);
  }
  pipeline::Explanation Explain(const TaskBuilder& task,
                                const pipeline::ExplainOptions& options = {}) {
    return Explain(cluster.Needs(task), options);
  }

  const pipeline::Profile& profile() const { return *profile_; }
  engine::Engine& engine() { return engine_; }
  const engine::Engine& engine() const { return engine_; }

  Cluster cluster;

 private:
  const pipeline::ProfileOptions options_;
  PluginRegistry registry_;
  std::optional<pipeline::Profile> profile_;
  engine::Engine engine_{cluster.table()};
};

}  // namespace berth::testing
