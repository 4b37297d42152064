#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "shim/lease_file.h"

namespace berth::agentd {

// The directory where an agent keeps what must outlive it, held by one agent at a time.
//
// Threading: made once. Errors: FailedPrecondition names the process that has it; others name the
// path and the way on.
class StateDirectory {
 public:
  // Makes `path` when it is missing (its parent must exist), and locks it.
  static absl::StatusOr<StateDirectory> Open(const std::string& path);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string journal_path() const { return path_ + "/journal"; }
  [[nodiscard]] std::string lease_path() const { return path_ + "/" + shim::kLeaseFileName; }

 private:
  StateDirectory() = default;

  std::string path_;
  base::UniqueFd lock_;
};

}  // namespace berth::agentd
