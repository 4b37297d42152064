// What the placement of a task depends on, in words: as it was admitted.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "berth/labels.h"
#include "berth/terms.h"
#include "state/node_spec.h"

namespace berth::state {

struct DeviceNeedSpec {
  std::string kind;
  int32_t count = 1;
  int32_t share_milli = 1000;
  int32_t memory_mib = 0;
  std::vector<std::string> models;
  std::vector<int32_t> box;  // extents, as asked for; empty: no box

  auto operator<=>(const DeviceNeedSpec&) const = default;
};

struct LabelRequirementSpec {
  SelectorOp op = SelectorOp::kIn;
  std::string key;
  std::vector<std::string> values;  // kIn, kNotIn
  int64_t bound = 0;                // kGreater, kLess

  auto operator<=>(const LabelRequirementSpec&) const = default;
};
using LabelSelectorSpec = std::vector<LabelRequirementSpec>;

struct PreferredNodesSpec {
  int32_t weight = 1;
  LabelSelectorSpec selector;

  auto operator<=>(const PreferredNodesSpec&) const = default;
};

struct TolerationSpec {
  std::string key;                    // empty: every key
  std::optional<std::string> value;   // absent: every value
  std::optional<TaintEffect> effect;  // absent: every effect

  auto operator<=>(const TolerationSpec&) const = default;
};

// A rule between tasks.
struct TermSpec {
  TermKind kind = TermKind::kSpread;
  std::string topology_key;
  // The tasks that it is about: of jobs of these namespaces whose labels match. Without
  // requirements those of the group that has the rule, and there are no namespaces.
  LabelSelectorSpec selector;
  std::vector<std::string> namespaces;
  std::string data;      // kNearData: the data set or model that it is about, instead of tasks
  int32_t weight = 0;    // 1 to 100 of a preferred rule; 0: required
  int32_t max_skew = 1;  // kSpread

  auto operator<=>(const TermSpec&) const = default;
};

// What placement depends on.
struct NeedsSpec {
  Amounts requests;
  std::vector<DeviceNeedSpec> devices;
  std::map<std::string, std::string> node_selector;
  std::vector<LabelSelectorSpec> required_nodes;
  std::vector<PreferredNodesSpec> preferred_nodes;
  std::vector<TolerationSpec> tolerations;
  std::vector<TermSpec> terms;

  auto operator<=>(const NeedsSpec&) const = default;
};

// Needs that many groups may have in common: jobs come by the thousand with the same ones.
//
// Threading: as a std::shared_ptr to something constant; Edit() is for who builds it.
class SharedNeeds {
 public:
  SharedNeeds();  // none
  SharedNeeds(NeedsSpec needs) : needs_(std::make_shared<NeedsSpec>(std::move(needs))) {}

  const NeedsSpec& operator*() const { return *needs_; }
  const NeedsSpec* operator->() const { return needs_.get(); }
  // Others that have these needs keep them as they are.
  NeedsSpec& Edit() {
    if (needs_.use_count() != 1) needs_ = std::make_shared<NeedsSpec>(*needs_);
    return *needs_;
  }
  // Both are one.
  bool Is(const SharedNeeds& other) const { return needs_ == other.needs_; }

 private:
  std::shared_ptr<NeedsSpec> needs_;  // never null
};

}  // namespace berth::state
