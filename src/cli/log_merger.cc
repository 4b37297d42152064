#include "cli/log_merger.h"

#include <algorithm>

namespace berth::cli {

size_t LogMerger::AddSource(int64_t now_ms) {
  sources_.emplace_back().head_since_ms = now_ms;
  return sources_.size() - 1;
}

void LogMerger::Add(size_t source, LogPiece piece, int64_t now_ms) {
  Source& from = sources_[source];
  if (from.pieces.empty()) from.head_since_ms = now_ms;
  from.pieces.push_back(std::move(piece));
}

void LogMerger::End(size_t source) { sources_[source].ended = true; }

// What has no time was written when what came before it was.
int64_t LogMerger::TimeOf(const Source& source) const {
  const LogPiece& piece = source.pieces.front();
  return piece.unix_ms != 0 ? piece.unix_ms : source.last_unix_ms;
}

std::optional<size_t> LogMerger::First() const {
  std::optional<size_t> first;
  for (size_t i = 0; i < sources_.size(); ++i) {
    if (sources_[i].pieces.empty()) continue;
    if (!first || TimeOf(sources_[i]) < TimeOf(sources_[*first])) first = i;
  }
  return first;
}

bool LogMerger::MustWait(size_t first, int64_t now_ms) const {
  const bool all_known = std::all_of(sources_.begin(), sources_.end(), [](const Source& each) {
    return each.ended || !each.pieces.empty();
  });
  if (all_known) return false;
  return !follow_ || now_ms < sources_[first].head_since_ms + kHoldMs;
}

std::vector<LogMerger::Text> LogMerger::Take(int64_t now_ms) {
  for (auto first = First(); first && !MustWait(*first, now_ms); first = First()) {
    Source& source = sources_[*first];
    LogPiece piece = std::move(source.pieces.front());
    source.last_unix_ms = piece.unix_ms = TimeOf(source);
    source.pieces.pop_front();
    source.head_since_ms = now_ms;
    Feed(*first, std::move(piece), now_ms);
  }
  for (size_t i = 0; i < sources_.size(); ++i) {
    Source& source = sources_[i];
    const bool over = source.ended && source.pieces.empty();
    for (const bool is_stderr : {false, true}) {
      const Channel& channel = source.channels[is_stderr];
      const bool late = follow_ && now_ms >= channel.partial_since_ms + kHoldMs;
      if (!channel.partial.empty() && (over || late)) Flush(i, is_stderr, now_ms);
    }
    if (over && !source.flushed) {
      source.flushed = true;
      if (open_ && open_->first == i) LetGo(now_ms);
    }
  }
  if (open_ && (held_bytes_ > kMostHeld ||
                (follow_ && !held_.empty() && now_ms >= open_since_ms_ + kCutMs))) {
    LetGo(now_ms);
  }
  return std::exchange(out_, {});
}

void LogMerger::Feed(size_t source, LogPiece piece, int64_t now_ms) {
  if (!piece.notice.empty()) {
    // People are told at once; nothing is cut by it that they have not been shown yet.
    out_.push_back({source, piece.is_stderr, piece.unix_ms, {}, std::move(piece.notice)});
    return;
  }
  Channel& channel = sources_[source].channels[piece.is_stderr];
  if (channel.partial.empty()) channel.partial_unix_ms = piece.unix_ms;
  channel.partial_since_ms = now_ms;
  const size_t newline = piece.data.rfind('\n');
  if (newline == std::string::npos) {
    channel.partial += piece.data;
  } else {
    Text lines{source, piece.is_stderr, channel.partial_unix_ms, std::move(channel.partial), {}};
    lines.data.append(piece.data, 0, newline + 1);
    channel.partial.assign(piece.data, newline + 1);
    channel.partial_unix_ms = piece.unix_ms;
    Show(std::move(lines), now_ms);
  }
  if (channel.partial.size() >= kLongLine) Flush(source, piece.is_stderr, now_ms);
}

void LogMerger::Flush(size_t source, bool is_stderr, int64_t now_ms) {
  Channel& channel = sources_[source].channels[is_stderr];
  Show({source, is_stderr, channel.partial_unix_ms, std::exchange(channel.partial, {}), {}},
       now_ms);
}

void LogMerger::Show(Text text, int64_t now_ms) {
  const ChannelName name = {text.source, text.is_stderr};
  if (open_ && *open_ != name) {
    held_bytes_ += text.data.size();
    held_.push_back(std::move(text));
    if (held_bytes_ > kMostHeld) LetGo(now_ms);
    return;
  }
  // Its line ends: what waited for that comes before its next one.
  if (const size_t end = text.data.find('\n');
      open_ && !held_.empty() && end != std::string::npos && end + 1 < text.data.size()) {
    Text rest = text;
    rest.data.erase(0, end + 1);
    text.data.resize(end + 1);
    Out(std::move(text), now_ms);
    return Show(std::move(rest), now_ms);
  }
  Out(std::move(text), now_ms);
}

void LogMerger::Out(Text text, int64_t now_ms) {
  const bool whole = text.data.back() == '\n';
  const ChannelName name = {text.source, text.is_stderr};
  out_.push_back(std::move(text));
  if (whole) return LetGo(now_ms);
  open_ = name;
  open_since_ms_ = now_ms;
}

void LogMerger::LetGo(int64_t now_ms) {
  open_.reset();
  std::deque<Text> held = std::exchange(held_, {});
  held_bytes_ = 0;
  for (Text& text : held) Show(std::move(text), now_ms);
}

std::optional<int64_t> LogMerger::due_ms(int64_t now_ms) const {
  if (!follow_) return std::nullopt;
  std::optional<int64_t> due;
  const auto by = [&](int64_t at_ms) { due = std::min(due.value_or(at_ms), at_ms); };
  if (const auto first = First(); first && MustWait(*first, now_ms)) {
    by(sources_[*first].head_since_ms + kHoldMs);
  }
  for (const Source& source : sources_) {
    for (const Channel& channel : source.channels) {
      if (!channel.partial.empty()) by(channel.partial_since_ms + kHoldMs);
    }
  }
  if (open_ && !held_.empty()) by(open_since_ms_ + kCutMs);
  return due;
}

bool LogMerger::done() const {
  return std::all_of(sources_.begin(), sources_.end(),
                     [](const Source& each) { return each.ended && each.flushed; }) &&
         held_.empty();
}

}  // namespace berth::cli
