// The directory that a daemon's state is in: whose it is, and that nobody else uses it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/unique_fd.h"

namespace berth::store {

// Holds a data directory for as long as it lives.
//
//   lock           held by flock(2); its content, the holder's process id, is for people
//   cluster.json   ClusterIdentity of records.proto: cluster, schema version
//   db/            the database
//   ballast        disk space to give up when the disk is full (disk_room.h)
//   snapshots/     berthd's own, unless they are kept elsewhere (snapshot_keeper.h)
//   restore.*      a state that takes over (restore_swap.h)
//
// Threading: made and destroyed by one thread; the accessors from any.
class DataDirectory {
 public:
  // Makes the directory, its parents and the identity where they are missing, with a cluster id
  // that is drawn then. `cluster_name` is the configured one; empty: none.
  //
  // Errors name the directory and say what to do. FAILED_PRECONDITION: another process holds it; it
  // belongs to a cluster of another name; it is of a newer or too old schema version; it is not
  // empty, and not ours. PERMISSION_DENIED, NOT_FOUND, RESOURCE_EXHAUSTED...: it cannot be made or
  // written. DATA_LOSS: the identity is damaged, or gone from a directory with a database.
  static absl::StatusOr<std::unique_ptr<DataDirectory>> Open(const std::string& path,
                                                             const std::string& cluster_name,
                                                             const base::Clock& clock);
  // As Open, for a state of this cluster that is going to be put in it: it may be empty but for
  // snapshots, gets no identity yet, and is refused when it is of another cluster.
  static absl::StatusOr<std::unique_ptr<DataDirectory>> OpenForRestore(
      const std::string& path, const std::string& cluster_id, const std::string& cluster_name,
      const base::Clock& clock);
  // FAILED_PRECONDITION, naming the process: a berthd runs on the directory. Changes nothing.
  static absl::Status CheckNotInUse(const std::string& path);
  // Writes cluster.json for a directory that has none.
  static absl::Status MakeIdentity(const std::string& path, const std::string& cluster_id,
                                   const std::string& cluster_name, const base::Clock& clock);
  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;

  const std::string& path() const { return path_; }
  const std::string& cluster_id() const { return cluster_id_; }
  // Empty: it has none.
  const std::string& cluster_name() const { return cluster_name_; }
  std::string database_path() const { return DatabasePath(path_); }
  static std::string DatabasePath(const std::string& path) { return path + "/db"; }

 private:
  DataDirectory(std::string path, base::UniqueFd lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}
  // The lock is held, and what a restore has left is settled.
  static absl::StatusOr<std::unique_ptr<DataDirectory>> Lock(const std::string& path,
                                                             bool may_have_snapshots,
                                                             const base::Clock& clock);
  absl::Status ReadOrMakeIdentity(const std::string& cluster_name, const base::Clock& clock);

  const std::string path_;
  const base::UniqueFd lock_;
  std::string cluster_id_;
  std::string cluster_name_;
};

}  // namespace berth::store
