#include "images/root_writer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace berth::images {
namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::string_view kReserved = ".wh..wh.";
constexpr size_t kMostParts = 256;
constexpr int kDeepest = 2 * static_cast<int>(kMostParts);
constexpr mode_t kKeptModes = 01777;    // not set-uid, not set-gid
constexpr int64_t kFolderBytes = 4096;  // what an empty one takes up

absl::Status Failed(int error, const std::string& doing, std::string_view path) {
  return absl::ErrnoToStatus(
      error, base::A("cannot " + doing + " \"" + std::string(path) + "\" of the image"));
}

absl::StatusOr<std::vector<std::string>> Split(std::string_view path) {
  std::vector<std::string> parts;
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      return absl::InvalidArgumentError(
          base::A("it has an entry \"" + std::string(path) + "\", which leads out of it"));
    }
    parts.emplace_back(part);
  }
  if (parts.size() > kMostParts) {
    return absl::InvalidArgumentError("it has folders within more than 256 others");
  }
  return parts;
}

std::string Join(const std::vector<std::string>& parts, size_t count) {
  std::string path;
  for (size_t i = 0; i < count; ++i) path += (i == 0 ? "" : "/") + parts[i];
  return path;
}

// The names in a directory, which may be removed while they are read: they are never all in memory,
// for there may be millions.
class NameReader {
 public:
  explicit NameReader(base::UniqueFd directory) : stream_(fdopendir(directory.get())) {
    if (stream_ != nullptr) static_cast<void>(directory.release());
  }
  NameReader(const NameReader&) = delete;
  NameReader& operator=(const NameReader&) = delete;

  [[nodiscard]] bool valid() const { return stream_ != nullptr; }
  // The directory, open.
  [[nodiscard]] int fd() const { return dirfd(stream_.get()); }
  // Empty: no more.
  std::string Next() {
    while (const dirent* entry = readdir(stream_.get())) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") return std::string(name);
    }
    return "";
  }

 private:
  struct Close {
    void operator()(DIR* stream) const { closedir(stream); }
  };
  const std::unique_ptr<DIR, Close> stream_;
};

// Removes what has the name, follows no link. Nothing there is no error. Returns 0 or errno.
int Remove(int directory, const std::string& name, int depth = 0) {
  if (unlinkat(directory, name.c_str(), 0) == 0 || errno == ENOENT) return 0;
  if (errno != EISDIR && errno != EPERM) return errno;
  if (depth > kDeepest) return ELOOP;
  base::UniqueFd inner(
      openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!inner.valid()) return errno;
  NameReader names(std::move(inner));
  if (!names.valid()) return ENOMEM;
  for (std::string each = names.Next(); !each.empty(); each = names.Next()) {
    if (const int error = Remove(names.fd(), each, depth + 1); error != 0) return error;
  }
  return unlinkat(directory, name.c_str(), AT_REMOVEDIR) == 0 ? 0 : errno;
}

}  // namespace

absl::StatusOr<base::UniqueFd> RootWriter::OpenDirectory(const std::string& path) const {
  open_how how = {};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const char* name = path.empty() ? "." : path.c_str();
  base::UniqueFd fd(static_cast<int>(syscall(SYS_openat2, root_.get(), name, &how, sizeof(how))));
  if (!fd.valid()) return Failed(errno, "open folder", path);
  return fd;
}

absl::StatusOr<base::UniqueFd> RootWriter::MakeParents(const std::vector<std::string>& parts) {
  absl::StatusOr<base::UniqueFd> at = OpenDirectory("");
  for (size_t i = 0; i + 1 < parts.size() && at.ok(); ++i) {
    const std::string path = Join(parts, i + 1);
    absl::StatusOr<base::UniqueFd> next = OpenDirectory(path);
    if (absl::IsNotFound(next.status())) {
      if (limits_.spend != nullptr) BERTH_RETURN_IF_ERROR(limits_.spend(kFolderBytes));
      if (mkdirat(at->get(), parts[i].c_str(), 0755) != 0) {
        return Failed(errno, "make folder", path);
      }
      next = OpenDirectory(path);
    }
    at = std::move(next);
  }
  return at;
}

