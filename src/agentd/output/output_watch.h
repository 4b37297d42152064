#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "agentd/attempt_key.h"
#include "agentd/attempt_store.h"
#include "agentd/event_loop.h"
#include "agentd/output/output_marks.h"
#include "base/clock.h"
#include "base/unique_fd.h"

namespace berth::agentd {

// Sees running attempts write, and marks down when (output_marks.h).
//
// A file is watched by inotify until it is written to once; then it is left alone for a while, so
// that a chatty task costs a few looks a second, and one without output nothing. The first writes
// of a task, and those after a silence, are seen one by one. What is written after the last look
// has the file's own time.
//
// Threading: the loop's thread. Errors: where the kernel gives no more watches, Tend() looks.
class OutputWatch {
 public:
  // Between two looks at a stream that is written to all the time: more with many attempts.
  static constexpr int64_t kLookMs = 200;
  // So many looks of an attempt may follow one another at once.
  static constexpr int kBurst = 20;
  // Attempts that end sooner are never watched.
  static constexpr int64_t kSettleMs = 20;

  // All outlive it.
  OutputWatch(EventLoop& loop, const base::Clock& clock, const AttemptStore& store);
  OutputWatch(const OutputWatch&) = delete;
  OutputWatch& operator=(const OutputWatch&) = delete;
  ~OutputWatch();

  // An attempt runs. Told twice, it is one.
  void Started(const AttemptKey& key);
  // Its files are about to be moved.
  void Ended(const AttemptKey& key);
  // Looks at what cannot be watched. To be called now and then. Cost: nothing while all are.
  void Tend();

 private:
  struct Stream {
    int watch = -1;        // -1: none
    int64_t marked = 0;    // position of its last mark
    bool resting = false;  // it is looked at later
  };
  struct Attempt {
    bool watched = false;  // it has settled
    std::array<Stream, 2> streams;
    size_t marks = 0;  // in its file
    int looks_left = kBurst;
    int64_t looks_since_ms = 0;
    int slowness = 1;  // doubled whenever its file was thinned out
  };

  void Settle();
  void Begin(const AttemptKey& key, Attempt& attempt);
  void OnEvents();
  // Watches a stream that is not watched; what was written meanwhile counts as seen now.
  void Watch(const AttemptKey& key, Attempt& attempt, bool is_stderr);
  void WatchLater(const AttemptKey& key, Attempt& attempt, bool is_stderr);
  // Marks what has grown, the stream that was written to first before the other.
  void Look(const AttemptKey& key, Attempt& attempt, bool stderr_first);
  void Write(const AttemptKey& key, Attempt& attempt, const std::vector<OutputMark>& marks);
  bool TakeLook(Attempt& attempt) const;
  [[nodiscard]] int64_t LookMs(const Attempt& attempt) const;

  EventLoop& loop_;
  const base::Clock& clock_;
  const AttemptStore& store_;
  base::UniqueFd inotify_;
  std::map<AttemptKey, Attempt> attempts_;
  std::vector<std::pair<int64_t, AttemptKey>> settling_;  // (when they began, ...), in order
  std::map<int, std::pair<AttemptKey, bool>> watches_;    // attempt, whether standard error
};

}  // namespace berth::agentd
