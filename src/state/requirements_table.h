// From a task's needs in words to requirements on interned ids, each distinct one once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "berth/task_view.h"
#include "state/group_hints.h"
#include "state/job_spec.h"
#include "state/node_table.h"
#include "state/shape_id.h"

namespace berth::state {

// What rules between tasks mean for the tasks of one group: the last three fields of requirements.
struct TaskRules {
  std::vector<TermUse> terms;
  std::vector<TermUse> others_terms;
  std::vector<CounterId> counted_in;  // sorted, each once

  bool operator==(const TaskRules&) const = default;
};

// What is thought of a group's tasks, as far as it is part of their shape.
struct TaskTraits {
  std::optional<ComputationClass> bound_by;
  bool has_data = false;

  bool operator==(const TaskTraits&) const = default;
};

TaskTraits TraitsOf(const GroupHints& hints);

// Of everything that tells two requirements apart: users choose these values, and those of one hash
// are told apart one by one.
uint64_t HashOf(const TaskRequirements& needs);

// Interns requirements and counts their users.
//
// Threading: owned by the loop's thread.
class RequirementsTable {
 public:
  // The shape of these needs under a profile, without the rules between tasks, with one user more.
  // FAILED_PRECONDITION names an extended resource that no node ever declared, unless
  // `intern_unknown` (recovery); RESOURCE_EXHAUSTED when there is no column left for it.
  // What the needs name is known to `nodes` for as long as the shape has a user.
  absl::StatusOr<ShapeId> Acquire(const NeedsSpec& needs, uint32_t profile, NodeTable& nodes,
                                  bool intern_unknown, const TaskTraits& traits = {});
  // The shape of the same requirements under other rules, with one user more.
  // REQUIRES: `shape` has a user; `nodes` is the one that it was acquired with.
  ShapeId AcquireUnder(const TaskRules& rules, ShapeId shape, NodeTable& nodes);
  // The same of other traits. REQUIRES: as above.
  ShapeId AcquireWith(const TaskTraits& traits, ShapeId shape, NodeTable& nodes);
  // One user more. REQUIRES: it has one.
  void AddUser(ShapeId shape) { ++shapes_[shape].users; }
  // What came from outside about a shape without users is dropped.
  // REQUIRES: `nodes` is the one that it was acquired with.
  void Release(ShapeId shape, NodeTable& nodes);

  // REQUIRES: the shape has a user. The reference holds while it has.
  const TaskRequirements& Get(ShapeId shape) const { return *shapes_[shape].requirements; }
  bool HasUsers(ShapeId shape) const {
    return shape < shapes_.size() && shapes_[shape].requirements != nullptr;
  }
  // Tells two requirements apart that had the same number one after the other.
  uint64_t serial(ShapeId shape) const { return shapes_[shape].serial; }
  size_t size() const { return shapes_.size(); }

 private:
  // The shape of requirements that are a changed copy of some shape's.
  ShapeId InternCopy(TaskRequirements needs, NodeTable& nodes);
  // The shape of requirements whose names have been acquired for it.
  ShapeId Intern(TaskRequirements needs, NodeTable& nodes);

  struct Entry {
    std::unique_ptr<const TaskRequirements> requirements;  // null: free
    uint64_t hash = 0;
    int64_t users = 0;
    uint64_t serial = 0;
  };

  std::vector<Entry> shapes_;
  std::vector<ShapeId> free_;
  std::multimap<uint64_t, ShapeId> by_hash_;
  uint64_t next_serial_ = 1;
};

}  // namespace berth::state
