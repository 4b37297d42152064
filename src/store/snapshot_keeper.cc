#include "store/snapshot_keeper.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/annotate.h"
#include "base/logging.h"
#include "base/quantities.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "snapshot/part_file.h"
#include "store/write_snapshot.h"

namespace berth::store {
namespace {

constexpr std::string_view kSuffix = ".snapshot";
constexpr std::string_view kPartSuffix = ".snapshot.part";
constexpr char kTimeFormat[] = "%Y%m%dT%H%M%SZ";
constexpr size_t kTimeLength = 16;
constexpr size_t kIdDigits = 8;
// Room is looked at again after so much.
constexpr uint64_t kBytesBetweenChecks = uint64_t{16} << 20;

std::string TimeText(int64_t unix_ms) {
  const time_t seconds = unix_ms / 1000;
  tm fields{};
  ::gmtime_r(&seconds, &fields);
  char text[32];
  return {text, ::strftime(text, sizeof text, kTimeFormat, &fields)};
}

absl::Status Error(int error, std::string_view doing, const std::string& path) {
  return absl::ErrnoToStatus(error, "cannot " + std::string(doing) + " " + path);
}

}  // namespace

SnapshotKeeper::SnapshotKeeper(SnapshotKeeperOptions options, const StateStore& store,
                               const base::Clock& clock)
    : options_(std::move(options)),
      store_(store),
      clock_(clock),
      prefix_("berth-" + store.cluster_id().substr(0, kIdDigits) + "-"),
      thread_("snapshots") {}

SnapshotKeeper::~SnapshotKeeper() { Stop(); }

void SnapshotKeeper::Start() {
  if (const auto kept = List(); kept.ok() && !kept->empty()) {
    struct stat file {};
    base::MutexLock lock(mutex_);
    stats_.last_success_unix_ms = kept->back().unix_ms;
    if (::stat(kept->back().path.c_str(), &file) == 0) {
      stats_.last_bytes = static_cast<uint64_t>(file.st_size);
    }
  }
  const int64_t delay = std::min(options_.first_after_ms, options_.interval_ms);
  thread_.PostAfter(std::chrono::milliseconds(delay), [this] { RoundAndOn(); });
}

void SnapshotKeeper::Stop() {
  stopping_ = true;
  thread_.Stop();
}

SnapshotKeeperStats SnapshotKeeper::stats() const {
  base::MutexLock lock(mutex_);
  return stats_;
}

void SnapshotKeeper::RoundAndOn() {
  const int64_t delay = Round();
  thread_.PostAfter(std::chrono::milliseconds(delay), [this] { RoundAndOn(); });
}

int64_t SnapshotKeeper::Round() {
  const auto kept = List();
  absl::Status status = kept.status();
  if (kept.ok() && !kept->empty()) {
    const int64_t age = clock_.WallMs() - kept->back().unix_ms;
    // One from the future says nothing: the clock was set back.
    if (age >= 0 && age < options_.interval_ms) return options_.interval_ms - age;
  }
  if (status.ok()) status = Write();
  if (status.ok()) return options_.interval_ms;
  if (stopping_) return options_.interval_ms;
  const int64_t pause = std::min(options_.retry_after_ms, options_.interval_ms);
  BERTH_LOG_ERROR("no snapshot was saved: {}; it is tried again in {}", base::S(status.message()),
                  base::FormatExactDuration(absl::Milliseconds(pause)));
  base::MutexLock lock(mutex_);
  ++stats_.failures;
  return pause;
}

absl::Status SnapshotKeeper::MakeDirectory() const {
  if (::mkdir(options_.directory.c_str(), 0700) == 0 || errno == EEXIST) return absl::OkStatus();
  return Error(errno, "make", options_.directory);
}

std::optional<int64_t> SnapshotKeeper::TimeOf(const std::string& name) const {
  if (!name.starts_with(prefix_) || !name.ends_with(kSuffix)) return std::nullopt;
  const std::string text = name.substr(prefix_.size(), kTimeLength);
  tm fields{};
  const char* const end = ::strptime(text.c_str(), kTimeFormat, &fields);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return int64_t{::timegm(&fields)} * 1000;
}

absl::StatusOr<std::vector<SnapshotKeeper::Kept>> SnapshotKeeper::List() const {
  std::vector<Kept> kept;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory, error)) {
    const std::string name = entry.path().filename().string();
    if (const auto time = TimeOf(name)) kept.push_back({entry.path().string(), *time});
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return Error(error.value(), "list", options_.directory);
  }
  std::sort(kept.begin(), kept.end(), [](const Kept& a, const Kept& b) { return a.path < b.path; });
  return kept;
}

absl::Status SnapshotKeeper::Write() {
  BERTH_RETURN_IF_ERROR(MakeDirectory());
  BERTH_RETURN_IF_ERROR(store_.CheckRoom());
  BERTH_ASSIGN_OR_RETURN(const auto state, store_.Snapshot());
  const int64_t now = clock_.WallMs();
  const std::string path = options_.directory + "/" + prefix_ + TimeText(now) + "-e" +
                           std::to_string(state->head().epoch) + std::string(kSuffix);
  snapshot::SnapshotSummary summary;
  {
    BERTH_ASSIGN_OR_RETURN(const auto file, snapshot::PartFile::Create(path));
    uint64_t since_check = 0;
    const auto write = [&](std::string_view bytes) {
      if (stopping_) return absl::CancelledError("berthd is stopping");
      since_check += bytes.size();
      if (since_check >= kBytesBetweenChecks) {
        since_check = 0;
        BERTH_RETURN_IF_ERROR(store_.CheckRoom());
      }
      return file->Write(bytes);
    };
    BERTH_ASSIGN_OR_RETURN(summary, WriteSnapshot(*state,
                                                  {.cluster_name = options_.cluster_name,
                                                   .berthd_version = options_.berthd_version,
                                                   .created_unix_ms = now},
                                                  write));
    BERTH_RETURN_IF_ERROR(file->Complete(/*replace=*/true));
  }
  BERTH_LOG_INFO("snapshot saved: {}, epoch {}, {}", path, summary.info.epoch,
                 base::FormatBytes(static_cast<int64_t>(summary.bytes)));
  {
    base::MutexLock lock(mutex_);
    stats_.last_success_unix_ms = now;
    stats_.last_bytes = summary.bytes;
  }
  // The new one is there, whatever becomes of the old.
  if (const absl::Status pruned = Prune(path); !pruned.ok()) {
    BERTH_LOG_ERROR("old snapshots are kept beyond {}: {}", options_.keep,
                    base::S(pruned.message()));
  }
  return absl::OkStatus();
}

absl::Status SnapshotKeeper::Prune(const std::string& written) const {
  BERTH_ASSIGN_OR_RETURN(std::vector<Kept> kept, List());
  // Never the new one, whatever the clock said when the others were made.
  std::erase_if(kept, [&](const Kept& each) { return each.path == written; });
  const auto others = static_cast<size_t>(options_.keep - 1);
  for (size_t i = 0; i + others < kept.size(); ++i) {
    if (::unlink(kept[i].path.c_str()) != 0) return Error(errno, "remove", kept[i].path);
  }
  // What a kill has left of ours; nobody else writes these.
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix_) && name.ends_with(kPartSuffix)) ::unlink(entry.path().c_str());
  }
  return absl::OkStatus();
}

}  // namespace berth::store
