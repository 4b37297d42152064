#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agentd/attempt_key.h"
#include "agentd/drivers/process_driver.h"

namespace berth::agentd {

// The attempts' directories on the node: STATE_DIR/attempts/KEY with spec, status, script, stdout,
// stderr and scratch.
//
// What only served to run an attempt goes when its end is noted, empty output with it; output stays
// for 7 days, a scratch directory for 24 hours. Directories can be passed through by anybody
// (0711), so that tasks of other users reach their own files by name, and listed by the agent
// alone.
//
// Threading: one thread writes; the paths may be read by any. Errors name the path.
class AttemptStore {
 public:
  static constexpr int64_t kKeepOutputMs = int64_t{7} * 24 * 3600 * 1000;
  static constexpr int64_t kKeepScratchMs = int64_t{24} * 3600 * 1000;
  // Of each output stream, this much from the end is kept at least, and twice as much at most.
  static constexpr int64_t kKeepOutputBytes = int64_t{64} << 20;

  explicit AttemptStore(const std::string& state_dir) : root_(state_dir + "/attempts") {}

  // Makes the root directory.
  absl::Status Open() const;

  [[nodiscard]] std::string Directory(const AttemptKey& key) const {
    return root_ + "/" + ToString(key);
  }
  [[nodiscard]] ProcessDriver::Paths Paths(const AttemptKey& key) const;
  // Attempts that have a directory, in order of key. Anything else in the root is passed over.
  [[nodiscard]] std::vector<AttemptKey> List() const;
  [[nodiscard]] bool Exists(const AttemptKey& key) const;

  // Makes the directory and writes what its shim needs. Files of an earlier try are replaced.
  // Cost: a mkdir and one file, unless there is a script or a scratch directory.
  absl::Status Write(const AttemptKey& key, const ProcessDriver::Prepared& prepared,
                     std::string_view script, const ProcessDriver::Identity& identity) const;

  absl::StatusOr<std::string> ReadSpec(const AttemptKey& key) const;

  // Removes what only served to run it, and the directory when nothing is left.
  void Tidy(const AttemptKey& key) const;

  // Gives the file system back all but the last kKeepOutputBytes of each stream that has grown
  // past twice that. Offsets in the file stay as they are. Cost: two stat(2) when there is nothing
  // to do.
  void CapOutput(const AttemptKey& key) const;

  // Removes what has been kept for its time, of attempts that are not `live`. `now_unix_ms` is wall
  // time, as file times are.
  void Sweep(int64_t now_unix_ms, const std::function<bool(const AttemptKey&)>& live) const;

  // Whether output of this attempt may have been removed by age: then nothing there does not mean
  // that nothing was written.
  [[nodiscard]] bool MayHaveExpired(const AttemptKey& key) const;

 private:
  [[nodiscard]] std::string ExpiredPath() const { return root_ + "/.expired-through-job"; }

  const std::string root_;
};

}  // namespace berth::agentd
