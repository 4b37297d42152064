#include "base/remove_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/strings.h"
#include "base/unique_fd.h"

namespace berth::base {
namespace {

// What lies deeper is moved up to the top first.
constexpr int kMostDepth = 32;
// Each brings what is within kMostDepth of something up; who goes on making folders meanwhile does
// not keep this here for ever.
constexpr int kMostPasses = 1'000'000;

class Remover {
 public:
  // Empties the folder.
  absl::Status Empty(int top, const std::string& path) {
    for (int pass = 0; pass < kMostPasses; ++pass) {
      moved_ = false;
      first_ = absl::OkStatus();
      EmptyFolder(top, top, 0, path);
      if (!moved_) return first_;
    }
    return absl::DeadlineExceededError(A(path + ": more is made there than is removed"));
  }

 private:
  void Note(int error, const std::string& path) {
    if (first_.ok()) first_ = absl::ErrnoToStatus(error, A("cannot remove " + path));
  }

  void EmptyFolder(int folder, int top, int depth, const std::string& path) {
    const int again = dup(folder);
    DIR* listing = again < 0 ? nullptr : fdopendir(again);
    if (listing == nullptr) {
      Note(errno, path);
      if (again >= 0) close(again);
      return;
    }
    rewinddir(listing);
    while (const dirent* entry = readdir(listing)) {
      const char* name = entry->d_name;
      if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) continue;
      if (unlinkat(folder, name, 0) == 0 || errno == ENOENT) continue;
      if (errno != EISDIR && errno != EPERM) {
        Note(errno, path + "/" + name);
        continue;
      }
      RemoveFolder(folder, name, top, depth, path + "/" + name);
    }
    closedir(listing);
  }

  void RemoveFolder(int parent, const char* name, int top, int depth, const std::string& path) {
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return;
    if (depth >= kMostDepth) {
      const std::string up = ".moved-up-" + std::to_string(next_++);
      if (renameat(parent, name, top, up.c_str()) == 0) {
        moved_ = true;
      } else {
        Note(errno, path);
      }
      return;
    }
    fchmodat(parent, name, 0700, 0);  // for whom rights count
    const UniqueFd folder(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder.valid()) return Note(errno, path);
    EmptyFolder(folder.get(), top, depth + 1, path);
    if (unlinkat(parent, name, AT_REMOVEDIR) != 0 && errno != ENOENT) Note(errno, path);
  }

  absl::Status first_;
  bool moved_ = false;  // something is left that was moved up
  uint64_t next_ = 0;
};

}  // namespace

absl::Status RemoveTree(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  const UniqueFd top(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!top.valid()) return absl::ErrnoToStatus(errno, A("cannot remove " + path));
  absl::Status emptied = Remover().Empty(top.get(), path);
  if (rmdir(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  if (!emptied.ok()) return emptied;
  return absl::ErrnoToStatus(errno, A("cannot remove " + path));
}

}  // namespace berth::base
