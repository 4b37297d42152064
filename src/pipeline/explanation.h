// Why a task has no node, or why it would get the one that it would get.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "berth/ids.h"
#include "berth/reason.h"
#include "berth/task_view.h"
#include "pipeline/profile.h"
#include "pipeline/suggestions.h"
#include "state/node_table.h"

namespace berth::pipeline {

// Numbers are those of berth.v1.Placeability; kPlaced and kEnded are facts about a task, which its
// owner sets.
enum class Placeability : uint8_t {
  kFitsNow = 1,    // at least one node passes every filter
  kFitsLater = 2,  // some node could hold it if others' tasks ended or it came back
  kNeverFits = 3,  // no node of the cluster could hold it, even empty, ready and uncordoned
  kPlaced = 4,
  kEnded = 5,
};

// Nodes that one filter removed for one reason. Each node counts once, for the first filter in
// profile order that removed it.
struct FilterOutcome {
  std::string plugin;
  Reason reason = Reason::kNone;
  int64_t nodes = 0;
  // The resource, device kind, label or taint concerned; may be empty.
  std::string subject;
  // Amounts in the units of the wire: thousandths of a core, bytes, bits per second, counts;
  // thousandths of a device where a share is asked for. 0 where no amount is concerned.
  int64_t requested = 0;
  int64_t largest_free = 0;           // on any of these nodes
  int64_t largest_capacity = 0;       // of any of these nodes
  std::vector<std::string> examples;  // up to 3 nodes, the first by name
  std::string text;                   // "8 insufficient memory (largest free 3.2Gi)"

  bool operator==(const FilterOutcome&) const = default;
};

struct PluginScore {
  std::string plugin;
  int64_t score = 0;  // 0 to kMaxScore
  int64_t weight = 0;

  bool operator==(const PluginScore&) const = default;
};

struct NodeScore {
  std::string node;
  Slot slot = kNoSlot;
  int64_t total = 0;
  uint32_t rank = 0;
  std::vector<PluginScore> plugins;  // in profile order

  bool operator==(const NodeScore&) const = default;
};

// What there is to say about a plugin's scores, whatever the node.
struct ScoreNote {
  std::string plugin;
  std::string text;  // "as of epoch 12, 3s ago", or why they count as 0

  bool operator==(const ScoreNote&) const = default;
};

// One answer, of one state. `text` is made from the rest.
struct Explanation {
  Placeability placeability = Placeability::kFitsLater;
  // kNone when it fits now, else kNoNodeFitsNow, kNeverFits or kNoNodes.
  Reason reason = Reason::kNone;
  int64_t nodes_total = 0;
  int64_t nodes_feasible = 0;
  std::vector<FilterOutcome> filters;  // most nodes first, then in profile order
  std::vector<NodeScore> scores;       // best first, at most `top`; only of nodes that fit
  std::vector<ScoreNote> score_notes;
  std::vector<Suggestion> suggestions;  // only when no node fits
  // "0/12 nodes fit: 8 insufficient memory (largest free 3.2Gi), 4 tainted gpu=true", or
  // "cannot ever fit: 2 nodes, largest 12Gi; try --memory 12Gi".
  std::string text;
};

struct ExplainOptions {
  size_t top = 3;  // most entries of Explanation::scores
};

// Explains a task against the table as it is.
//
// Errors: a plugin that could not work, named.
// Cost: cold path; some ten times a placement, and allocates.
absl::StatusOr<Explanation> Explain(const Profile& profile, const TaskView& task,
                                    const state::NodeTable& table,
                                    const ExplainOptions& options = {});

// One node's scores as of now, whether or not it passes the filters: a placed task's own node.
// REQUIRES: a node is in the slot.
absl::StatusOr<NodeScore> ScoreNode(const Profile& profile, const TaskView& task,
                                    const state::NodeTable& table, Slot slot);

}  // namespace berth::pipeline
