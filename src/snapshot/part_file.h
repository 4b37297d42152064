// A large file that appears under its name whole, or not at all.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace berth::snapshot {

// Written as PATH.part, of mode 0600, and renamed when it is complete. A part file that is left
// behind by a kill is taken over by the next who writes the same file; one that somebody is writing
// is locked.
//
// Threading: one thread at a time. Errors name the file and the reason.
class PartFile {
 public:
  // FAILED_PRECONDITION: another process is writing it.
  static absl::StatusOr<std::unique_ptr<PartFile>> Create(const std::string& path);
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;
  // Removes what is not complete.
  ~PartFile();

  absl::Status Write(std::string_view bytes);
  // Syncs it and gives it its name. ALREADY_EXISTS: there is such a file, and it is not to be
  // replaced. Cost: two syncs.
  absl::Status Complete(bool replace);

 private:
  PartFile(std::string path, base::UniqueFd file)
      : path_(std::move(path)), file_(std::move(file)) {}
  std::string part() const { return path_ + ".part"; }

  const std::string path_;
  const base::UniqueFd file_;
  bool complete_ = false;
};

// Makes what was renamed, made or removed in a directory last.
absl::Status SyncDirectory(const std::string& path);

}  // namespace berth::snapshot
