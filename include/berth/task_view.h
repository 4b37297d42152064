// What a plugin sees of a task.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "berth/computation_class.h"
#include "berth/ids.h"
#include "berth/labels.h"
#include "berth/resources.h"
#include "berth/terms.h"

namespace berth {

// A claim on devices of one kind.
struct DeviceNeed {
  KindId kind;
  int32_t count = 1;
  int32_t share_milli = 1000;   // below 1000 only with count 1
  int32_t memory_mib = 0;       // least memory of each; with a share, the memory taken
  std::vector<ModelId> models;  // any of them; empty: every model
  // Whole devices that make an axis-aligned box of their torus, whichever way it is turned.
  BoxExtents box{};  // their product is `count`

  bool has_box() const { return box[0] != 0; }
  bool operator==(const DeviceNeed&) const = default;
};

// What a task takes of a resource that belongs to no node.
struct SharedUse {
  uint32_t resource = 0;  // number among the cluster's own: NodeColumns::shared_capacity
  KeyId key;           // it is there once in each domain; of the whole cluster there is one domain
  CounterId counter;   // what is taken of it, by domain
  int32_t amount = 1;  // at least 1

  bool operator==(const SharedUse&) const = default;
};

// All of a task that placement can depend on. Tasks with equal requirements get equal answers from
// every plugin of a profile: this is the static part of a shape.
struct TaskRequirements {
  ResourceVector requests{};
  uint32_t resource_count = kFirstExtended;   // columns of `requests` that may be non-zero
  std::vector<SharedUse> shared;              // distinct resources, in order of their numbers
  std::vector<DeviceNeed> devices;            // distinct kinds
  std::vector<LabelId> node_selector;         // the node has all of them; sorted
  std::vector<LabelSelector> required_nodes;  // one of them holds; empty: no condition
  std::vector<PreferredNodes> preferred_nodes;
  std::vector<Toleration> tolerations;
  // Its own rules, and those of other tasks that keep it away (anti-affinity holds both ways: here
  // the counter counts the tasks that have the rule).
  std::vector<TermUse> terms;
  std::vector<TermUse> others_terms;
  // Counters that it is in while it holds resources; sorted, each once.
  std::vector<CounterId> counted_in;
  uint32_t profile = 0;  // index of the profile in the configuration
  // A hint, of what the submitter says, history or the job's text: it may move a score and nothing
  // else.
  std::optional<ComputationClass> bound_by;
  // TaskView::data may be other than empty.
  bool has_data = false;

  bool operator==(const TaskRequirements&) const = default;
};

// Data that a task is thought to read: a hint, as TaskRequirements::bound_by.
struct DataHint {
  // Names under which nodes may have it ("imagenet", "/data/imagenet"): any of them. At least one.
  std::vector<std::string> names;
  int32_t weight = 1;  // how much of all that it reads this is: 1 to 100

  bool operator==(const DataHint&) const = default;
};

// Domains that a task may use at all: those with a node that passes every filter which reads static
// columns alone.
class EligibleDomains {
 public:
  virtual ~EligibleDomains() = default;
  // In rising order. REQUIRES: the key is one of the task's terms.
  virtual std::span<const int32_t> Of(KeyId key) const = 0;
};

// Valid for the duration of a call.
struct TaskView {
  const TaskRequirements& needs;
  TaskKey key;  // for seeds and for messages; an answer that is cached may not depend on it
  // Null: every domain. Given to plugins of scope kDomain and kCluster.
  const EligibleDomains* eligible = nullptr;
  // Given to ReservePlugin: positions of the devices that each need gets on the node, need after
  // need, where plugins that score sets of devices have chosen. Empty: the first candidate set of
  // each (DeviceSets).
  std::span<const uint16_t> chosen_devices = {};
  // Given to ScorePlugin: what a scorer outside of berthd says of the nodes for such tasks, by
  // slot, from 0 to kMaxScore; 0 of what it does not know, and of slots past the end. Empty: there
  // is nothing, or it is stale.
  std::span<const int32_t> outside_scores = {};
  // What this very task reads: not part of its requirements, so that only plugins of scope kSparse
  // may go by it.
  std::span<const DataHint> data = {};
};

}  // namespace berth
