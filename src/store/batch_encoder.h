// From what a turn changed to what the store writes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "state/changes.h"
#include "store/write_batch.h"

namespace berth::store {

struct BatchEncoderOptions {
  // Epochs whose changed ids are kept, for watches that go on. At least 1.
  int64_t watch_history_epochs = 10'000;
};

// Turns batches of changes into records, and adds what only the store needs: the change log and
// its trimming, and the sheets that scores stand for.
//
// Changes that are not durable (JobChange, NodeChange) are in the change log and nowhere else.
//
// Threading: one thread at a time, outside the loop: the store thread.
class BatchEncoder {
 public:
  explicit BatchEncoder(const BatchEncoderOptions& options);

  // REQUIRES: epochs rise by one from call to call; specs and contents are not null.
  // Cost: about 1 us a change.
  WriteBatch Encode(const state::ChangeBatch& batch);

 private:
  // Key of a sheet, which `writes` gets unless it has been written.
  const std::string& KeyOf(const std::shared_ptr<const state::ScoreSheet>& sheet,
                           WriteBatch& writes);
  void TrimChangeLog(uint64_t epoch, WriteBatch& writes);

  const BatchEncoderOptions options_;
  bool trimmed_ = false;  // nothing is left that an earlier run kept beyond our bound
  // Sheets that this encoder wrote. Kept, so that no other sheet gets their address.
  std::map<std::shared_ptr<const state::ScoreSheet>, std::string> sheets_;
};

}  // namespace berth::store
