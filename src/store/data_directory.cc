#include "store/data_directory.h"

#include <fcntl.h>
#include <google/protobuf/util/json_util.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/annotate.h"
#include "base/check.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/uuid.h"
#include "berth/store/v1/records.pb.h"
#include "store/restore_swap.h"
#include "store/schema_version.h"

namespace berth::store {
namespace {

constexpr std::string_view kLockName = "lock";
constexpr std::string_view kIdentityName = "cluster.json";
constexpr std::string_view kDatabaseName = "db";
constexpr std::string_view kSnapshotsName = "snapshots";

std::string Quoted(std::string_view path) {
  return "data directory \"" + std::string(path) + "\": ";
}

// What the error number alone does not tell a person to do.
std::string_view WayOn(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
      return "; run berthd as the user that owns it, or give that directory to this user (chown)";
    case EROFS:
      return "; the file system is mounted read-only: set dataDir to a directory on one that is "
             "not";
    case ENOSPC:
    case EDQUOT:
      return "; make room on its file system, or set dataDir to a directory on another";
    case ENOTDIR:
      return "; a part of the path is a file: set dataDir to another path";
    default:
      return "; set dataDir to a directory that this user can write";
  }
}

absl::Status Refuse(int error, const std::string& path, std::string_view doing) {
  const std::string user = " (user id " + std::to_string(::geteuid()) + ")";
  const absl::Status plain =
      absl::ErrnoToStatus(error, (Quoted(path) + std::string(doing)).append(user));
  // ErrnoToStatus puts the reason last; the way on comes after it.
  return absl::Status(plain.code(), base::S(plain.message()).append(WayOn(error)));
}

absl::Status MakeDirectory(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) == 0) {
    if (S_ISDIR(found.st_mode)) return absl::OkStatus();
    return absl::FailedPreconditionError(
        Quoted(path) + "it is not a directory; set dataDir to another path, or move it away");
  }
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) {
    std::error_code error;
    std::filesystem::create_directories(parent, error);
    if (error) return Refuse(error.value(), path, "cannot make its parent directory");
  }
  // Specifications hold what people would not show to others: only the daemon's user reads them.
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return Refuse(errno, path, "cannot make it");
  }
  return absl::OkStatus();
}

// Digits alone: the file may be half-written by the holder at this moment.
std::string HolderOf(const std::string& lock_path) {
  const auto content = base::ReadSmallFile(lock_path, 64);
  if (!content.ok()) return {};
  std::string digits;
  for (const char c : *content) {
    if (c < '0' || c > '9') break;
    digits += c;
  }
  return digits;
}

absl::StatusOr<base::UniqueFd> TakeLock(const std::string& directory) {
  const std::string path = directory + "/" + std::string(kLockName);
  base::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return Refuse(errno, directory, "cannot write to it");
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Refuse(errno, directory, "cannot lock it");
    const std::string holder = HolderOf(path);
    return absl::FailedPreconditionError(
        Quoted(directory) + "another berthd" +
        (holder.empty() ? std::string() : " (process " + holder + ")") +
        " is using it; stop that one, or set another dataDir for this one");
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd.get(), 0) != 0 ||
      ::pwrite(fd.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return Refuse(errno, directory, "cannot write to it");
  }
  return fd;
}

// Someone else's directory must not get our files. An unfinished first start leaves a lock, and a
// file beside cluster.json, an unfinished restore into an empty one what restore_swap.h says; a
// mount point has lost+found.
absl::Status CheckMayBeMadeOurs(const std::string& path, bool may_have_snapshots) {
  std::set<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    names.insert(entry.path().filename().string());
  }
  if (error) return Refuse(error.value(), path, "cannot list it");
  // Another daemon has made it this moment: its lock will tell. Or a restored state takes over.
  if (names.count(std::string(kIdentityName)) > 0 || names.count(kReadyRestore) > 0) {
    return absl::OkStatus();
  }
  if (names.count(std::string(kDatabaseName)) > 0) {
    return absl::DataLossError(
        Quoted(path) + "it has a database, but " + std::string(kIdentityName) +
        ", which says which cluster it is of, is gone; restore that file, or the whole directory, "
        "from a backup, or set dataDir to an empty directory to start a new cluster");
  }
  for (const std::string& name : names) {
    if (name == kLockName || name == "lost+found" || name.rfind(kIdentityName, 0) == 0) continue;
    if (name == kUnfinishedRestore || (may_have_snapshots && name == kSnapshotsName)) continue;
    return absl::FailedPreconditionError(
        Quoted(path) + "it is not empty (there is \"" + name +
        "\") and holds no state of berthd; set dataDir to an empty or a new directory");
  }
  return absl::OkStatus();
}

