// The domains that a task may use, for explanations.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "berth/node_columns.h"
#include "berth/task_view.h"
#include "pipeline/profile.h"

namespace berth::pipeline {

// Domains with a node that passes every filter which reads static columns alone, and that has every
// label which some plugin requires. Found once, from a table that does not change while this is
// used.
class DomainsByScan final : public EligibleDomains {
 public:
  // nullopt: no plugin of the profile asks about domains for such a task. Errors: a plugin that
  // could not work, named. Cost: one pass for each static filter, O(nodes) for each key.
  static absl::StatusOr<std::optional<DomainsByScan>> Find(const Profile& profile,
                                                           const TaskView& task,
                                                           const NodeColumns& columns);

  std::span<const int32_t> Of(KeyId key) const override;

 private:
  std::map<KeyId, std::vector<int32_t>> domains_;
};

}  // namespace berth::pipeline
