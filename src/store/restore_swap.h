// How a restored state takes the place of the one before, so that a kill leaves the one or the
// other.
//
// In a data directory:
//   restore.unfinished/   a state that is being built: db/ and cluster.json, as in a data directory
//   restore.ready/        the same, whole and synced, that takes over
//
// The first becomes the second by one rename: before it the old state is in force, and after it the
// new one is, since whoever holds the directory's lock next settles what he finds, first of all:
// an unfinished state is removed, a ready one takes over.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace berth::store {

inline constexpr char kUnfinishedRestore[] = "restore.unfinished";
inline constexpr char kReadyRestore[] = "restore.ready";

// Brings the directory into one of the two states. The database that was there, if any, is moved to
// db.before-restore-<unix_s>, and that path is the result; empty: there was none, or nothing to do.
// What was done is logged.
//
// REQUIRES: the directory's lock is held. Errors name the path; the next call goes on.
absl::StatusOr<std::string> SettleRestore(const std::string& directory, int64_t unix_s);

// From restore.unfinished, which is whole and synced, to restore.ready. REQUIRES: as above.
absl::Status MarkRestoreReady(const std::string& directory);

// Removes a directory and all in it, if it is there.
absl::Status RemoveTree(const std::string& path);

}  // namespace berth::store
