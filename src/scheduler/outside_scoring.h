// What the loop knows of the scorers outside of it: whom they score, what they said, how long that
// holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "berth/plugin_args.h"
#include "engine/engine.h"
#include "pipeline/explanation.h"
#include "scheduler/reply.h"
#include "scheduler/scored_shape_counts.h"
#include "state/cluster_state.h"
#include "state/commands.h"
#include "state/shape_id.h"

namespace berth::scheduler {

// A profile with a plugin that reads scores from outside.
struct ScoredProfile {
  uint32_t profile = 0;  // its number
  std::string name;
  std::string plugin;
  PluginArgs args;
};

// The shapes that tasks of such profiles had last, with a column of scores each while it holds.
//
// A column lies in the node table, where plugins find it through TaskView; here is how long it
// holds. When one comes, goes or is stale, the engine forgets the shape. A shape that tasks have
// asked for is kept for a while after the last of them has gone, so that the next has its scores
// from the start; one with rules between tasks is not, since its counters go with its jobs.
//
// Invariants: at most kMostShapes of each profile; a column is in the table exactly while its entry
// here says that it holds.
//
// Threading: owned by the loop's thread. Cost: nothing for profiles without a scorer.
class OutsideScoring {
 public:
  static constexpr size_t kMostShapes = 1000;
  // Most slots that one command is told of: a turn has bounds.
  static constexpr size_t kSlotsPerRead = 4096;

  // Both outlive this.
  OutsideScoring(state::ClusterState& state, engine::Engine& engine)
      : state_(state), engine_(engine) {}

  // The profiles have changed. What is known of one whose scorer has other arguments now is
  // dropped.
  void Configure(std::vector<ScoredProfile> profiles);

  // Tasks of this shape wait to be placed. REQUIRES: it has users. Cost: O(1) for the shape used
  // last, else O(log shapes).
  void Use(state::ShapeId shape) {
    if (!profiles_.empty()) Use(state_.requirements().Get(shape).profile, shape);
  }

  // FAILED_PRECONDITION: the profile has no scorer, or one with other arguments. `work`: entries of
  // columns touched are added.
  absl::StatusOr<ScoringReply> Read(const state::ReadForScoring& command, int64_t now_ms,
                                    int64_t& work);
  // FAILED_PRECONDITION: as above. INVALID_ARGUMENT: a score out of range, or a wrong number of
  // them; nothing is taken then.
  absl::StatusOr<PutScoresReply> Put(const state::PutScores& command, int64_t now_ms,
                                     int64_t& work);
  absl::Status Note(const state::NoteScorer& command, int64_t now_ms);

  // Drops columns whose time is over.
  void Expire(int64_t now_ms);
  std::optional<int64_t> NextExpiry() const;

  // Says of what epoch a shape's scores are, or why they count as 0.
  void Annotate(state::ShapeId shape, int64_t now_ms, pipeline::Explanation& explanation) const;

  std::vector<ScoredShapeCounts> Counts() const;

 private:
  struct Column {
    uint64_t epoch = 0;
    int64_t read_at_ms = 0;
    int64_t expires_ms = 0;
    bool holds = false;  // false: it has not since expires_ms
  };
  struct Shape {
    state::ShapeKey key;
    bool is_kept = false;                           // this is one of its users
    std::shared_ptr<const state::NeedsSpec> needs;  // null: nobody has asked yet
    std::optional<Column> column;
  };
  using Shapes = std::list<Shape>;
  struct Profile {
    ScoredProfile of;
    uint64_t config = 0;
    Shapes shapes;  // the last used first
    std::map<state::ShapeId, Shapes::iterator> by_id;
    std::optional<int64_t> next_expiry_ms;
    std::string trouble;
  };

  void Use(uint32_t profile, state::ShapeId shape);
  bool IsCurrent(const state::ShapeKey& key) const;
  void DropColumn(Shape& shape);
  void DropLast(Profile& profile);
  absl::StatusOr<Profile*> Find(const std::string& name);
  static void FindNextExpiry(Profile& profile);

  state::ClusterState& state_;
  engine::Engine& engine_;
  std::map<uint32_t, Profile> profiles_;  // by number
  uint64_t next_config_ = 1;
};

}  // namespace berth::scheduler
