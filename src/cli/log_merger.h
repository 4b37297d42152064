#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace berth::cli {

// A piece of what a task wrote, or something that a person is to know of it.
struct LogPiece {
  bool is_stderr = false;
  int64_t unix_ms = 0;  // when it was written; 0: not known
  std::string data;
  std::string notice;  // not empty: there is no data
};

// Puts the output of several tasks into the order in which it was written, and keeps whole lines
// together: what one task writes is not cut by another's, nor by its own other stream, unless a
// line goes on for too long.
//
// Each source's pieces come in order. Where all sources have more to say the order is exact, as far
// as times are. One that is silent is waited for: without `follow` until it says something or ends,
// with it for kHoldMs. Half a line is held back: without `follow` until the rest comes, with it for
// kHoldMs, or when it is longer than kLongLine. While one that was shown stays unfinished the
// others wait for kCutMs, or for kMostHeld of them.
//
// Bounded memory: what AddSource's readers may give (Wants), and the held lines.
//
// Threading: none. Reads no clock.
class LogMerger {
 public:
  static constexpr int64_t kHoldMs = 300;
  static constexpr int64_t kCutMs = 1000;
  static constexpr size_t kLongLine = 64 << 10;
  static constexpr size_t kMostHeld = 1 << 20;
  static constexpr size_t kMostPieces = 4;  // of a source, that wait

  // What is to be shown next.
  struct Text {
    size_t source = 0;
    bool is_stderr = false;
    int64_t unix_ms = 0;  // of its first byte
    std::string data;     // whole lines, or a part of one
    std::string notice;
  };

  explicit LogMerger(bool follow) : follow_(follow) {}

  // A further source; the number of them that there were.
  size_t AddSource(int64_t now_ms);
  [[nodiscard]] bool Wants(size_t source) const {
    return sources_[source].pieces.size() < kMostPieces;
  }
  // REQUIRES: Wants(source), or it does not matter; it has not ended.
  void Add(size_t source, LogPiece piece, int64_t now_ms);
  void End(size_t source);

  // What can be shown now, in order.
  std::vector<Text> Take(int64_t now_ms);
  // When there may be something without anything having come; nothing: never.
  [[nodiscard]] std::optional<int64_t> due_ms(int64_t now_ms) const;
  // All have ended and everything has been taken.
  [[nodiscard]] bool done() const;

 private:
  struct Channel {
    std::string partial;  // of a line that has not ended, not shown yet
    int64_t partial_unix_ms = 0;
    int64_t partial_since_ms = 0;
  };
  struct Source {
    std::deque<LogPiece> pieces;
    int64_t head_since_ms = 0;  // when the first of them came to be the first
    int64_t last_unix_ms = 0;
    bool ended = false;
    bool flushed = false;  // it has ended and its half lines are out
    Channel channels[2];
  };
  using ChannelName = std::pair<size_t, bool>;

  [[nodiscard]] int64_t TimeOf(const Source& source) const;
  [[nodiscard]] std::optional<size_t> First() const;
  // Whether some source may still say something that was written before.
  [[nodiscard]] bool MustWait(size_t first, int64_t now_ms) const;
  void Feed(size_t source, LogPiece piece, int64_t now_ms);
  void Flush(size_t source, bool is_stderr, int64_t now_ms);
  void Show(Text text, int64_t now_ms);
  void Out(Text text, int64_t now_ms);
  void LetGo(int64_t now_ms);

  const bool follow_;
  std::vector<Source> sources_;
  std::optional<ChannelName> open_;  // whose unfinished line was shown last
  int64_t open_since_ms_ = 0;
  std::deque<Text> held_;  // behind it
  size_t held_bytes_ = 0;
  std::vector<Text> out_;
};

}  // namespace berth::cli
