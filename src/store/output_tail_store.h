// The ends of tasks' output on berthd's disk: what people still see of a node that is gone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "berth/ids.h"
#include "state/output_tails.h"
#include "store/disk_room.h"

namespace berth::store {

struct OutputTailStoreOptions {
  // Made when it is missing; its parent is there. Nothing else may be in it.
  std::string directory;
  // Most that is kept, in bytes of output and of its keys. The oldest jobs' go first. 0: nothing.
  int64_t most_bytes = int64_t{1} << 30;
  // With less left on the file system, nothing is written.
  uint64_t refuse_below_bytes = uint64_t{256} << 20;
  // What waits to be written, in bytes; beyond it tails are dropped.
  size_t most_waiting_bytes = size_t{64} << 20;
};

// A database of its own, beside the state: it is not part of what berthd promises. Writes are not
// synced: a crash of berthd loses none, one of the machine the last few. Whatever goes wrong costs
// tails, is logged once a minute at most, and nothing else.
//
// Threading: any thread. One thread of its own writes.
class OutputTailStore final : public state::OutputTails {
 public:
  // A directory that cannot be used is emptied and made anew; when that fails too, nothing is kept.
  // Cost: some ms, and reading the sizes of what is kept on its own thread.
  static std::unique_ptr<OutputTailStore> Open(const OutputTailStoreOptions& options,
                                               FreeBytes free_bytes = FreeBytesOf);
  ~OutputTailStore() override;

  void Put(const std::string& node, std::vector<state::OutputTail> tails,
           std::function<void()> taken) override;
  std::optional<state::OutputTail> Get(const std::string& node, const state::AgentAttempt& attempt,
                                       bool is_error) override;

  // Drops what belongs to jobs that are forgotten.
  void Forget(std::vector<JobId> jobs);
  // Drops what belongs to jobs that are not there, which `is_there` says on this store's thread.
  void ForgetMissing(std::function<bool(JobId job)> is_there);

  // Writes what was put, and ends the thread: no `taken` is called after this. Idempotent.
  void Stop();
  // Waits until all that was asked before has been done. For tests.
  void Flush();

  struct Stats {
    int64_t bytes = 0;    // as most_bytes counts
    int64_t dropped = 0;  // tails that could not be kept
  };
  Stats stats() const;

 private:
  struct Impl;
  explicit OutputTailStore(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace berth::store
