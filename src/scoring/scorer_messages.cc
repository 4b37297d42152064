#include "scoring/scorer_messages.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/status_macros.h"
#include "berth/resources.h"
#include "wire/amounts.h"
#include "wire/needs.h"
#include "wire/values.h"

namespace berth::scoring {
namespace {

// What a message is sent at; far below what one may have, so that one node more does not matter.
constexpr size_t kMessageBytes = size_t{1} << 20;

absl::Status Wrong(const std::string& what) { return absl::InvalidArgumentError(what); }

// By kind, model and memory, in that order.
void PutDevices(const state::NodePicture& node, v1::ScorerNode& out) {
  std::map<std::tuple<std::string, std::string, int32_t>, v1::ScorerDevices> alike;
  for (size_t i = 0; i < node.devices.size() && i < node.spec->devices.size(); ++i) {
    const DeviceRow& row = node.devices[i];
    const state::DeviceSpec& spec = node.spec->devices[i];
    v1::ScorerDevices& devices = alike[{spec.kind, spec.model, spec.memory_mib}];
    devices.set_count(devices.count() + 1);
    if (!row.healthy) continue;
    devices.set_healthy(devices.healthy() + 1);
    devices.set_idle(devices.idle() + (row.allocated_milli == 0 ? 1 : 0));
    devices.set_free_milli(devices.free_milli() + std::max(0, 1000 - row.allocated_milli));
  }
  for (auto& [key, devices] : alike) {
    devices.set_kind(std::get<0>(key));
    devices.set_model(std::get<1>(key));
    devices.set_memory_bytes(std::get<2>(key) * kMemoryQuantumBytes);
    *out.add_devices() = std::move(devices);
  }
}

void PutNode(const state::NodePicture& node, bool with_inventory, v1::ScorerNodes& out) {
  if (node.spec == nullptr) {
    out.add_emptied_slots(node.slot);
    return;
  }
  v1::ScorerNode& to = *out.add_nodes();
  to.set_slot(node.slot);
  if (with_inventory) {
    v1::ScorerNodeInventory& inventory = *to.mutable_inventory();
    inventory.set_name(node.spec->name);
    inventory.set_generation(node.generation);
    inventory.mutable_labels()->insert(node.spec->labels.begin(), node.spec->labels.end());
    for (const state::TaintSpec& taint : node.spec->taints) {
      *inventory.add_taints() = wire::ToProto(taint);
    }
    *inventory.mutable_capacity() = wire::ToResources(node.spec->capacity);
  }
  *to.mutable_allocated() = wire::ToResources(node.allocated);
  to.set_ready(node.ready);
  to.set_cordoned(node.cordoned);
  to.set_tasks(node.tasks);
  PutDevices(node, to);
}

// A message that is sent when it is large enough.
class Batch {
 public:
  explicit Batch(const std::function<bool(const v1::ScoreRequest&)>& send) : send_(send) {}

  v1::ScoreRequest& message() { return message_; }
  // `bytes` were added to it.
  void Added(size_t bytes) {
    bytes_ += bytes;
    if (bytes_ >= kMessageBytes) Flush();
  }
  void Flush() {
    if (bytes_ > 0 && !is_broken_) is_broken_ = !send_(message_);
    message_.Clear();
    bytes_ = 0;
  }
  bool is_broken() const { return is_broken_; }

