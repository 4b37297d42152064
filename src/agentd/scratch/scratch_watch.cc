#include "agentd/scratch/scratch_watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <set>
#include <utility>
#include <vector>

#include "agentd/probe/disk_probe.h"
#include "base/logging.h"
#include "base/quantities.h"
#include "base/unique_fd.h"

namespace berth::agentd {
namespace {

constexpr int kShareOfTime = 20;

// Folders within folders: more deeply than this nobody works, but somebody who means harm.
constexpr size_t kMostDepth = 512;

// What is told to go has gone by then, or does not go.
constexpr std::chrono::seconds kGoesWithin{10};

class TreeMeasure {
 public:
  explicit TreeMeasure(dev_t device) : device_(device) {}

  // Takes `fd` over.
  void Add(int fd, size_t depth) {
    DIR* folder = fdopendir(fd);
    if (folder == nullptr) {
      close(fd);
      return;
    }
    while (const dirent* entry = readdir(folder)) {
      if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
      struct stat info = {};
      if (fstatat(dirfd(folder), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
      if (info.st_dev != device_) continue;
      // A file of several names is there once.
      if (info.st_nlink > 1 && !S_ISDIR(info.st_mode) && !seen_.insert(info.st_ino).second)
        continue;
      size_.bytes += int64_t{info.st_blocks} * 512;
      if (!S_ISDIR(info.st_mode)) continue;
      if (depth >= kMostDepth) {
        size_.too_deep = true;
        continue;
      }
      const int inner =
          openat(dirfd(folder), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (inner >= 0) Add(inner, depth + 1);
    }
    closedir(folder);
  }

  [[nodiscard]] TreeSize size() const { return size_; }

 private:
  const dev_t device_;
  std::set<ino_t> seen_;
  TreeSize size_;
};

}  // namespace

TreeSize MeasureTree(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  struct stat info = {};
  if (fd < 0) return {};
  if (fstat(fd, &info) != 0) {
    close(fd);
    return {};
  }
  TreeMeasure measure(info.st_dev);
  measure.Add(fd, 0);
  return measure.size();
}

std::optional<AttemptKey> MostOverfull(const std::map<AttemptKey, ScratchUse>& uses) {
  std::optional<AttemptKey> worst;
  int64_t most = 0;
  for (const auto& [key, use] : uses) {
    const int64_t beyond = use.used_bytes - use.asked_bytes;
    if (beyond <= most) continue;
    most = beyond;
    worst = key;
  }
  return worst;
}

ScratchWatch::ScratchWatch(Options options, Report report)
    : options_(std::move(options)), report_(std::move(report)) {}

void ScratchWatch::Watch(const AttemptKey& key, std::string scratch, std::string layer,
                         int64_t asked_bytes) {
  thread_.Post([this, key, scratch = std::move(scratch), layer = std::move(layer), asked_bytes] {
    const uint64_t number = next_number_++;
    folders_[key] = {scratch, layer, asked_bytes, number, std::nullopt};
    thread_.PostAfter(options_.period, [this, key, number] { Measure(key, number); });
    if (std::exchange(checks_room_, true)) return;
    thread_.PostAfter(options_.period, [this] { CheckRoom(); });
  });
}

void ScratchWatch::Unwatch(const AttemptKey& key) {
  thread_.Post([this, key] {
    folders_.erase(key);
    base::MutexLock lock(mutex_);
    bytes_.erase(key);
  });
}

int64_t ScratchWatch::Bytes(const AttemptKey& key) const {
  base::MutexLock lock(mutex_);
  const auto found = bytes_.find(key);
  return found == bytes_.end() ? 0 : found->second;
}

TreeSize ScratchWatch::SizeOf(const Folder& folder) {
  TreeSize size = MeasureTree(folder.scratch);
  if (folder.layer.empty()) return size;
  const TreeSize layer = MeasureTree(folder.layer);
  return {size.bytes + layer.bytes, size.too_deep || layer.too_deep};
}

std::string ScratchWatch::TakesUp(const Folder& folder) {
  return folder.layer.empty() ? "its scratch directory takes up"
                              : "its scratch directory and what it wrote over its image take up";
}

void ScratchWatch::Measure(const AttemptKey& key, uint64_t number) {
  const auto found = folders_.find(key);
  if (found == folders_.end() || found->second.number != number) return;
  const Folder& folder = found->second;
  const auto began = std::chrono::steady_clock::now();
  const TreeSize size = SizeOf(folder);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - began);
  {
    base::MutexLock lock(mutex_);
    bytes_[key] = size.bytes;
  }
  if (folder.asked_bytes > 0 && size.bytes > folder.asked_bytes) {
    Tell(key, TakesUp(folder) + " " + base::FormatBytes(size.bytes) + ", and it asked for " +
                  base::FormatBytes(folder.asked_bytes) + " of storage");
  } else if (folder.asked_bytes > 0 && size.too_deep) {
    Tell(key, "its scratch directory is more than " + std::to_string(kMostDepth) +
                  " folders deep, so that what it takes up of its storage cannot be told");
  }
  thread_.PostAfter(std::max(options_.period, took * kShareOfTime),
                    [this, key, number] { Measure(key, number); });
}

void ScratchWatch::CheckRoom() {
  checks_room_ = !folders_.empty();
  if (!checks_room_) return;
  thread_.PostAfter(options_.period, [this] { CheckRoom(); });
  const auto room = ProbeFilesystem(options_.root);
  if (!room.ok()) {
    BERTH_LOG_WARN("{}", room.status().ToString());
    return;
  }
  if (room->free_bytes >= options_.least_free_bytes) return;
  std::map<AttemptKey, ScratchUse> uses;
  for (const auto& [key, folder] : folders_) {
    // One at a time: what was told is on its way out. If it does not go, others have to.
    if (folder.told && std::chrono::steady_clock::now() - *folder.told < kGoesWithin) return;
    if (!folder.told) uses[key] = {folder.asked_bytes, SizeOf(folder).bytes};
  }
  const auto worst = MostOverfull(uses);
  if (!worst) return;
  const ScratchUse& use = uses.at(*worst);
  Tell(*worst, "the node's disk is nearly full (" + base::FormatBytes(room->free_bytes) +
                   " free), and " + TakesUp(folders_.at(*worst)) + " " +
                   base::FormatBytes(use.used_bytes) + ", more than the " +
                   base::FormatBytes(use.asked_bytes) + " of storage that it asked for");
}

void ScratchWatch::Tell(const AttemptKey& key, const std::string& why) {
  Folder& folder = folders_.at(key);
  const auto now = std::chrono::steady_clock::now();
  if (folder.told && now - *folder.told < kGoesWithin) return;
  folder.told = now;
  report_(key, why);
}

}  // namespace berth::agentd