absl::StatusOr<RootWriter::Place> RootWriter::Find(std::string_view path, bool make_parents) {
  BERTH_ASSIGN_OR_RETURN(const std::vector<std::string> parts, Split(path));
  if (parts.empty()) return absl::InvalidArgumentError("it has an entry in place of its root");
  Place place;
  place.path = Join(parts, parts.size());
  place.name = parts.back();
  absl::StatusOr<base::UniqueFd> parent = OpenDirectory(Join(parts, parts.size() - 1));
  if (make_parents && absl::IsNotFound(parent.status())) parent = MakeParents(parts);
  BERTH_RETURN_IF_ERROR(parent.status());
  place.directory = *std::move(parent);
  return place;
}

RootWriter::PathKey RootWriter::KeyOf(std::string_view path) {
  constexpr int kDigits = 16;
  const std::string hex = base::Sha256Hex(path);
  PathKey key;
  std::from_chars(hex.data(), hex.data() + kDigits, key.first, 16);
  std::from_chars(hex.data() + kDigits, hex.data() + 2 * kDigits, key.second, 16);
  return key;
}

absl::Status RootWriter::NoteFresh(std::string_view path) {
  for (size_t end = path.size(); end != std::string_view::npos && end > 0;) {
    if (!fresh_.insert(KeyOf(path.substr(0, end))).second) return absl::OkStatus();
    end = path.rfind('/', end - 1);
  }
  if (fresh_.size() <= limits_.most_of_layer) return absl::OkStatus();
  return absl::ResourceExhaustedError(base::A("it has a layer with more than " +
                                              std::to_string(limits_.most_of_layer) +
                                              " files and folders: make it of several layers"));
}

absl::StatusOr<RootWriter::Place> RootWriter::Clear(std::string_view path) {
  BERTH_ASSIGN_OR_RETURN(Place place, Find(path, true));
  if (const int error = Remove(place.directory.get(), place.name); error != 0) {
    return Failed(error, "replace", place.path);
  }
  BERTH_RETURN_IF_ERROR(NoteFresh(place.path));
  return place;
}

absl::Status RootWriter::MakeDirectory(std::string_view path, const Attributes& attributes) {
  BERTH_ASSIGN_OR_RETURN(const std::vector<std::string> parts, Split(path));
  base::UniqueFd directory;
  if (parts.empty()) {
    BERTH_ASSIGN_OR_RETURN(directory, OpenDirectory(""));
  } else {
    BERTH_ASSIGN_OR_RETURN(Place place, Find(path, true));
    constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    directory.reset(openat(place.directory.get(), place.name.c_str(), kFlags));
    if (!directory.valid()) {
      if (const int error = Remove(place.directory.get(), place.name); error != 0) {
        return Failed(error, "replace", place.path);
      }
      if (mkdirat(place.directory.get(), place.name.c_str(), 0700) != 0) {
        return Failed(errno, "make folder", place.path);
      }
      directory.reset(openat(place.directory.get(), place.name.c_str(), kFlags));
    }
    if (!directory.valid()) return Failed(errno, "open folder", place.path);
    BERTH_RETURN_IF_ERROR(NoteFresh(place.path));
  }
  if (fchown(directory.get(), attributes.uid, attributes.gid) != 0 ||
      fchmod(directory.get(), attributes.mode & kKeptModes) != 0) {
    return Failed(errno, "set the owner of", path);
  }
  return absl::OkStatus();
}

