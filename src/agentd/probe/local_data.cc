#include "agentd/probe/local_data.h"

#include <fts.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "agentd/probe/sysfs.h"
#include "base/logging.h"

namespace berth::agentd {
namespace {

constexpr size_t kMostEntries = 4096;
constexpr int kMostLevels = 2;  // that are looked at for changes

int64_t Nanoseconds(const timespec& time) {
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

struct Close {
  void operator()(FTS* walk) const { fts_close(walk); }
};
using Walk = std::unique_ptr<FTS, Close>;

Walk Begin(const std::string& path) {
  std::string name = path;
  std::vector<char*> paths = {name.data(), nullptr};
  // fts keeps copies. Physical: symbolic links are not followed, so there are no circles.
  return Walk(fts_open(paths.data(), FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, nullptr));
}

int64_t NanosecondsNow() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return Nanoseconds(now);
}

// The newest change in the uppermost folders: a look that costs little, however much lies below.
// By the time of the inode's change, which no program can set back.
int64_t NewestChange(const std::string& path) {
  const Walk walk = Begin(path);
  int64_t newest = 0;
  if (walk == nullptr) return newest;
  while (FTSENT* entry = fts_read(walk.get())) {
    if (entry->fts_info == FTS_D && entry->fts_level == kMostLevels) {
      fts_set(walk.get(), entry, FTS_SKIP);
    }
    if (entry->fts_info != FTS_D && entry->fts_info != FTS_F) continue;
    newest = std::max(newest, Nanoseconds(entry->fts_statp->st_ctim));
  }
  return newest;
}

int64_t SizeOf(const std::string& path) {
  const Walk walk = Begin(path);
  int64_t size = 0;
  std::set<std::pair<dev_t, ino_t>> linked;
  if (walk == nullptr) return size;
  while (const FTSENT* entry = fts_read(walk.get())) {
    if (entry->fts_info != FTS_F) continue;
    const struct stat& file = *entry->fts_statp;
    if (file.st_nlink > 1 && !linked.emplace(file.st_dev, file.st_ino).second) continue;
    size += file.st_size;
  }
  return size;
}

}  // namespace

std::string EntryName(std::string_view file_name) {
  for (const std::string_view prefix : {"models--", "datasets--"}) {
    if (!file_name.starts_with(prefix)) continue;
    std::string name(file_name.substr(prefix.size()));
    if (const size_t at = name.find("--"); at != std::string::npos) name.replace(at, 2, "/");
    return name;
  }
  return std::string(file_name);
}

std::vector<LocalEntry> LocalData::Find() {
  std::map<std::string, int64_t> found;
  std::map<std::string, Measured> measured;
  bool too_many = false;
  const auto now = std::chrono::steady_clock::now();
  for (const std::string& root : roots_) {
    for (const std::string& file : NamesIn(root)) {
      if (file.starts_with('.')) continue;
      if (found.size() == kMostEntries) {
        too_many = true;
        break;
      }
      std::string path = root;
      path.append("/").append(file);
      const int64_t looked_at_ns = NanosecondsNow();
      Measured entry{.changed_ns = NewestChange(path), .at = now};
      // File systems keep times in ticks: what changes again within the tick it was measured in
      // looks as if it had not.
      entry.settled = entry.changed_ns < looked_at_ns - settles_.count();
      const auto before = measured_.find(path);
      if (before != measured_.end() && before->second.settled &&
          before->second.changed_ns == entry.changed_ns && now - before->second.at < again_) {
        entry = before->second;
      } else {
        entry.size_bytes = SizeOf(path);
      }
      found.try_emplace(EntryName(file), entry.size_bytes);
      measured.emplace(std::move(path), entry);
    }
  }
  if (too_many) {
    BERTH_LOG_WARN(
        "more than {} data sets or models lie below {} and the other roots: the rest is "
        "not told of; name fewer roots in agent.yaml",
        kMostEntries, roots_.front());
  }
  measured_ = std::move(measured);
  std::vector<LocalEntry> entries;
  for (const auto& [name, size] : found) entries.push_back({name, size});
  return entries;
}

}  // namespace berth::agentd
