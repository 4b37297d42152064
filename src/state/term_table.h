// Rules between tasks: which jobs' tasks each is about, and the counters that count those.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "berth/ids.h"
#include "berth/terms.h"
#include "state/job_spec.h"
#include "state/job_table.h"
#include "state/node_table.h"
#include "state/requirements_table.h"

namespace berth::state {

struct GroupKey {
  JobId job;
  uint32_t group = 0;
  auto operator<=>(const GroupKey&) const = default;
};

// The rules of the jobs that take part, and for each group what they mean for it: its own rules,
// the rules of others that are about it (anti-affinity holds both ways, and so do preferences), and
// the counters that its tasks are counted in.
//
// Equal selectors over equal namespaces are one matcher, however many groups have them, and all
// rules of a matcher over one topology key share a counter. So a rule that many jobs have costs as
// much as one, and their tasks can have one shape.
//
// Invariants: a counter has a user, a rule of a group that takes part, or waits to be dropped; what
// a rule means for a group follows from the groups that take part alone, not from the order in
// which they came.
//
// Threading: owned by the loop's thread. Cost: what a call says, and O(log rules) for each label of
// the job.
class TermTable {
 public:
  // Both outlive this. `jobs` has every job that takes part, but for one that only visits.
  TermTable(NodeTable& nodes, const JobTable& jobs) : nodes_(nodes), jobs_(jobs) {}

  // A job takes part from now on. `spec` is its own, here and below. Cost: for each rule that
  // nobody had before O(jobs with one of the labels that it asks for); O(jobs) if it asks for none
  // but only excludes some.
  void Join(JobId job, const JobSpec& spec);
  // A job that has joined takes part no longer. Cost: as Join, for rules that nobody has any more.
  void Leave(JobId job, const JobSpec& spec);

  // Takes the groups whose rules have changed since the last call: their own, or those of others.
  std::set<GroupKey> TakeStale() { return std::exchange(stale_, {}); }
  // What the rules mean for a group of a job that takes part.
  TaskRules RulesOf(const GroupKey& group, const JobSpec& spec) const;
  // Gives back the counters that no rule has any more. REQUIRES: what was stale has been given its
  // rules, so that nothing is counted in them.
  void DropUnused();

 private:
  // What rules are about: the tasks of one group, those of all jobs of some namespaces whose labels
  // match, or the nodes that have some data.
  struct MatcherKey {
    std::optional<GroupKey> own;
    std::string data;
    std::vector<std::string> namespaces;
    LabelSelectorSpec selector;
    auto operator<=>(const MatcherKey&) const = default;
    [[nodiscard]] bool MatchesByLabels() const { return !own && data.empty(); }
  };
  // Rules that keep tasks away from their owners, or draw them there.
  struct OwnersKey {
    TermKind kind = TermKind::kAntiAffinity;
    std::string topology_key;
    int32_t weight = 0;
    auto operator<=>(const OwnersKey&) const = default;
  };
  struct Counted {
    CounterId counter;
    KeyId key;
    int64_t users = 0;  // rules
    std::string data;   // not empty: it counts nodes that have it
  };
  struct Matcher {
    std::map<std::string, Counted> tasks;  // those that match, or nodes, by topology key
    std::map<OwnersKey, Counted> owners;   // those that have such a rule
  };
  using Matchers = std::map<MatcherKey, Matcher>;

  static MatcherKey KeyOf(const GroupKey& group, const TermSpec& term);
  // Strings under which a matcher is found; a job has one of them whenever it matches.
  static std::vector<std::string> PivotsOf(const MatcherKey& key);
  // Matchers that a job matches by its labels, in order.
  std::vector<Matchers::const_iterator> MatchersOf(const JobSpec& spec) const;
  void MarkMatching(const MatcherKey& key);
  // Whether any rule concerns the group.
  bool Concerned(const JobSpec& spec) const;
  void MarkAll(JobId job, const JobSpec& spec);
  // One user more, or less; true when it is the first or was the last.
  template <typename Map, typename Key>
  bool Use(Map& counted, const Key& key, const std::string& topology_key,
           const std::string& data = {});
  template <typename Map, typename Key>
  bool Unuse(Map& counted, const Key& key);

  NodeTable& nodes_;
  const JobTable& jobs_;
  Matchers matchers_;
  std::map<std::string, std::vector<Matchers::const_iterator>> by_pivot_;
  std::map<std::string, absl::btree_set<JobId>> jobs_by_label_;  // by namespace, key and value
  std::set<GroupKey> stale_;
  std::vector<Counted> unused_;
};

}  // namespace berth::state
