#include "engine/engine.h"

#include <algorithm>
#include <array>

#include "base/planted_fault.h"
#include "base/status_macros.h"
#include "engine/run_plugins.h"

namespace berth::engine {

Engine::Engine(const state::NodeTable& table, const Options& options)
    : table_(table), options_(options) {}

void Engine::Reset() {
  shapes_.clear();
  recent_.clear();
  layouts_.clear();
  bytes_ = 0;
}

void Engine::Forget(state::ShapeId shape) {
  if (BERTH_PLANTED(kKeepOutsideScores)) return;
  if (shape < shapes_.size() && shapes_[shape] != nullptr) Drop(shape);
}

int64_t Engine::TakeWork() { return std::exchange(work_, 0); }

void Engine::Charge(const Shape& shape, size_t slots) {
  work_ += static_cast<int64_t>(slots) * shape.columns.passes();
}

void Engine::Drop(state::ShapeId id) {
  bytes_ -= shapes_[id]->bytes;
  recent_.erase(shapes_[id]->recent);
  shapes_[id].reset();
}

void Engine::Account(Shape& shape) {
  bytes_ -= shape.bytes;
  shape.bytes = shape.columns.bytes();
  bytes_ += shape.bytes;
  // The shape in use stays, however large.
  while (bytes_ > options_.memory_bytes && recent_.size() > 1) {
    ++counters_.evictions;
    Drop(recent_.back());
  }
}

Engine::Shape& Engine::Use(const PluginSet& plugins, ShapeKey key, const TaskView& task) {
  ++used_in_trial_;
  if (shapes_.size() <= key.id) shapes_.resize(key.id + 1);
  if (shapes_[key.id] != nullptr && shapes_[key.id]->key != key &&
      !BERTH_PLANTED(kKeepShapeOfNumber)) {
    Drop(key.id);
  }
  std::unique_ptr<Shape>& shape = shapes_[key.id];
  if (shape == nullptr) {
    shape = std::make_unique<Shape>(key, plugins, task.needs);
    shape->recent = recent_.insert(recent_.begin(), key.id);
  } else {
    recent_.splice(recent_.begin(), recent_, shape->recent);
  }
  return *shape;
}

std::span<const Slot> Engine::ChangedSince(const state::DirtyLog& log, uint64_t cursor,
                                           std::span<const Slot> more) {
  changed_.clear();
  seen_.resize(table_.size(), 0);
  if (++pass_ == 0) {  // it came round: no slot may look seen
    std::fill(seen_.begin(), seen_.end(), 0);
    pass_ = 1;
  }
  uint64_t end = log.end();
  if (BERTH_PLANTED(kSkipDirtyEntry) && end > cursor + 1) --end;
  for (uint64_t i = cursor; i < end; ++i) {
    const Slot slot = log.At(i);
    if (std::exchange(seen_[slot], pass_) != pass_) changed_.push_back(slot);
  }
  for (const Slot slot : more) {
    if (std::exchange(seen_[slot], pass_) != pass_) changed_.push_back(slot);
  }
  return changed_;
}

void Engine::UndoTrial() {
  const state::DirtyLog& log = table_.changes();
  const uint64_t mark = table_.trial_mark();
  auto next = recent_.begin();
  for (size_t i = 0; i < used_in_trial_ && next != recent_.end(); ++i, ++next) {
    Shape& shape = *shapes_[*next];
    if (shape.cursor <= mark || BERTH_PLANTED(kCursorAfterUndo)) continue;
    // When the log does not reach back to the mark, it goes on as it is.
    if (log.begin() > mark) continue;
    for (uint64_t number = mark; number < shape.cursor; ++number) {
      shape.undone.push_back(log.At(number));
    }
    shape.cursor = mark;
  }
  used_in_trial_ = 0;
}

bool Engine::ReachesBack(const state::DirtyLog& log, uint64_t cursor) {
  return cursor >= log.begin() || BERTH_PLANTED(kRereadTooLittle);
}

bool Engine::IsNear(const state::DirtyLog& log, uint64_t cursor) const {
  if (BERTH_PLANTED(kRereadTooLittle)) return true;
  return ReachesBack(log, cursor) && (log.end() - cursor) * options_.list_ratio <= table_.size();
}

std::shared_ptr<const CellLayout> Engine::LayoutOf(const std::vector<DomainKey>& keys) {
  const state::DirtyLog& log = table_.static_changes();
  const auto is_right = [&](const Layout& layout) {
    if (layout.cursor < log.begin() || layout.cells->rank_capacity() != table_.rank_capacity()) {
      return false;
    }
    for (uint64_t i = layout.cursor; i < log.end(); ++i) {
      if (!layout.cells->IsRightFor(table_, log.At(i))) return false;
    }
    return true;
  };
  // Those that nobody has any more, and those that are wrong by now, which some may still have.
  std::erase_if(layouts_, [&](Layout& layout) {
    if (layout.cells.use_count() == 1 || !is_right(layout)) return true;
    layout.cursor = log.end();
    return false;
  });
  for (const Layout& layout : layouts_) {
    if (layout.cells->keys() == keys) return layout.cells;
  }
  work_ += static_cast<int64_t>(table_.size());
  layouts_.push_back({std::make_shared<const CellLayout>(table_, keys), log.end()});
  return layouts_.back().cells;
}

absl::Status Engine::RefreshStatic(Shape& shape, const TaskView& task) {
  ShapeColumns& columns = shape.columns;
  const state::DirtyLog& log = table_.static_changes();
  const state::DirtyLog& usage = table_.usage_changes();
  if (!columns.static_reads_usage() || BERTH_PLANTED(kForgetUsage)) {
    shape.usage_cursor = usage.end();
  }
  const bool is_usage_new = shape.usage_cursor != usage.end();
  if (columns.has_static() && shape.static_cursor == log.end() && !is_usage_new) {
    return absl::OkStatus();
  }
  // Cells know nothing of slots that are new: what is planted is to be wrong, not to crash.
  if (BERTH_PLANTED(kForgetStatic) && columns.has_static() && !columns.has_cells()) {
    columns.Grow(table_.size());
    return absl::OkStatus();
  }
  std::span<const Slot> changed;
  const bool is_near = columns.has_static() && IsNear(log, shape.static_cursor) &&
                       (!is_usage_new || IsNear(usage, shape.usage_cursor));
  if (is_near) {
    used_.clear();
    for (uint64_t i = shape.usage_cursor; i < usage.end(); ++i) used_.push_back(usage.At(i));
    changed = ChangedSince(log, shape.static_cursor, used_);
  }
  if (is_near && columns.IsStaticRight(table_, changed)) {
    if (!columns.has_cells()) columns.Grow(table_.size());
    Charge(shape, changed.size());
    BERTH_RETURN_IF_ERROR(columns.UpdateStatic(task, table_, changed, scratch_));
  } else {
    Charge(shape, table_.size());
    BERTH_RETURN_IF_ERROR(columns.SetStatic(
        task, table_, [this](const std::vector<DomainKey>& keys) { return LayoutOf(keys); },
        scratch_));
  }
  shape.static_cursor = log.end();
  shape.usage_cursor = usage.end();
  return absl::OkStatus();
}

absl::Status Engine::Refresh(Shape& shape, const TaskView& task) {
  BERTH_RETURN_IF_ERROR(RefreshStatic(shape, task));
  ShapeColumns& columns = shape.columns;
  const state::DirtyLog& log = table_.changes();
  // However many entries there are, each slot is asked about once.
  const bool is_near =
      columns.scores_devices() ? ReachesBack(log, shape.cursor) : IsNear(log, shape.cursor);
  if (!columns.has_tree() || !is_near) {
    ++counters_.rebuilds;
    Charge(shape, table_.size());
    BERTH_RETURN_IF_ERROR(columns.Rebuild(task, table_, scratch_));
  } else if (shape.cursor != log.end() || !shape.undone.empty()) {
    const std::span<const Slot> changed = ChangedSince(log, shape.cursor, shape.undone);
    ++counters_.updates;
    counters_.updated += static_cast<int64_t>(changed.size());
    Charge(shape, changed.size());
    BERTH_RETURN_IF_ERROR(columns.Update(task, table_, changed, scratch_));
    // The table has grown, and all ranks were drawn again.
    if (shape.rank_capacity != table_.rank_capacity() && !BERTH_PLANTED(kForgetRanks)) {
      columns.Rekey();
    }
  }
  shape.cursor = log.end();
  shape.undone.clear();
  shape.rank_capacity = table_.rank_capacity();
  return absl::OkStatus();
}

absl::StatusOr<Engine::Shape*> Engine::Choose(const PluginSet& plugins, ShapeKey key,
                                              const TaskView& task, Choice& choice) {
  ++work_;
  Shape& shape = Use(plugins, key, task);
  const absl::Status refreshed = Refresh(shape, task);
  Account(shape);
  if (!refreshed.ok()) return refreshed;
  BERTH_RETURN_IF_ERROR(shape.columns.Choose(task, table_, scratch_, choice));
  work_ += static_cast<int64_t>(shape.columns.slots_of_choice());
  return &shape;
}

absl::StatusOr<bool> Engine::Fits(const PluginSet& plugins, ShapeKey key, const TaskView& task) {
  Choice choice;
  BERTH_RETURN_IF_ERROR(Choose(plugins, key, task, choice).status());
  return choice.two.best != kNoSlot;
}

absl::StatusOr<Placement> Engine::Place(const PluginSet& plugins, ShapeKey key,
                                        const TaskView& task) {
  Choice choice;
  BERTH_ASSIGN_OR_RETURN(Shape* const found, Choose(plugins, key, task, choice));
  Shape& shape = *found;
  Placement placement;
  const BestTwo& two = choice.two;
  if (two.best == kNoSlot) return placement;
  placement.nodes_feasible = choice.feasible;
  placement.slot = two.best;
  placement.total = TotalOf(two.best_key);
  if (two.second != kNoSlot) {
    placement.runner_up = two.second;
    placement.runner_up_total = TotalOf(two.second_key);
  }
  TaskView winner = task;
  if (shape.columns.has_cells()) winner.eligible = &shape.columns;
  BERTH_RETURN_IF_ERROR(
      ScoreSlot(plugins, winner, table_, two.best, placement.plugin_scores, scratch_.devices));
  for (const auto& [plugin, score] : choice.cluster_scores) {
    for (size_t i = 0; i < plugins.scores.size(); ++i) {
      if (plugins.scores[i].plugin == plugin) placement.plugin_scores[i] = score;
    }
  }
  winner.chosen_devices = scratch_.devices.devices();
  for (const ReservePlugin* reserve : plugins.reserves) {
    BERTH_RETURN_IF_ERROR(RunReserve(*reserve, winner, table_, two.best, placement.reservation));
  }
  return placement;
}

}  // namespace berth::engine
