#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "agentd/attempt_key.h"
#include "base/mutex.h"
#include "base/work_thread.h"

namespace berth::agentd {

// What a folder and what is in it take up on its file system; what is mounted within it is left
// out, and so is what lies more than 512 folders deep, and files that are open and have no name any
// more. Entries that vanish meanwhile count nothing. Cost: a stat(2) for each entry.
struct TreeSize {
  int64_t bytes = 0;
  bool too_deep = false;  // something was left out for that
};
TreeSize MeasureTree(const std::string& folder);

// Which of some attempts has to go when the file system of their scratch folders is nearly full:
// the one that is furthest above what it asked for. Pure.
struct ScratchUse {
  int64_t asked_bytes = 0;  // 0: nothing
  int64_t used_bytes = 0;
};
std::optional<AttemptKey> MostOverfull(const std::map<AttemptKey, ScratchUse>& uses);

// Measures what running attempts write to the node's disk beyond their output (their scratch
// folders, and what tasks with an image write over it), again and again, on a thread of its own,
// and tells of those that take up more than they asked for; and, when the file system is nearly
// full, of the one that takes up most beyond that.
//
// Each attempt is looked at every period, and for no more than a twentieth of the time: a folder
// that takes 1 s to measure is looked at every 20 s.
//
// Threading: any thread; `report` comes on its own.
class ScratchWatch {
 public:
  // `why`: in words.
  using Report = std::function<void(const AttemptKey& key, const std::string& why)>;

  struct Options {
    std::string root;              // a folder on the file system of all
    int64_t least_free_bytes = 0;  // with less, that is nearly full
    std::chrono::milliseconds period{5000};
  };

  ScratchWatch(Options options, Report report);
  ScratchWatch(const ScratchWatch&) = delete;
  ScratchWatch& operator=(const ScratchWatch&) = delete;
  ~ScratchWatch() { thread_.Stop(); }

  // `layer`: what it writes over its image; empty: it has none. `asked_bytes` 0: nothing; it has no
  // limit of its own then.
  void Watch(const AttemptKey& key, std::string scratch, std::string layer, int64_t asked_bytes);
  void Unwatch(const AttemptKey& key);
  // As measured last; 0: not yet, or not watched.
  [[nodiscard]] int64_t Bytes(const AttemptKey& key) const;

 private:
  struct Folder {
    std::string scratch;
    std::string layer;  // empty: none
    int64_t asked_bytes = 0;
    uint64_t number = 0;  // of this Watch()
    std::optional<std::chrono::steady_clock::time_point> told;
  };

  [[nodiscard]] static TreeSize SizeOf(const Folder& folder);
  // "its scratch directory takes up"
  [[nodiscard]] static std::string TakesUp(const Folder& folder);
  void Measure(const AttemptKey& key, uint64_t number);
  void CheckRoom();
  // Again only when that has not helped for some seconds.
  void Tell(const AttemptKey& key, const std::string& why);

  const Options options_;
  const Report report_;
  // Of the thread.
  std::map<AttemptKey, Folder> folders_;
  uint64_t next_number_ = 1;
  bool checks_room_ = false;  // it will look again by itself

  mutable base::Mutex mutex_;
  std::map<AttemptKey, int64_t> bytes_ BERTH_GUARDED_BY(mutex_);
  base::WorkThread thread_{"scratch"};  // last: it ends before what it uses
};

}  // namespace berth::agentd
