// What would be if tasks were placed, without placing them.
#pragma once

#include "engine/engine.h"
#include "state/node_table.h"

namespace berth::engine {

// From its making on, allocations and releases are on trial: they are undone when it goes, unless
// they are kept. In between the engine places as if they were real.
//
// REQUIRES: no other trial of the table; nothing but allocations and releases changes it; the
// requirements that they were made with outlive this.
// Threading: the loop's thread. Cost: O(1), and for undoing O(what is undone).
class Trial {
 public:
  Trial(state::NodeTable& table, Engine& engine) : table_(table), engine_(engine) {
    table_.BeginTrial();
    engine_.BeginTrial();
  }
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;
  ~Trial() {
    if (kept_) return;
    engine_.UndoTrial();
    table_.UndoTrial();
  }

  void Keep() {
    kept_ = true;
    table_.KeepTrial();
  }

 private:
  state::NodeTable& table_;
  Engine& engine_;
  bool kept_ = false;
};

}  // namespace berth::engine
