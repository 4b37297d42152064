#include "scheduler/outside_scoring.h"

#include <algorithm>

#include "base/quantities.h"
#include "base/status_macros.h"
#include "berth/resources.h"
#include "state/node_picture.h"
#include "state/shape_words.h"

namespace berth::scheduler {
namespace {

std::string SecondsText(int64_t ms) { return base::FormatElapsed(std::max<int64_t>(0, ms)); }

}  // namespace

bool OutsideScoring::IsCurrent(const state::ShapeKey& key) const {
  const state::RequirementsTable& shapes = state_.requirements();
  return shapes.HasUsers(key.id) && shapes.serial(key.id) == key.serial;
}

void OutsideScoring::DropColumn(Shape& shape) {
  if (!shape.column || !shape.column->holds) return;
  shape.column->holds = false;
  // Another shape may have the number by now; this one's column went with its last user.
  if (!IsCurrent(shape.key)) return;
  state_.nodes().outside_scores().Drop(shape.key.id);
  engine_.Forget(shape.key.id);
}

void OutsideScoring::DropLast(Profile& profile) {
  Shape& shape = profile.shapes.back();
  DropColumn(shape);
  profile.by_id.erase(shape.key.id);
  if (shape.is_kept) state_.requirements().Release(shape.key.id, state_.nodes());
  profile.shapes.pop_back();
}

void OutsideScoring::Configure(std::vector<ScoredProfile> profiles) {
  for (auto it = profiles_.begin(); it != profiles_.end();) {
    const bool stays = std::any_of(profiles.begin(), profiles.end(), [&](const auto& profile) {
      return profile.profile == it->first;
    });
    if (!stays) {
      while (!it->second.shapes.empty()) DropLast(it->second);
    }
    it = stays ? std::next(it) : profiles_.erase(it);
  }
  for (ScoredProfile& now : profiles) {
    Profile& profile = profiles_[now.profile];
    const bool is_same =
        profile.config != 0 && profile.of.args == now.args && profile.of.plugin == now.plugin;
    profile.of = std::move(now);
    if (is_same) continue;
    profile.config = next_config_++;
    profile.next_expiry_ms.reset();
    profile.trouble.clear();
    for (Shape& shape : profile.shapes) {
      DropColumn(shape);
      shape.column.reset();
    }
  }
}

void OutsideScoring::Use(uint32_t number, state::ShapeId id) {
  const auto found = profiles_.find(number);
  if (found == profiles_.end()) return;
  Profile& profile = found->second;
  const state::ShapeKey key{id, state_.requirements().serial(id)};
  if (!profile.shapes.empty() && profile.shapes.front().key == key) return;
  if (const auto known = profile.by_id.find(id); known != profile.by_id.end()) {
    Shapes& shapes = profile.shapes;
    shapes.splice(shapes.begin(), shapes, known->second);
    if (shapes.front().key == key) return;
    // The number was another shape's, which had no user left and so no column either.
    shapes.pop_front();
    profile.by_id.erase(known);
  }
  const TaskRequirements& needs = state_.requirements().Get(id);
  const bool may_keep =
      needs.terms.empty() && needs.others_terms.empty() && needs.counted_in.empty();
  if (may_keep) state_.requirements().AddUser(id);
  profile.shapes.push_front({.key = key, .is_kept = may_keep});
  profile.by_id[id] = profile.shapes.begin();
  if (profile.shapes.size() > kMostShapes) DropLast(profile);
}

absl::StatusOr<OutsideScoring::Profile*> OutsideScoring::Find(const std::string& name) {
  for (auto& [number, profile] : profiles_) {
    if (profile.of.name == name) return &profile;
  }
  return absl::FailedPreconditionError("profile \"" + name + "\": it has no scorer any more");
}

absl::StatusOr<ScoringReply> OutsideScoring::Read(const state::ReadForScoring& command,
                                                  int64_t now_ms, int64_t& work) {
  BERTH_ASSIGN_OR_RETURN(Profile* const profile, Find(command.profile));
  if (profile->of.args != command.args) {
    return absl::FailedPreconditionError("profile \"" + command.profile +
                                         "\": its scorer has other arguments now");
  }
  ScoringReply reply;
  reply.config = profile->config;
  reply.epoch = state_.meta().epoch;
  reply.now_ms = now_ms;
  reply.page = state::ReadPictures(state_.nodes(), command.after, kSlotsPerRead);
  // A picture has about as many entries as a node has resources.
  work += static_cast<int64_t>(reply.page.nodes.size() * kMaxResources);
  if (!reply.page.complete) return reply;

  reply.slots = state_.nodes().size();
  for (Shape& shape : profile->shapes) {
    if (reply.shapes.size() >= std::min(command.most_shapes, kMostShapes)) break;
    if (!IsCurrent(shape.key)) continue;
    if (shape.needs == nullptr) {
      shape.needs = std::make_shared<const state::NeedsSpec>(
          state::WordsOf(state_.requirements().Get(shape.key.id), state_.nodes()));
    }
    reply.shapes.push_back({.key = shape.key,
                            .needs = shape.needs,
                            .has_scores = shape.column && shape.column->holds});
  }
  work += static_cast<int64_t>(reply.shapes.size() * kMaxResources);
  return reply;
}

absl::StatusOr<PutScoresReply> OutsideScoring::Put(const state::PutScores& command, int64_t now_ms,
                                                   int64_t& work) {
  BERTH_ASSIGN_OR_RETURN(Profile* const profile, Find(command.profile));
  if (profile->config != command.config) {
    return absl::FailedPreconditionError("profile \"" + command.profile +
                                         "\": its scorer has other arguments now");
  }
  const std::vector<uint32_t>& generations = *command.generations;
  for (const state::PutScores::Column& column : command.columns) {
    work += static_cast<int64_t>(column.scores.size()) * 2;
    const bool in_range =
        std::all_of(column.scores.begin(), column.scores.end(),
                    [](int32_t score) { return score >= 0 && score <= kMaxScore; });
    if (column.scores.size() == generations.size() && in_range) continue;
    return absl::InvalidArgumentError("profile \"" + command.profile +
                                      "\": its scores are out of range, or not one for each slot");
  }

  PutScoresReply reply;
  const state::NodeTable& nodes = state_.nodes();
  for (const state::PutScores::Column& column : command.columns) {
    const auto known = profile->by_id.find(column.shape.id);
    const bool is_known = known != profile->by_id.end() && known->second->key == column.shape &&
                          IsCurrent(column.shape);
    const int64_t expires_ms = command.read_at_ms + command.time_to_live_ms;
    if (!is_known || expires_ms <= now_ms) {
      ++reply.refused;
      continue;
    }
    std::vector<int32_t> scores(column.scores);
    scores.resize(std::min(scores.size(), nodes.size()));
    for (Slot slot = 0; slot < scores.size(); ++slot) {
      if (nodes.generation(slot) != generations[slot]) scores[slot] = 0;
    }
    Shape& shape = *known->second;
    const bool had = shape.column && shape.column->holds;
    const bool differs = state_.nodes().outside_scores().Put(column.shape.id, std::move(scores));
    if (differs || !had) engine_.Forget(column.shape.id);
    shape.column = {.epoch = command.epoch,
                    .read_at_ms = command.read_at_ms,
                    .expires_ms = expires_ms,
                    .holds = true};
    profile->next_expiry_ms = std::min(profile->next_expiry_ms.value_or(expires_ms), expires_ms);
    ++reply.taken;
  }
  return reply;
}

absl::Status OutsideScoring::Note(const state::NoteScorer& command, int64_t now_ms) {
  BERTH_ASSIGN_OR_RETURN(Profile* const profile, Find(command.profile));
  if (profile->config != command.config) return absl::OkStatus();
  profile->trouble = command.trouble;
  if (!command.is_given_up) return absl::OkStatus();
  for (Shape& shape : profile->shapes) {
    if (!shape.column || !shape.column->holds) continue;
    shape.column->expires_ms = now_ms;
    DropColumn(shape);
  }
  profile->next_expiry_ms.reset();
  return absl::OkStatus();
}

void OutsideScoring::FindNextExpiry(Profile& profile) {
  profile.next_expiry_ms.reset();
  for (const Shape& shape : profile.shapes) {
    if (!shape.column || !shape.column->holds) continue;
    const int64_t expires = shape.column->expires_ms;
    profile.next_expiry_ms = std::min(profile.next_expiry_ms.value_or(expires), expires);
  }
}

void OutsideScoring::Expire(int64_t now_ms) {
  for (auto& [number, profile] : profiles_) {
    if (!profile.next_expiry_ms || *profile.next_expiry_ms > now_ms) continue;
    for (Shape& shape : profile.shapes) {
      if (shape.column && shape.column->expires_ms <= now_ms) DropColumn(shape);
    }
    FindNextExpiry(profile);
  }
}

std::optional<int64_t> OutsideScoring::NextExpiry() const {
  std::optional<int64_t> next;
  for (const auto& [number, profile] : profiles_) {
    if (!profile.next_expiry_ms) continue;
    next = std::min(next.value_or(*profile.next_expiry_ms), *profile.next_expiry_ms);
  }
  return next;
}

void OutsideScoring::Annotate(state::ShapeId id, int64_t now_ms,
                              pipeline::Explanation& explanation) const {
  const auto found = profiles_.find(state_.requirements().Get(id).profile);
  if (found == profiles_.end()) return;
  const Profile& profile = found->second;
  const auto known = profile.by_id.find(id);
  const Column* column = nullptr;
  if (known != profile.by_id.end() && IsCurrent(known->second->key) && known->second->column) {
    column = &*known->second->column;
  }
  std::string text;
  if (column != nullptr && column->holds) {
    text = "as of epoch " + std::to_string(column->epoch) + ", " +
           SecondsText(now_ms - column->read_at_ms) + " ago";
  } else if (column != nullptr) {
    text = "counts as 0: its scores are stale since " + SecondsText(now_ms - column->expires_ms);
  } else {
    text = "counts as 0: it has not scored such tasks yet";
  }
  if (!profile.trouble.empty()) text += "; " + profile.trouble;
  explanation.score_notes.push_back({profile.of.plugin, std::move(text)});
  if (column != nullptr && column->holds) return;
  for (pipeline::NodeScore& node : explanation.scores) {
    for (pipeline::PluginScore& score : node.plugins) {
      if (score.plugin == profile.of.plugin) score.weight = 0;
    }
  }
}

std::vector<ScoredShapeCounts> OutsideScoring::Counts() const {
  std::vector<ScoredShapeCounts> all;
  for (const auto& [number, profile] : profiles_) {
    ScoredShapeCounts counts{.profile = profile.of.name};
    for (const Shape& shape : profile.shapes) {
      if (!IsCurrent(shape.key)) continue;
      ++(!shape.column ? counts.unscored : shape.column->holds ? counts.scored : counts.stale);
    }
    all.push_back(std::move(counts));
  }
  return all;
}

}  // namespace berth::scheduler
