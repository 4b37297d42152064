#include "agentd/output/output_watch.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "base/logging.h"
#include "base/small_file.h"

namespace berth::agentd {
namespace {

// Without a sync, which would hold up the loop: marks are a help, and no more.
bool Replace(const std::string& path, const std::string& bytes) {
  const std::string made = path + ".new";
  const base::UniqueFd fd(
      open(made.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  return fd.valid() &&
         write(fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
         rename(made.c_str(), path.c_str()) == 0;
}

int64_t ModifiedMs(const struct stat& info) {
  return int64_t{info.st_mtim.tv_sec} * 1000 + info.st_mtim.tv_nsec / 1'000'000;
}

}  // namespace

OutputWatch::OutputWatch(EventLoop& loop, const base::Clock& clock, const AttemptStore& store)
    : loop_(loop), clock_(clock), store_(store) {
  inotify_.reset(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (inotify_.valid()) loop_.Watch(inotify_.get(), [this] { OnEvents(); });
}

OutputWatch::~OutputWatch() {
  if (inotify_.valid()) loop_.Unwatch(inotify_.get());
}

void OutputWatch::Started(const AttemptKey& key) {
  if (!attempts_.try_emplace(key).second) return;
  const int64_t now = clock_.MonotonicMs();
  settling_.emplace_back(now, key);
  if (settling_.size() == 1) loop_.At(now + kSettleMs, [this] { Settle(); });
}

void OutputWatch::Settle() {
  const int64_t now = clock_.MonotonicMs();
  size_t done = 0;
  for (; done < settling_.size() && settling_[done].first + kSettleMs <= now; ++done) {
    const auto found = attempts_.find(settling_[done].second);
    if (found != attempts_.end() && !found->second.watched) Begin(found->first, found->second);
  }
  settling_.erase(settling_.begin(), settling_.begin() + static_cast<std::ptrdiff_t>(done));
  if (!settling_.empty()) {
    loop_.At(settling_.front().first + kSettleMs, [this] { Settle(); });
  }
}

void OutputWatch::Begin(const AttemptKey& key, Attempt& attempt) {
  attempt.watched = true;
  // An agent before this one may have left marks.
  if (const absl::StatusOr<std::string> file = base::ReadSmallFile(store_.MarksPath(key));
      file.ok()) {
    for (const OutputMark& mark : DecodeMarks(*file)) {
      attempt.streams[mark.is_stderr].marked = mark.until;
      ++attempt.marks;
    }
  }
  for (const bool is_stderr : {false, true}) Watch(key, attempt, is_stderr);
}

void OutputWatch::Ended(const AttemptKey& key) {
  const auto found = attempts_.find(key);
  if (found == attempts_.end()) return;
  for (const Stream& stream : found->second.streams) {
    if (stream.watch < 0) continue;
    inotify_rm_watch(inotify_.get(), stream.watch);
    watches_.erase(stream.watch);
  }
  attempts_.erase(found);
}

void OutputWatch::Tend() {
  for (auto& [key, attempt] : attempts_) {
    if (!attempt.watched) continue;
    for (const bool is_stderr : {false, true}) {
      const Stream& stream = attempt.streams[is_stderr];
      if (stream.watch < 0 && !stream.resting) Watch(key, attempt, is_stderr);
    }
  }
}

void OutputWatch::OnEvents() {
  alignas(inotify_event) char buffer[16 << 10];
  for (;;) {
    const ssize_t got = read(inotify_.get(), buffer, sizeof(buffer));
    if (got <= 0) return;
    for (const char* at = buffer; at < buffer + got;) {
      inotify_event event;
      std::memcpy(&event, at, sizeof(event));
      at += sizeof(event) + event.len;
      const auto watch = watches_.find(event.wd);
      if (watch == watches_.end()) continue;  // its attempt has ended, or it said so before
      const auto [key, is_stderr] = watch->second;
      watches_.erase(watch);
      Attempt& attempt = attempts_.at(key);
      attempt.streams[is_stderr].watch = -1;
      Look(key, attempt, is_stderr);
      if (TakeLook(attempt)) {
        Watch(key, attempt, is_stderr);
      } else {
        WatchLater(key, attempt, is_stderr);
      }
    }
  }
}

void OutputWatch::Watch(const AttemptKey& key, Attempt& attempt, bool is_stderr) {
  Stream& stream = attempt.streams[is_stderr];
  const AttemptPaths paths = store_.Paths(key);
  const std::string& path = is_stderr ? paths.error : paths.output;
  stream.watch = inotify_.valid()
                     ? inotify_add_watch(inotify_.get(), path.c_str(), IN_MODIFY | IN_ONESHOT)
                     : -1;
  if (stream.watch >= 0) watches_[stream.watch] = {key, is_stderr};
  const int64_t before = stream.marked;
  Look(key, attempt, is_stderr);
  if (stream.marked == before || stream.watch < 0) return;
  // It goes on writing: the watch would only tell of that.
  inotify_rm_watch(inotify_.get(), stream.watch);
  watches_.erase(stream.watch);
  stream.watch = -1;
  WatchLater(key, attempt, is_stderr);
}

void OutputWatch::WatchLater(const AttemptKey& key, Attempt& attempt, bool is_stderr) {
  attempt.streams[is_stderr].resting = true;
  loop_.At(clock_.MonotonicMs() + LookMs(attempt), [this, key, is_stderr] {
    const auto found = attempts_.find(key);
    if (found == attempts_.end()) return;
    Stream& stream = found->second.streams[is_stderr];
    if (!std::exchange(stream.resting, false) || stream.watch >= 0) return;
    Watch(key, found->second, is_stderr);
  });
}

void OutputWatch::Look(const AttemptKey& key, Attempt& attempt, bool stderr_first) {
  const AttemptPaths paths = store_.Paths(key);
  std::vector<OutputMark> marks;
  for (const bool is_stderr : {stderr_first, !stderr_first}) {
    Stream& stream = attempt.streams[is_stderr];
    struct stat info = {};
    if (stat((is_stderr ? paths.error : paths.output).c_str(), &info) != 0) continue;
    if (info.st_size > stream.marked) marks.push_back({is_stderr, info.st_size, ModifiedMs(info)});
    stream.marked = info.st_size;  // a task may have cut its own output short
  }
  if (marks.empty()) return;
  std::stable_sort(marks.begin(), marks.end(),
                   [](const OutputMark& a, const OutputMark& b) { return a.unix_ms < b.unix_ms; });
  Write(key, attempt, marks);
}

void OutputWatch::Write(const AttemptKey& key, Attempt& attempt,
                        const std::vector<OutputMark>& marks) {
  const std::string path = store_.MarksPath(key);
  const base::UniqueFd fd(
      open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  const std::string bytes = EncodeMarks(marks);
  if (!fd.valid() || write(fd.get(), bytes.data(), bytes.size()) < 0) {
    BERTH_LOG_DEBUG("{}: errno {}", path, errno);  // a full disk, say: only times are lost
    return;
  }
  attempt.marks += marks.size();
  if (attempt.marks < kMostMarks) return;
  const absl::StatusOr<std::string> all = base::ReadSmallFile(path);
  if (!all.ok()) return;
  const std::vector<OutputMark> kept = ThinOut(DecodeMarks(*all));
  if (!Replace(path, EncodeMarks(kept))) return;
  attempt.marks = kept.size();
  attempt.slowness = std::min(attempt.slowness * 2, 1 << 10);
}

bool OutputWatch::TakeLook(Attempt& attempt) const {
  const int64_t now = clock_.MonotonicMs();
  const int64_t earned = (now - attempt.looks_since_ms) / LookMs(attempt);
  if (earned > 0) {
    attempt.looks_left = static_cast<int>(std::min<int64_t>(kBurst, attempt.looks_left + earned));
    attempt.looks_since_ms = now;
  }
  if (attempt.looks_left == 0) return false;
  --attempt.looks_left;
  return true;
}

int64_t OutputWatch::LookMs(const Attempt& attempt) const {
  return std::max<int64_t>(kLookMs, 2 * static_cast<int64_t>(attempts_.size())) * attempt.slowness;
}

}  // namespace berth::agentd