absl::StatusOr<base::UniqueFd> RootWriter::MakeFile(std::string_view path,
                                                    const Attributes& attributes) {
  BERTH_ASSIGN_OR_RETURN(Place place, Clear(path));
  base::UniqueFd file(openat(place.directory.get(), place.name.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) return Failed(errno, "make file", place.path);
  if (fchown(file.get(), attributes.uid, attributes.gid) != 0 ||
      fchmod(file.get(), attributes.mode & kKeptModes) != 0) {
    return Failed(errno, "set the owner of", place.path);
  }
  return file;
}

absl::Status RootWriter::MakeSymlink(std::string_view path, const std::string& target,
                                     const Attributes& attributes) {
  BERTH_ASSIGN_OR_RETURN(Place place, Clear(path));
  if (symlinkat(target.c_str(), place.directory.get(), place.name.c_str()) != 0 ||
      fchownat(place.directory.get(), place.name.c_str(), attributes.uid, attributes.gid,
               AT_SYMLINK_NOFOLLOW) != 0) {
    return Failed(errno, "make link", place.path);
  }
  return absl::OkStatus();
}

absl::Status RootWriter::MakeHardLink(std::string_view path, std::string_view target) {
  BERTH_ASSIGN_OR_RETURN(Place from, Find(target, false));
  BERTH_ASSIGN_OR_RETURN(const std::vector<std::string> parts, Split(path));
  if (Join(parts, parts.size()) == from.path) {
    return absl::InvalidArgumentError(
        base::A("it has an entry \"" + from.path + "\" that is a link to itself"));
  }
  BERTH_ASSIGN_OR_RETURN(Place place, Clear(path));
  // The link itself where the target is one: it is not followed.
  if (linkat(from.directory.get(), from.name.c_str(), place.directory.get(), place.name.c_str(),
             0) != 0) {
    return Failed(errno, "make link", place.path);
  }
  return absl::OkStatus();
}

absl::Status RootWriter::MakeFifo(std::string_view path, const Attributes& attributes) {
  BERTH_ASSIGN_OR_RETURN(Place place, Clear(path));
  if (mkfifoat(place.directory.get(), place.name.c_str(), attributes.mode & 0777) != 0 ||
      fchownat(place.directory.get(), place.name.c_str(), attributes.uid, attributes.gid,
               AT_SYMLINK_NOFOLLOW) != 0) {
    return Failed(errno, "make fifo", place.path);
  }
  return absl::OkStatus();
}

bool RootWriter::IsWhiteout(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return path.substr(path.rfind('/') + 1).starts_with(kWhiteout);
}

absl::Status RootWriter::ApplyWhiteout(std::string_view path) {
  absl::StatusOr<Place> place = Find(path, false);
  if (absl::IsNotFound(place.status())) return absl::OkStatus();  // of a folder that is not there
  BERTH_RETURN_IF_ERROR(place.status());
  const size_t slash = place->path.rfind('/');
  const std::string directory = slash == std::string::npos ? "" : place->path.substr(0, slash + 1);
  if (place->name == kOpaque) return RemoveOthers(*place, directory);
  if (place->name.starts_with(kReserved)) return absl::OkStatus();
  const std::string gone = place->name.substr(kWhiteout.size());
  if (gone.empty() || gone == "." || gone == "..") {
    return absl::InvalidArgumentError(base::A("it has a whiteout \"" + place->path + "\""));
  }
  if (IsFresh(directory + gone)) return absl::OkStatus();
  if (const int error = Remove(place->directory.get(), gone); error != 0) {
    return Failed(error, "remove", directory + gone);
  }
  return absl::OkStatus();
}

absl::Status RootWriter::RemoveOthers(const Place& place, const std::string& directory) {
  base::UniqueFd again(
      openat(place.directory.get(), ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!again.valid()) return Failed(errno, "open folder", directory);
  NameReader names(std::move(again));
  if (!names.valid()) return Failed(ENOMEM, "open folder", directory);
  for (std::string name = names.Next(); !name.empty(); name = names.Next()) {
    if (IsFresh(directory + name)) continue;
    if (const int error = Remove(place.directory.get(), name); error != 0) {
      return Failed(error, "remove", directory + name);
    }
  }
  return absl::OkStatus();
}

}  // namespace berth::images
