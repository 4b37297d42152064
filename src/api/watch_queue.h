// What a watcher has still to be sent.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "berth/ids.h"
#include "berth/v1/scheduler.pb.h"
#include "state/changes.h"
#include "state/principal.h"

namespace berth::api {

// What a watch is about, for whom.
struct WatchFilter {
  state::Principal principal;
  bool jobs = false;
  bool tasks = false;
  bool nodes = false;
  std::optional<JobId> job;  // only this one and its tasks
  std::string ns;            // empty: every namespace that the principal may see

  bool Wants(const state::Change& change) const;
};

// Changes in order of epoch, of each object only the latest: a reader that falls behind gets fewer
// messages, never older ones.
//
// Invariant: entries are in ascending order of epoch; an object has at most one. So when all
// entries up to an epoch have been taken, everything up to that epoch has been.
//
// Threading: one thread at a time.
class WatchQueue {
 public:
  // The reader knows everything up to `taken_epoch`.
  WatchQueue(WatchFilter filter, uint64_t taken_epoch)
      : filter_(std::move(filter)), taken_epoch_(taken_epoch) {}

  // The state of what changed up to `epoch`, as a catch-up has it, in any order.
  void AddCatchUp(std::vector<state::Change> changes, uint64_t epoch);
  // One epoch's changes. One that a catch-up showed already is left out.
  void AddBatch(const std::shared_ptr<const state::ChangeBatch>& batch);

  // Moves entries into `response`, at most about `most_bytes` of them but at least one, and sets
  // its epoch. REQUIRES: something is to be said, that is !empty() or epoch() > taken_epoch().
  void Take(size_t most_bytes, v1::WatchResponse& response);

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  // Up to where changes have come in.
  uint64_t epoch() const { return epoch_; }
  // Up to where everything has been taken.
  uint64_t taken_epoch() const { return taken_epoch_; }

 private:
  // (kind, job, group, position, name): a job has no group, a node only a name.
  using ObjectKey = std::tuple<v1::ObjectKind, TaskKey, std::string>;
  struct Entry {
    uint64_t epoch = 0;
    ObjectKey key;
    // Within its batch, which it keeps.
    std::shared_ptr<const state::Change> change;
  };

  static std::optional<ObjectKey> KeyOf(const state::Change& change);
  void Put(uint64_t epoch, std::shared_ptr<const state::Change> change);

  const WatchFilter filter_;
  std::list<Entry> entries_;
  std::map<ObjectKey, std::list<Entry>::iterator> by_key_;
  uint64_t epoch_ = 0;
  uint64_t taken_epoch_;
};

}  // namespace berth::api