absl::Status IdentityDamaged(const std::string& path, std::string_view what) {
  return absl::DataLossError(Quoted(path) + std::string(kIdentityName) +
                             " is damaged: " + std::string(what) +
                             "; restore that file, or the whole directory, from a backup");
}

absl::StatusOr<v1::ClusterIdentity> ParseIdentity(const std::string& path,
                                                  const std::string& text) {
  v1::ClusterIdentity identity;
  // A newer version may say more; its number is what is looked at then.
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const auto status = google::protobuf::util::JsonStringToMessage(text, &identity, options);
  if (!status.ok()) return IdentityDamaged(path, status.ToString());
  if (identity.schema_version() > kSchemaVersion) {
    return absl::FailedPreconditionError(
        Quoted(path) + "it has schema version " + std::to_string(identity.schema_version()) +
        ", and this berthd knows versions up to " + std::to_string(kSchemaVersion) +
        "; start it with the newer berthd that wrote it");
  }
  if (identity.schema_version() == 0) return IdentityDamaged(path, "it has no schema version");
  if (identity.schema_version() < kOldestSchemaVersion) {
    return absl::FailedPreconditionError(
        Quoted(path) + "it has schema version " + std::to_string(identity.schema_version()) +
        ", and this berthd reads from " + std::to_string(kOldestSchemaVersion) +
        " on; start a berthd of the release between once, then this one");
  }
  if (identity.cluster_id().empty()) return IdentityDamaged(path, "it has no cluster id");
  return identity;
}

absl::Status CheckName(const std::string& path, const v1::ClusterIdentity& identity,
                       const std::string& cluster_name) {
  if (cluster_name.empty() || identity.cluster_name().empty() ||
      identity.cluster_name() == cluster_name) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      Quoted(path) + "it belongs to cluster \"" + identity.cluster_name() + "\" (" +
      identity.cluster_id() + "), and the configuration's clusterName is \"" + cluster_name +
      "\"; set dataDir to this cluster's directory, or clusterName to \"" +
      identity.cluster_name() + "\"");
}

absl::StatusOr<std::string> PlainPath(const std::string& path) {
  std::string plain = path;
  while (plain.size() > 1 && plain.back() == '/') plain.pop_back();
  if (!plain.empty()) return plain;
  return absl::InvalidArgumentError("dataDir is empty; set it to the directory for berthd's state");
}

absl::Status WriteIdentity(const std::string& path, const v1::ClusterIdentity& identity) {
  std::string text;
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  const auto printed = google::protobuf::util::MessageToJsonString(identity, &text, options);
  BERTH_CHECK(printed.ok()) << printed.ToString();
  return base::Annotate(
      base::WriteFileAtomically(path + "/" + std::string(kIdentityName), text, 0600),
      "data directory \"" + path + "\"");
}

}  // namespace

absl::StatusOr<std::unique_ptr<DataDirectory>> DataDirectory::Lock(const std::string& path,
                                                                   bool may_have_snapshots,
                                                                   const base::Clock& clock) {
  BERTH_ASSIGN_OR_RETURN(std::string plain, PlainPath(path));
  BERTH_RETURN_IF_ERROR(MakeDirectory(plain));
  // Before the lock leaves a file in it.
  struct stat identity {};
  const std::string identity_path = plain + "/" + std::string(kIdentityName);
  if (::stat(identity_path.c_str(), &identity) != 0) {
    if (errno != ENOENT) return Refuse(errno, plain, "cannot read it");
    BERTH_RETURN_IF_ERROR(CheckMayBeMadeOurs(plain, may_have_snapshots));
  }
  BERTH_ASSIGN_OR_RETURN(base::UniqueFd lock, TakeLock(plain));
  std::unique_ptr<DataDirectory> directory(new DataDirectory(std::move(plain), std::move(lock)));
  BERTH_RETURN_IF_ERROR(
      base::Annotate(SettleRestore(directory->path(), clock.WallMs() / 1000).status(),
                     "data directory \"" + directory->path() + "\""));
  return directory;
}

absl::StatusOr<std::unique_ptr<DataDirectory>> DataDirectory::Open(const std::string& path,
                                                                   const std::string& cluster_name,
                                                                   const base::Clock& clock) {
  BERTH_ASSIGN_OR_RETURN(auto directory, Lock(path, false, clock));
  BERTH_RETURN_IF_ERROR(directory->ReadOrMakeIdentity(cluster_name, clock));
  return directory;
}

