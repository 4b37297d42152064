#include "agentd/journal/journal.h"

#include <pthread.h>

#include <chrono>
#include <iterator>
#include <utility>

#include "base/logging.h"

namespace berth::agentd {
namespace {

// Records that may wait do so up to this many bytes.
constexpr uint64_t kMostWaiting = 256 << 10;
constexpr auto kLookForRoomEvery = std::chrono::seconds(1);

uint64_t BytesOf(const std::vector<std::string>& records) {
  uint64_t bytes = 0;
  for (const std::string& record : records) bytes += record.size();
  return bytes;
}

void MoveTo(std::vector<std::string>& to, std::vector<std::string> from) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
}

}  // namespace

Journal::Journal(JournalFile file, Callbacks callbacks)
    : callbacks_(std::move(callbacks)),
      file_(std::move(file)),
      bytes_(file_.bytes()),
      thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), "journal");
}

Journal::~Journal() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyOne();
  thread_.join();
}

void Journal::Append(std::vector<std::string> records, uint64_t ticket) {
  {
    base::MutexLock lock(mutex_);
    bytes_ += BytesOf(records);
    MoveTo(next_.records, std::move(records));
    next_.ticket = ticket;
    next_.urgent = true;
  }
  changed_.NotifyOne();
}

void Journal::AppendLater(std::vector<std::string> records) {
  bool urgent;
  {
    base::MutexLock lock(mutex_);
    const uint64_t bytes = BytesOf(records);
    bytes_ += bytes;
    next_.bytes += bytes;
    MoveTo(next_.records, std::move(records));
    // Nobody may come with something urgent for long: what waits is bounded all the same.
    next_.urgent = next_.urgent || next_.bytes > kMostWaiting;
    urgent = next_.urgent;
  }
  if (urgent) changed_.NotifyOne();
}

void Journal::Replace(std::vector<std::string> snapshot, uint64_t ticket) {
  {
    base::MutexLock lock(mutex_);
    bytes_ = BytesOf(snapshot);
    MoveTo(next_.replaced, std::exchange(next_.records, {}));
    next_.snapshot = std::move(snapshot);
    next_.ticket = ticket;
    next_.urgent = true;
  }
  changed_.NotifyOne();
}

uint64_t Journal::bytes() const {
  base::MutexLock lock(mutex_);
  return bytes_;
}

void Journal::Run() {
  for (;;) {
    Group group = NextGroup();
    if (group.records.empty() && group.snapshot.empty()) return;  // stopping
    const uint64_t ticket = group.ticket;
    const absl::Status written = Write(std::move(group));
    if (!written.ok()) {
      callbacks_.on_error(written);
      return;
    }
    if (ticket == 0) continue;
    durable_ = ticket;
    callbacks_.on_durable(durable_, file_.space_low());
  }
}

Journal::Group Journal::NextGroup() {
  for (;;) {
    {
      base::MutexLock lock(mutex_);
      const auto look_again = std::chrono::steady_clock::now() + kLookForRoomEvery;
      bool look = false;
      while (!next_.urgent && !stopping_ && !look) {
        if (!file_.space_low()) {
          changed_.Wait(mutex_);
        } else {
          look = !changed_.WaitUntil(mutex_, look_again);
        }
      }
      if (next_.urgent || stopping_) return std::exchange(next_, {});
    }
    // Nothing may come to be written, and nothing more would be looked at.
    file_.Reserve();
    if (!file_.space_low()) callbacks_.on_durable(durable_, false);
  }
}

absl::Status Journal::Write(Group group) {
  if (group.snapshot.empty()) return file_.Append(group.records);
  std::vector<std::string> whole = std::move(group.snapshot);
  whole.insert(whole.end(), group.records.begin(), group.records.end());
  absl::Status replaced = file_.Replace(whole);
  if (!absl::IsUnavailable(replaced)) return replaced;
  BERTH_LOG_WARN("the journal stays long: {}", replaced.ToString());
  MoveTo(group.replaced, std::move(group.records));
  return group.replaced.empty() ? absl::OkStatus() : file_.Append(group.replaced);
}

}  // namespace berth::agentd
