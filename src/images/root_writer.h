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

// What a root file system may cost while it is written.
struct RootLimits {
  // Told what a folder takes up that is made though no entry asks for it; what it says other than
  // OK ends the work. Null: nobody counts.
  std::function<absl::Status(int64_t bytes)> spend = nullptr;
  // Files and folders of one layer: each is remembered, in 64 bytes, until the next begins.
  size_t most_of_layer = 1'000'000;
};

// Writes a root file system, layer over layer, from archives that nobody has vouched for.
//
// Whatever the names and links in an archive say, nothing outside the directory is touched: the
// kernel resolves each of them as if the directory were the root (openat2(2), RESOLVE_IN_ROOT), so
// that links mean what they will mean to the task. No device files are made, and no program is set
// to run as somebody else.
//
// Threading: one thread. Errors name the entry; `..` in a name is InvalidArgument, and more than
// the limits ResourceExhausted.
class RootWriter {
 public:
  struct Attributes {
    mode_t mode = 0;
    uint32_t uid = 0;
    uint32_t gid = 0;
    int64_t mtime_s = 0;
  };

  explicit RootWriter(base::UniqueFd directory) : RootWriter(std::move(directory), RootLimits()) {}
  RootWriter(base::UniqueFd directory, RootLimits limits)
      : root_(std::move(directory)), limits_(std::move(limits)) {}

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
  // 128 bits of a path's SHA-256 stand for it: nobody can make two that have the same, and long
  // names take up no more than short ones.
  using PathKey = std::pair<uint64_t, uint64_t>;

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
  static PathKey KeyOf(std::string_view path);
  absl::Status NoteFresh(std::string_view path);
  [[nodiscard]] bool IsFresh(std::string_view path) const { return fresh_.contains(KeyOf(path)); }

  const base::UniqueFd root_;
  const RootLimits limits_;
  std::set<PathKey> fresh_;  // what this layer has, and what is above that
};

}  // namespace berth::images
