// From what a turn changed to what the store writes.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "state/changes.h"
#include "store/write_batch.h"

namespace berth::store {

struct BatchEncoderOptions {
  // Epochs whose changed ids are kept, for watches that go on. At least 1.
  int64_t watch_history_epochs = 10'000;
};

// Turns batches of changes into records, and adds what only the store needs: the change log and
// its trimming, the sheets that scores stand for.
//
// Changes that are not durable (JobChange, NodeChange) are in the change log and nowhere else.
//
// Threading: one thread at a time, outside the loop: the store thread.
class BatchEncoder {
 public:
  explicit BatchEncoder(const BatchEncoderOptions& options) : options_(options) {}

  // REQUIRES: epochs rise by one from call to call; specs and contents are not null.
  // Cost: about 1 us a change.
  WriteBatch Encode(const state::ChangeBatch& batch);

 private:
  const BatchEncoderOptions options_;
  bool trimmed_ = false;          // what an earlier run of the daemon kept beyond our bound is gone
  std::set<std::string> sheets_;  // keys of those that this encoder wrote
};

}  // namespace berth::store
