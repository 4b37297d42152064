#include "state/term_table.h"

#include <algorithm>

#include "base/check.h"
#include "base/sort_unique.h"

namespace berth::state {
namespace {

using Labels = std::map<std::string, std::string>;

bool Matches(const LabelRequirementSpec& requirement, const Labels& labels) {
  const auto label = labels.find(requirement.key);
  const bool has_key = label != labels.end();
  const auto is_among = [&] {
    return has_key && std::find(requirement.values.begin(), requirement.values.end(),
                                label->second) != requirement.values.end();
  };
  switch (requirement.op) {
    case SelectorOp::kIn:
      return is_among();
    case SelectorOp::kNotIn:
      return !is_among();
    case SelectorOp::kExists:
      return has_key;
    case SelectorOp::kDoesNotExist:
      return !has_key;
    case SelectorOp::kGreater:
    case SelectorOp::kLess:
      break;  // refused at admission
  }
  return false;
}

bool Matches(const LabelSelectorSpec& selector, const Labels& labels) {
  return std::all_of(selector.begin(), selector.end(),
                     [&](const LabelRequirementSpec& one) { return Matches(one, labels); });
}

// The owners of a rule concern those that it is about when it has something to say about where they
// are together.
bool HasOwners(const TermSpec& term) {
  if (term.selector.empty()) return false;  // all who are meant have the rule themselves
  return term.kind == TermKind::kAntiAffinity ||
         (term.kind == TermKind::kAffinity && term.weight != 0);
}

bool IsNear(const TermSpec& term) {
  return term.kind == TermKind::kNearTasks || term.kind == TermKind::kNearData;
}

std::string LabelIndex(const std::string& ns, const std::string& key) {
  return ns + '\0' + key + '\0';
}

}  // namespace

TermTable::MatcherKey TermTable::KeyOf(const GroupKey& group, const TermSpec& term) {
  MatcherKey key;
  if (term.kind == TermKind::kNearData) {
    key.data = term.data;
    return key;
  }
  if (term.selector.empty()) {
    key.own = group;
    return key;
  }
  key.namespaces = term.namespaces;
  key.selector = term.selector;
  base::SortUnique(key.namespaces);
  for (LabelRequirementSpec& one : key.selector) base::SortUnique(one.values);
  base::SortUnique(key.selector);
  return key;
}

std::vector<std::string> TermTable::PivotsOf(const MatcherKey& key) {
  // The requirement that says most: the fewest values to have one of, else a key to have.
  const LabelRequirementSpec* best = nullptr;
  for (const LabelRequirementSpec& one : key.selector) {
    const bool is_in = one.op == SelectorOp::kIn;
    if (!is_in && one.op != SelectorOp::kExists) continue;
    const bool best_is_in = best != nullptr && best->op == SelectorOp::kIn;
    if (best == nullptr || (is_in && (!best_is_in || one.values.size() < best->values.size()))) {
      best = &one;
    }
  }
  std::vector<std::string> pivots;
  for (const std::string& ns : key.namespaces) {
    if (best == nullptr) {
      pivots.push_back(ns);
    } else if (best->op == SelectorOp::kExists) {
      pivots.push_back(LabelIndex(ns, best->key));
    } else {
      for (const std::string& value : best->values) {
        pivots.push_back(LabelIndex(ns, best->key) + value);
      }
    }
  }
  // A value that is empty looks like the key alone, and lists may name one twice.
  base::SortUnique(pivots);
  return pivots;
}

std::vector<TermTable::Matchers::const_iterator> TermTable::MatchersOf(const JobSpec& spec) const {
  std::vector<Matchers::const_iterator> found;
  const auto look = [&](const std::string& pivot) {
    const auto it = by_pivot_.find(pivot);
    if (it == by_pivot_.end()) return;
    for (const auto& matcher : it->second) {
      if (Matches(matcher->first.selector, spec.labels)) found.push_back(matcher);
    }
  };
  if (by_pivot_.empty()) return found;
  look(spec.ns);
  for (const auto& [key, value] : spec.labels) {
    const std::string with_key = LabelIndex(spec.ns, key);
    look(with_key);
    if (!value.empty()) look(with_key + value);
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a->first < b->first; });
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

void TermTable::MarkAll(JobId job, const JobSpec& spec) {
  for (uint32_t g = 0; g < spec.groups.size(); ++g) stale_.insert({job, g});
}

void TermTable::MarkMatching(const MatcherKey& key) {
  const auto mark = [&](JobId id) {
    const JobSpec& spec = *jobs_.at(id)->spec;
    if (Matches(key.selector, spec.labels)) MarkAll(id, spec);
  };
  for (const std::string& pivot : PivotsOf(key)) {
    const auto separators = std::count(pivot.begin(), pivot.end(), '\0');
    if (separators == 0) {
      for (const auto& [id, job] : jobs_) {
        if (job->spec->ns == pivot && !job->ended()) mark(id);
      }
      continue;
    }
    // What begins with the pivot has the key; a pivot with a value stands for that value alone.
    const bool any_value = pivot.back() == '\0';
    for (auto it = jobs_by_label_.lower_bound(pivot);
         it != jobs_by_label_.end() && it->first.starts_with(pivot); ++it) {
      if (!any_value && it->first != pivot) break;
      for (const JobId id : it->second) mark(id);
    }
  }
}

bool TermTable::Concerned(const JobSpec& spec) const {
  return std::any_of(spec.groups.begin(), spec.groups.end(),
                     [](const GroupSpec& group) { return !group.needs->terms.empty(); }) ||
         !MatchersOf(spec).empty();
}

template <typename Map, typename Key>
bool TermTable::Use(Map& counted, const Key& key, const std::string& topology_key,
                    const std::string& data) {
  const auto [it, is_new] = counted.try_emplace(key);
  if (is_new) {
    it->second.key = KeyId{nodes_.names().keys.Acquire(topology_key)};
    it->second.counter = data.empty() ? nodes_.AddCounter(it->second.key)
                                      : nodes_.AddDataCounter(it->second.key, data);
    it->second.data = data;
  }
  ++it->second.users;
  return is_new;
}

template <typename Map, typename Key>
bool TermTable::Unuse(Map& counted, const Key& key) {
  const auto it = counted.find(key);
  BERTH_CHECK(it != counted.end());
  if (--it->second.users > 0) return false;
  unused_.push_back(it->second);
  counted.erase(it);
  return true;
}

void TermTable::Join(JobId job, const JobSpec& spec) {
  for (uint32_t g = 0; g < spec.groups.size(); ++g) {
    for (const TermSpec& term : spec.groups[g].needs->terms) {
      const auto [it, is_new] = matchers_.try_emplace(KeyOf({job, g}, term));
      if (is_new && it->first.MatchesByLabels()) {
        for (const std::string& pivot : PivotsOf(it->first)) by_pivot_[pivot].push_back(it);
      }
      bool first = Use(it->second.tasks, term.topology_key, term.topology_key, it->first.data);
      if (IsNear(term)) nodes_.WatchNearness(it->second.tasks.at(term.topology_key).key);
      if (HasOwners(term)) {
        const OwnersKey owners{term.kind, term.topology_key, term.weight};
        first |= Use(it->second.owners, owners, term.topology_key);
      }
      if (first) MarkMatching(it->first);
    }
  }
  for (const auto& [key, value] : spec.labels) {
    jobs_by_label_[LabelIndex(spec.ns, key) + value].insert(job);
  }
  if (Concerned(spec)) MarkAll(job, spec);
}

void TermTable::Leave(JobId job, const JobSpec& spec) {
  if (Concerned(spec)) MarkAll(job, spec);
  for (const auto& [key, value] : spec.labels) {
    const auto it = jobs_by_label_.find(LabelIndex(spec.ns, key) + value);
    it->second.erase(job);
    if (it->second.empty()) jobs_by_label_.erase(it);
  }
  for (uint32_t g = 0; g < spec.groups.size(); ++g) {
    for (const TermSpec& term : spec.groups[g].needs->terms) {
      const auto it = matchers_.find(KeyOf({job, g}, term));
      if (IsNear(term)) nodes_.UnwatchNearness(it->second.tasks.at(term.topology_key).key);
      bool last = Unuse(it->second.tasks, term.topology_key);
      if (HasOwners(term)) {
        last |= Unuse(it->second.owners, OwnersKey{term.kind, term.topology_key, term.weight});
      }
      if (!last) continue;
      MarkMatching(it->first);
      if (!it->second.tasks.empty()) continue;
      if (it->first.MatchesByLabels()) {
        for (const std::string& pivot : PivotsOf(it->first)) {
          const auto found = by_pivot_.find(pivot);
          std::erase(found->second, Matchers::const_iterator(it));
          if (found->second.empty()) by_pivot_.erase(found);
        }
      }
      matchers_.erase(it);
    }
  }
}

TaskRules TermTable::RulesOf(const GroupKey& group, const JobSpec& spec) const {
  TaskRules rules;
  const auto count = [&](const Counted& counted) { rules.counted_in.push_back(counted.counter); };
  for (const TermSpec& term : spec.groups[group.group].needs->terms) {
    const auto matcher = matchers_.find(KeyOf(group, term));
    const Counted& tasks = matcher->second.tasks.at(term.topology_key);
    const bool is_own = matcher->first.own.has_value();
    const auto& namespaces = matcher->first.namespaces;
    const bool counts_itself =
        is_own || (std::binary_search(namespaces.begin(), namespaces.end(), spec.ns) &&
                   Matches(matcher->first.selector, spec.labels));
    rules.terms.push_back({.kind = term.kind,
                           .key = tasks.key,
                           .counter = tasks.counter,
                           .weight = term.weight,
                           .max_skew = term.max_skew,
                           .counts_itself = counts_itself});
    if (is_own) count(tasks);
    if (HasOwners(term)) {
      count(matcher->second.owners.at({term.kind, term.topology_key, term.weight}));
    }
  }
  for (const auto& matcher : MatchersOf(spec)) {
    for (const auto& [key, tasks] : matcher->second.tasks) count(tasks);
    for (const auto& [owners, counted] : matcher->second.owners) {
      rules.others_terms.push_back({.kind = owners.kind,
                                    .key = counted.key,
                                    .counter = counted.counter,
                                    .weight = owners.weight});
    }
  }
  base::SortUnique(rules.counted_in);
  return rules;
}

void TermTable::DropUnused() {
  for (const Counted& counted : unused_) {
    if (counted.data.empty()) {
      nodes_.RemoveCounter(counted.counter);
    } else {
      nodes_.RemoveDataCounter(counted.counter, counted.data);
    }
    nodes_.names().keys.Release(counted.key.value);
  }
  unused_.clear();
}

}  // namespace berth::state
