#include "engine/parked_shapes.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/sort_unique.h"
#include "engine/run_plugins.h"

namespace berth::engine {
namespace {

constexpr TaskKey kNobody{};  // filters may not depend on it

}  // namespace

void ParkedShapes::Park(state::ShapeId shape, const PluginSet& plugins,
                        const TaskRequirements& needs) {
  Waiting waiting{.plugins = &plugins, .needs = &needs};
  const auto refusal = RefusedBy(plugins, needs);
  if (refusal.ok() && refusal->has_value()) {
    waiting.is_refused = true;
    parked_[shape] = waiting;
    return;
  }
  for (const FilterPlugin* filter : plugins.filters) {
    const auto passes_all = PassesAll(*filter, needs);
    if (passes_all.ok() && *passes_all) continue;
    if (!passes_all.ok()) waiting.watch = Watch::kEverything;
    if (filter->scope() == Scope::kDomain) waiting.watch = std::max(waiting.watch, Watch::kRules);
    if (filter->scope() == Scope::kCluster) waiting.watch = Watch::kEverything;
  }
  if (waiting.watch == Watch::kRules) waiting.counters = VersionOf(needs);
  if (waiting.watch != Watch::kNothing) watching_.insert(shape);
  parked_[shape] = waiting;
}

ParkedShapes::Cursors ParkedShapes::Now() const {
  return {.improvements = table_.improvements().end(),
          .static_changes = table_.static_changes().end(),
          .changes = table_.changes().end(),
          .counters = table_.topology().version()};
}

uint64_t ParkedShapes::VersionOf(const TaskRequirements& needs) const {
  uint64_t sum = 0;
  for (const std::vector<TermUse>* terms : {&needs.terms, &needs.others_terms}) {
    for (const TermUse& term : *terms) {
      // What is only preferred keeps nobody away.
      if (term.weight == 0) sum += table_.topology().version(term.counter);
    }
  }
  for (const SharedUse& use : needs.shared) sum += table_.topology().version(use.counter);
  return sum;
}

bool ParkedShapes::HasOpened(const Waiting& waiting, const Cursors& now) const {
  switch (waiting.watch) {
    case Watch::kNothing:
      return false;
    case Watch::kRules:
      return now.static_changes != seen_.static_changes ||
             (now.counters != seen_.counters && VersionOf(*waiting.needs) != waiting.counters);
    case Watch::kEverything:
      return now.changes != seen_.changes || now.static_changes != seen_.static_changes;
  }
  return false;
}

int64_t ParkedShapes::TakeWork() { return std::exchange(work_, 0); }

std::vector<Slot> ParkedShapes::Improved() const {
  const state::DirtyLog& log = table_.improvements();
  std::vector<Slot> slots;
  const uint64_t cursor = seen_.improvements;
  if (cursor == log.end()) return slots;
  if (cursor < log.begin() || log.end() - cursor >= table_.size()) {
    table_.live().ForEach([&](Slot slot) { slots.push_back(slot); });
    return slots;
  }
  for (uint64_t i = cursor; i < log.end(); ++i) slots.push_back(log.At(i));
  base::SortUnique(slots);
  return slots;
}

bool ParkedShapes::MayFit(const Waiting& waiting, const std::vector<Slot>& improved) {
  if (waiting.is_refused) return false;
  const TaskRequirements& needs = *waiting.needs;
  // Most of what is freed is too little of something: that is found without asking anybody.
  struct Asked {
    const int32_t* capacity;
    const int32_t* allocated;
    int32_t request;
  };
  std::array<Asked, kMaxResources> asked;
  size_t resources = 0;
  for (ResourceIndex i = 0; i < needs.resource_count; ++i) {
    if (needs.requests[i] == 0) continue;
    asked[resources++] = {table_.capacity(i).data(), table_.allocated(i).data(), needs.requests[i]};
  }
  work_ += static_cast<int64_t>(improved.size());
  candidates_.clear();
  for (const Slot slot : improved) {
    bool fits = table_.live().Test(slot);
    for (size_t i = 0; i < resources; ++i) {
      fits &= asked[i].allocated[slot] + asked[i].request <= asked[i].capacity[slot];
    }
    if (fits) candidates_.push_back(slot);
  }
  if (candidates_.empty()) return false;

  work_ += static_cast<int64_t>(candidates_.size() * waiting.plugins->filters.size());
  words_.assign(WordsFor(candidates_.size()), ~uint64_t{0});
  if (candidates_.size() % 64 != 0) {
    words_.back() = (uint64_t{1} << (candidates_.size() % 64)) - 1;
  }
  SlotMask mask(SlotSpan::List(candidates_), words_);
  for (const FilterPlugin* filter : waiting.plugins->filters) {
    // What looks at more than the node was asked about elsewhere.
    if (filter->scope() != Scope::kNode) continue;
    // Whoever tries the shape next meets an error, and reports it.
    const auto passes_all = PassesAll(*filter, needs);
    if (!passes_all.ok()) return true;
    if (*passes_all) continue;
    if (!RunFilter(*filter, {needs, kNobody}, table_, mask).ok()) return true;
    if (!mask.Any()) return false;
  }
  return true;
}

std::vector<state::ShapeId> ParkedShapes::Wake() {
  const Cursors now = Now();
  if (seen_ == now) return {};
  std::vector<state::ShapeId> woken;
  const std::vector<Slot> improved = parked_.empty() ? std::vector<Slot>() : Improved();
  if (!improved.empty()) {
    for (const auto& [shape, waiting] : parked_) {
      if (HasOpened(waiting, now) || MayFit(waiting, improved)) woken.push_back(shape);
    }
  } else {
    work_ += static_cast<int64_t>(watching_.size());
    for (const state::ShapeId shape : watching_) {
      if (HasOpened(parked_.at(shape), now)) woken.push_back(shape);
    }
  }
  for (const state::ShapeId shape : woken) Remove(shape);
  seen_ = now;
  return woken;
}

}  // namespace berth::engine
