#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agentd/attempt_key.h"
#include "agentd/drivers/process_driver.h"
#include "base/clock.h"
#include "base/unique_fd.h"

namespace berth::agentd {

// The attempts' files on the node:
//
//   STATE_DIR/attempts/KEY/       spec, status, script, stdin, console, stdout and stderr, until
//                                 the end is noted; marks: when they were written (output_marks.h)
//   STATE_DIR/attempts/.spare-N/  the same with empty output, put aside for the next
//   STATE_DIR/output/DAY/         KEY.stdout and KEY.stderr of what has ended, if not empty, and
//                                 KEY.marks: 7 days
//   STATE_DIR/scratch/KEY/        where a task works that named no directory: 24 h after its end
//   STATE_DIR/bundles/KEY/        of one with an image: what it writes to its root, until its end
//   STATE_DIR/bundles/.gone-N/    one that is being removed
//
// DAY is the day of the end, counted from 1970-01-01 UTC.
//
// A directory that is no longer needed is put aside whole and becomes the next attempt's by a
// rename. File systems are slow to make inodes anew that were freed just before: on ext4 that was
// most of what a short task cost. What is put aside goes to a task of the same user only, who may
// still hold one of its files open.
//
// Directories can be passed through by anybody and listed by the agent alone (0711), so that tasks
// of other users reach their own files, whose names they know.
//
// Threading: one thread changes attempts; OpenOutput(), MayHaveExpired(), RemoveBundles() and
// Sweep() from any.
// Errors name the path.
class AttemptStore {
 public:
  static constexpr int64_t kKeepOutputDays = 7;
  static constexpr int64_t kKeepScratchMs = int64_t{24} * 3600 * 1000;
  // Of each output stream, this much from the end is kept at least, and twice as much at most.
  static constexpr int64_t kKeepOutputBytes = int64_t{64} << 20;
  static constexpr int64_t kCapAfterMs = 5'000;

  // `clock` outlives it.
  AttemptStore(const std::string& state_dir, const base::Clock& clock);

  // Makes the root directories, and finds what an earlier agent put aside.
  absl::Status Open();

  [[nodiscard]] std::string Directory(const AttemptKey& key) const {
    return attempts_ + "/" + ToString(key);
  }
  [[nodiscard]] AttemptPaths Paths(const AttemptKey& key) const;
  // Attempts that have a directory, in order of key.
  [[nodiscard]] std::vector<AttemptKey> List() const;

  // Makes the directory and writes what its shim needs. Files of an earlier try are replaced.
  // Returns the status file, locked and without a record, for the shim to inherit.
  // Cost: a rename and two writes; a mkdir and four inodes when nothing was put aside.
  absl::StatusOr<base::UniqueFd> Write(const AttemptKey& key,
                                       const ProcessDriver::Prepared& prepared,
                                       const v1::Payload& payload,
                                       const ProcessDriver::Identity& identity);

  absl::StatusOr<std::string> ReadSpec(const AttemptKey& key) const;
  // How its shim noted that it was started; nothing: not so far.
  [[nodiscard]] std::optional<shim::StatusRecord> ReadStart(const AttemptKey& key) const;

  // Keeps the output of an attempt whose end is noted, and puts the rest aside. `may_reuse`: nobody
  // has its files open to read; else they are removed. So are those of an attempt that may have
  // left a process, which could still write to them. True: RemoveBundles() has something to do.
  // Cost: two renames; one more for each stream with output.
  bool Tidy(const AttemptKey& key, bool may_reuse);

  // Removes bundles of attempts that have ended. Cost: may be long.
  void RemoveBundles() const;
  [[nodiscard]] const std::string& bundles() const { return bundles_; }

  // Opens what there is of a stream, wherever it lies by now; an invalid descriptor: nothing.
  // Cost: one open(2) while the attempt runs, up to nine later.
  [[nodiscard]] base::UniqueFd OpenOutput(const AttemptKey& key, bool is_stderr) const;

  // Where the times of a running attempt's output are.
  [[nodiscard]] std::string MarksPath(const AttemptKey& key) const {
    return Directory(key) + "/marks";
  }
  // Opens them wherever they lie by now. As OpenOutput().
  [[nodiscard]] base::UniqueFd OpenMarks(const AttemptKey& key) const;

  // Gives the file system back all but the last kKeepOutputBytes of each stream of a running
  // attempt that takes up more than twice that; space reserved past its end counts. Offsets in the
  // file stay as they are. Cost: two stat(2) when there is nothing to do.
  void CapOutput(const AttemptKey& key) const;
  // The same of attempts that have ended kCapAfterMs ago: whoever follows one has had its end by
  // then. Cost: nothing when none of them has written so much.
  void CapEnded();

  // Removes what has been kept for its time, and caps what is kept. Cost: may be long.
  void Sweep() const;

  // The scratch directory of an attempt that has ended, when there is one.
  struct EndedScratch {
    int64_t ended_unix_ms = 0;
    // uid and gid of its task; nothing: an agent was killed before it noted that.
    std::optional<std::pair<uint32_t, uint32_t>> owner;
  };
  [[nodiscard]] std::optional<EndedScratch> FindEndedScratch(const AttemptKey& key) const;

  // Whether output of this attempt may have been removed by age: then nothing there does not mean
  // that nothing was written.
  [[nodiscard]] bool MayHaveExpired(const AttemptKey& key) const;

 private:
  std::optional<std::string> TakeSpare(uint32_t uid);
  static absl::StatusOr<base::UniqueFd> WriteInto(const std::string& directory,
                                                  const ProcessDriver::Prepared& prepared,
                                                  const v1::Payload& payload,
                                                  const std::string& spec,
                                                  const ProcessDriver::Identity& identity);
  // False when something of it could not be moved.
  bool KeepOutput(const AttemptKey& key);
  bool PutAside(const AttemptKey& key);
  void Remove(const AttemptKey& key) const;
  void SweepOutput(int64_t today) const;
  void SweepScratch() const;
  void SweepBundles() const;
  bool PutBundleAside(const std::string& name) const;
  void NoteEndedScratch(const AttemptKey& key) const;
  void NoteExpired(uint64_t through_job) const;
  [[nodiscard]] int64_t Today() const;
  [[nodiscard]] std::vector<int64_t> DaysWithOutput() const;
  [[nodiscard]] std::string KeptPath(int64_t day, const AttemptKey& key,
                                     std::string_view which) const;
  [[nodiscard]] base::UniqueFd OpenFile(const AttemptKey& key, const std::string& running,
                                        std::string_view which) const;
  [[nodiscard]] std::string SparePath(uint64_t number) const;
  [[nodiscard]] std::string ExpiredPath() const { return output_ + "/.expired-through-job"; }

  const base::Clock& clock_;
  const std::string attempts_;
  const std::string output_;
  const std::string scratch_;
  const std::string ended_scratch_;
  const std::string bundles_;
  // Numbers, by the uid that owns the output files.
  std::map<uint32_t, std::vector<uint64_t>> spares_;
  uint64_t next_spare_ = 0;
  // Kept files of more than is kept, the first to end first.
  struct Oversized {
    std::string path;
    int64_t ended_ms = 0;
  };
  std::deque<Oversized> oversized_;
  mutable std::atomic<uint64_t> next_gone_ = 0;
};

}  // namespace berth::agentd