absl::Status DataDirectory::CheckNotInUse(const std::string& path) {
  BERTH_ASSIGN_OR_RETURN(const std::string plain, PlainPath(path));
  const std::string lock_path = plain + "/" + std::string(kLockName);
  const base::UniqueFd lock(::open(lock_path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!lock.valid() && errno == ENOENT) return absl::OkStatus();
  if (!lock.valid()) return Refuse(errno, plain, "cannot write to it");
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
  if (errno != EWOULDBLOCK) return Refuse(errno, plain, "cannot lock it");
  const std::string holder = HolderOf(lock_path);
  return absl::FailedPreconditionError(
      Quoted(plain) + "berthd" + (holder.empty() ? std::string() : " (process " + holder + ")") +
      " is running on it; stop it first");
}

absl::StatusOr<std::unique_ptr<DataDirectory>> DataDirectory::OpenForRestore(
    const std::string& path, const std::string& cluster_id, const std::string& cluster_name,
    const base::Clock& clock) {
  BERTH_RETURN_IF_ERROR(CheckNotInUse(path));
  BERTH_ASSIGN_OR_RETURN(auto directory, Lock(path, true, clock));
  const auto text =
      base::ReadSmallFile(directory->path_ + "/" + std::string(kIdentityName), 1 << 16);
  directory->cluster_name_ = cluster_name;
  if (absl::IsNotFound(text.status())) {
    directory->cluster_id_ = cluster_id;
    return directory;
  }
  if (!text.ok()) return base::Annotate(text.status(), "data directory \"" + path + "\"");
  BERTH_ASSIGN_OR_RETURN(const v1::ClusterIdentity identity,
                         ParseIdentity(directory->path_, *text));
  if (identity.cluster_id() != cluster_id) {
    return absl::FailedPreconditionError(
        Quoted(directory->path_) + "it belongs to cluster " + identity.cluster_id() +
        (identity.cluster_name().empty() ? std::string()
                                         : " (\"" + identity.cluster_name() + "\")") +
        ", and the snapshot is of cluster " + cluster_id +
        "; restore into the data directory of that one, or into an empty directory");
  }
  BERTH_RETURN_IF_ERROR(CheckName(directory->path_, identity, cluster_name));
  directory->cluster_id_ = identity.cluster_id();
  if (!identity.cluster_name().empty()) directory->cluster_name_ = identity.cluster_name();
  return directory;
}

absl::Status DataDirectory::MakeIdentity(const std::string& path, const std::string& cluster_id,
                                         const std::string& cluster_name,
                                         const base::Clock& clock) {
  v1::ClusterIdentity identity;
  identity.set_cluster_id(cluster_id);
  identity.set_cluster_name(cluster_name);
  identity.set_created_unix_ms(clock.WallMs());
  identity.set_schema_version(kSchemaVersion);
  return WriteIdentity(path, identity);
}

absl::Status DataDirectory::ReadOrMakeIdentity(const std::string& cluster_name,
                                               const base::Clock& clock) {
  const std::string identity_path = path_ + "/" + std::string(kIdentityName);
  v1::ClusterIdentity identity;
  const auto text = base::ReadSmallFile(identity_path, 1 << 16);
  if (text.ok()) {
    BERTH_ASSIGN_OR_RETURN(identity, ParseIdentity(path_, *text));
    BERTH_RETURN_IF_ERROR(CheckName(path_, identity, cluster_name));
  } else if (absl::IsNotFound(text.status())) {
    identity.set_cluster_id(base::NewUuid());
    identity.set_created_unix_ms(clock.WallMs());
  } else {
    const int error = absl::IsPermissionDenied(text.status()) ? EACCES : EIO;
    return Refuse(error, path_, "cannot read " + std::string(kIdentityName));
  }
  cluster_id_ = identity.cluster_id();
  cluster_name_ = identity.cluster_name();
  const bool name_is_new = identity.cluster_name().empty() && !cluster_name.empty();
  if (identity.schema_version() == kSchemaVersion && !name_is_new) return absl::OkStatus();
  // Before the first record of this version is written.
  identity.set_schema_version(kSchemaVersion);
  if (name_is_new) identity.set_cluster_name(cluster_name);
  cluster_name_ = identity.cluster_name();
  return WriteIdentity(path_, identity);
}

}  // namespace berth::store