 private:
  const std::function<bool(const v1::ScoreRequest&)>& send_;
  v1::ScoreRequest message_;
  size_t bytes_ = 0;
  bool is_broken_ = false;
};

}  // namespace

void SendSnapshot(const Snapshot& snapshot, const ClusterPicture& picture,
                  const std::function<bool(const v1::ScoreRequest&)>& send) {
  v1::ScoreRequest first;
  v1::ScorerSnapshot& head = *first.mutable_snapshot();
  head.set_session(snapshot.session);
  head.set_sequence(snapshot.sequence);
  if (snapshot.base_sequence != 0) head.set_base_sequence(snapshot.base_sequence);
  head.set_epoch(snapshot.epoch);
  head.set_profile(snapshot.profile);
  head.set_slots(static_cast<uint32_t>(snapshot.slots));
  head.set_time_to_live_ms(snapshot.time_to_live_ms);
  if (!send(first)) return;

  Batch nodes(send);
  picture.ForEachNews([&](const state::NodePicture& node, bool with_inventory) {
    if (nodes.is_broken()) return;
    v1::ScorerNodes& to = *nodes.message().mutable_nodes();
    PutNode(node, with_inventory, to);
    nodes.Added(node.spec == nullptr ? sizeof(Slot) : to.nodes(to.nodes_size() - 1).ByteSizeLong());
  });
  nodes.Flush();
  if (nodes.is_broken()) return;

  Batch shapes(send);
  for (const scheduler::ScoringReply::Shape& shape : snapshot.shapes) {
    v1::ScorerShape& to = *shapes.message().mutable_shapes()->add_shapes();
    to.set_id(shape.key.serial);
    wire::PutNeeds(*shape.needs, *to.mutable_needs());
    shapes.Added(to.ByteSizeLong());
    if (shapes.is_broken()) return;
  }
  shapes.Flush();
}

AnswerReader::AnswerReader(const Snapshot& snapshot)
    : snapshot_(snapshot), time_to_live_ms_(snapshot.time_to_live_ms) {
  for (const auto& shape : snapshot.shapes) missing_.emplace(shape.key.serial, shape.key);
}

absl::Status AnswerReader::Take(const v1::ScoreResponse& message) {
  switch (message.part_case()) {
    case v1::ScoreResponse::kAccepted:
      return Accept(message.accepted());
    case v1::ScoreResponse::kColumn:
      return TakeColumn(message.column());
    case v1::ScoreResponse::PART_NOT_SET:
      break;
  }
  return Wrong("it sent a message that is neither accepted nor column");
}

absl::Status AnswerReader::Accept(const v1::ScorerAccepted& accepted) {
  if (is_accepted_) return Wrong("it accepted a snapshot twice");
  if (accepted.sequence() != snapshot_.sequence || accepted.epoch() != snapshot_.epoch) {
    return Wrong("it answered to snapshot " + std::to_string(accepted.sequence()) + " of epoch " +
                 std::to_string(accepted.epoch()) + "; it was asked about snapshot " +
                 std::to_string(snapshot_.sequence) + " of epoch " +
                 std::to_string(snapshot_.epoch));
  }
  is_accepted_ = true;
  if (!accepted.has_time_to_live_ms()) return absl::OkStatus();
  if (accepted.time_to_live_ms() <= 0) {
    return Wrong("it gave its scores a time to live of " +
                 std::to_string(accepted.time_to_live_ms()) + " ms; it must be more than 0");
  }
  time_to_live_ms_ = std::min(time_to_live_ms_, accepted.time_to_live_ms());
  return absl::OkStatus();
}

absl::Status AnswerReader::TakeColumn(const v1::ScoreColumn& column) {
  if (!is_accepted_) return Wrong("it sent a column before it accepted the snapshot");
  const auto shape = missing_.find(column.shape());
  if (shape == missing_.end()) {
    return Wrong("it sent a column for shape " + std::to_string(column.shape()) +
                 ", which it was not asked about or has answered already");
  }
  if (static_cast<size_t>(column.scores_size()) != snapshot_.slots) {
    return Wrong("it gave " + std::to_string(column.scores_size()) + " scores for " +
                 std::to_string(snapshot_.slots) + " slots");
  }
  state::PutScores::Column taken{.shape = shape->second, .scores = {}};
  taken.scores.reserve(snapshot_.slots);
  for (int i = 0; i < column.scores_size(); ++i) {
    if (column.scores(i) > uint32_t{kMaxScore}) {
      return Wrong("it gave slot " + std::to_string(i) + " the score " +
                   std::to_string(column.scores(i)) + ", which is not from 0 to " +
                   std::to_string(kMaxScore));
    }
    taken.scores.push_back(static_cast<int32_t>(column.scores(i)));
  }
  columns_.push_back(std::move(taken));
  missing_.erase(shape);
  return absl::OkStatus();
}

absl::Status AnswerReader::Finish() const {
  if (is_accepted_) return absl::OkStatus();
  return Wrong("it ended its answer without accepting the snapshot");
}

}  // namespace berth::scoring
