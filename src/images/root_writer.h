#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace berth::images {

// Writes a root file system, layer over layer, from archives that nobody has vouched for.
//
// Whatever the names and links in an archive say, nothing outside the directory is touched: the
// kernel resolves each of them as if the directory were the root (openat2(2), RESOLVE_IN_ROOT), so
// that links mean what they will mean to the task. No device files are made, and no program is set
// to run as somebody else.
//
// Threading: one thread. Errors name the entry; `..` in a name is InvalidArgument.
class RootWriter {
 public:
  struct Attributes {
    mode_t mode = 0;
    uint32_t uid = 0;
    uint32_t gid = 0;
    int64_t mtime_s = 0;
  };

  explicit RootWriter(base::UniqueFd directory) : root_(std::move(directory)) {}

  // What is removed from now on is what the layers before have left.
  void BeginLayer() { fresh_.clear(); }

  absl::Status MakeDirectory(std::string_view path, const Attributes& attributes);
  // Made new, in place of what has the name. The caller writes its content.
  absl::StatusOr<base::UniqueFd> MakeFile(std::string_view path, const Attributes& attributes);
  absl::Status MakeSymlink(std::string_view path, const std::string& target,
                           const Attributes& attributes);
  absl::Status MakeHardLink(std::string_view path, std::string_view target);
  absl::Status MakeFifo(std::string_view path, const Attributes& attributes);

  // Whether this is a whiteout, by its name: an entry that stands for something to be removed.
  static bool IsWhiteout(std::string_view path);
  absl::Status ApplyWhiteout(std::string_view path);

 private:
  // Where an entry goes: an open directory, and a name in it.
  struct Place {
    base::UniqueFd directory;
    std::string name;
    std::string path;  // normal: without slashes at its ends
  };

  absl::StatusOr<Place> Find(std::string_view path, bool make_parents);
  absl::StatusOr<base::UniqueFd> OpenDirectory(const std::string& path) const;
  // The same, made where it is missing.
  absl::StatusOr<base::UniqueFd> MakeParents(const std::vector<std::string>& parts);
  // A place where nothing is any more.
  absl::StatusOr<Place> Clear(std::string_view path);
  absl::Status RemoveOthers(const Place& place, const std::string& directory);
  void NoteFresh(const std::string& path);

  const base::UniqueFd root_;
  std::set<std::string> fresh_;  // what this layer has, and what is above that
};

}  // namespace berth::images
