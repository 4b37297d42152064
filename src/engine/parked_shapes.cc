#include "engine/parked_shapes.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "engine/run_plugins.h"

namespace berth::engine {
namespace {

constexpr TaskKey kNobody{};  // filters may not depend on it

}  // namespace

void ParkedShapes::Park(state::ShapeId shape, const PluginSet& plugins,
                        const TaskRequirements& needs) {
  parked_[shape] = {&plugins, &needs};
}

int64_t ParkedShapes::TakeWork() { return std::exchange(work_, 0); }

std::vector<Slot> ParkedShapes::Improved() const {
  const state::DirtyLog& log = table_.improvements();
  std::vector<Slot> slots;
  if (cursor_ < log.begin() || log.end() - cursor_ >= table_.size()) {
    table_.live().ForEach([&](Slot slot) { slots.push_back(slot); });
    return slots;
  }
  for (uint64_t i = cursor_; i < log.end(); ++i) slots.push_back(log.At(i));
  std::sort(slots.begin(), slots.end());
  slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  return slots;
}

bool ParkedShapes::MayFit(const Waiting& waiting, const std::vector<Slot>& improved) {
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
    if (filter->PassesAll(needs)) continue;
    // Whoever tries the shape next meets the error, and reports it.
    if (!RunFilter(*filter, {needs, kNobody}, table_, mask).ok()) return true;
    if (!mask.Any()) return false;
  }
  return true;
}

std::vector<state::ShapeId> ParkedShapes::Wake() {
  const uint64_t end = table_.improvements().end();
  if (cursor_ == end) return {};
  std::vector<state::ShapeId> woken;
  if (!parked_.empty()) {
    const std::vector<Slot> improved = Improved();
    for (auto it = parked_.begin(); it != parked_.end();) {
      const bool may_fit = MayFit(it->second, improved);
      if (may_fit) woken.push_back(it->first);
      it = may_fit ? parked_.erase(it) : std::next(it);
    }
  }
  cursor_ = end;
  return woken;
}

}  // namespace berth::engine
