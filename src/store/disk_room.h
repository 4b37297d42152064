// Room on the store's file system: new work is refused before it runs out, and a reserve is given
// up so that what runs can still end.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"

namespace berth::store {

struct DiskRoomOptions {
  // With less left, CheckRoom refuses.
  uint64_t refuse_below_bytes = uint64_t{256} << 20;
  // Size of the file that is given up when less than this is left. 0: none is kept.
  uint64_t ballast_bytes = uint64_t{64} << 20;
};

// Bytes that this user may still write to the file system of a path.
using FreeBytes = std::function<uint64_t(const std::string& path)>;
uint64_t FreeBytesOf(const std::string& path);

// Keeps a file "ballast" in a directory, with real blocks behind it.
//
// Threading: Adjust by one thread at a time; Check from any.
class DiskRoom {
 public:
  DiskRoom(std::string directory, const DiskRoomOptions& options,
           FreeBytes free_bytes = FreeBytesOf);

  // Before each write: gives the ballast up when little is left, lays it in again when there is
  // plenty. Nothing here fails a write; what goes wrong is logged.
  // Cost: one system call.
  void Adjust();

  // RESOURCE_EXHAUSTED: too little is left for new work. Says how much, and what to do.
  // Cost: one system call.
  absl::Status Check() const;
  // RESOURCE_EXHAUSTED: fewer than `bytes` are left, which opening the database may write. RocksDB
  // itself aborts the process on some of its writes that a full disk refuses.
  absl::Status CheckOpening(uint64_t bytes) const;

 private:
  void Lay();
  void GiveUp();

  const std::string directory_;
  const std::string ballast_;  // path
  const DiskRoomOptions options_;
  const FreeBytes free_bytes_;
  bool laid_ = false;
  bool cannot_lay_ = false;  // tried and failed: once is enough
};

}  // namespace berth::store
