#include "cli/run_screen.h"

#include <algorithm>
#include <utility>

#include "cli/output/terminal_text.h"

namespace berth::cli {
namespace {

constexpr std::string_view kArrow = " → ";
constexpr std::size_t kShortColumns = 60;
// Back to the first column, then clear to the end of the line.
constexpr std::string_view kEraseLine = "\r\x1b[K";

}  // namespace

std::string ShortLine(std::string_view output) {
  if (output.ends_with('\n')) output.remove_suffix(1);
  if (output.empty() || output.size() > 4 * kShortColumns) return "";
  // What had to be changed for a terminal is not a line that may stand among our own words.
  std::string clean = TerminalText(output);
  if (clean != output || Columns(clean) > kShortColumns) return "";
  if (clean.find_first_not_of(' ') == std::string::npos) return "";
  return clean;
}

RunScreen::RunScreen(const Options& options, ByteSink* out, ByteSink* err)
    : options_(options), out_(out), err_(err) {}

void RunScreen::Append(const std::string& text) {
  line_ += text;
  if (options_.terminal) err_->Write(text);
}

void RunScreen::Submitted(const std::string& job_id) {
  job_id_ = job_id;
  last_station_ = "queued";
  if (options_.quiet) return;
  line_open_ = true;
  Append(Prefix() + ": queued");
}

void RunScreen::Station(const std::string& text) {
  if (options_.quiet || text == last_station_) return;
  last_station_ = text;
  if (!line_open_ || held_until_ms_) BreakLine();
  if (!line_open_) {
    line_open_ = true;
    line_.clear();
    Append(Prefix() + ": " + TerminalText(text));
    return;
  }
  Append(std::string(kArrow) + TerminalText(text));
}

void RunScreen::Rest() {
  if (!options_.terminal && line_open_) BreakLine();
}

void RunScreen::BreakLine() {
  if (line_open_) {
    line_open_ = false;
    err_->Write(options_.terminal ? "\n" : line_ + "\n");
    line_.clear();
  }
  FlushHeld();
  if (within_line_ && options_.terminal) {
    err_->Write("\n");
    within_line_ = false;
  }
}

void RunScreen::FlushHeld() {
  held_until_ms_.reset();
  if (held_.empty()) return;
  within_line_ = !held_.ends_with('\n');
  out_->Write(std::exchange(held_, ""));
}

void RunScreen::Output(bool is_stderr, std::string_view bytes, int64_t now_ms) {
  if (bytes.empty()) return;
  if (options_.terminal && line_open_ && !is_stderr) {
    held_ += bytes;
    if (!ShortLine(held_).empty()) {
      if (!held_until_ms_) held_until_ms_ = now_ms + kHoldMs;
      return;
    }
    bytes = "";
  }
  if (line_open_) {
    // Not BreakLine(): what is held and what comes now are one text.
    line_open_ = false;
    err_->Write(options_.terminal ? "\n" : line_ + "\n");
    line_.clear();
  }
  FlushHeld();
  if (bytes.empty()) return;
  within_line_ = bytes.back() != '\n';
  (is_stderr ? err_ : out_)->Write(bytes);
}

std::optional<int64_t> RunScreen::tick_at_ms() const { return held_until_ms_; }

void RunScreen::Tick(int64_t now_ms) {
  if (!held_until_ms_ || now_ms < *held_until_ms_) return;
  line_open_ = false;
  err_->Write("\n");
  line_.clear();
  FlushHeld();
}

void RunScreen::Notice(const std::string& text) {
  if (!options_.quiet) Warn(text);
}

void RunScreen::Warn(const std::string& text) {
  BreakLine();
  err_->Write(TerminalText(text) + "\n");
}

void RunScreen::Ask(const std::string& text) {
  BreakLine();
  err_->Write("berth: " + text);
  within_line_ = true;
}

void RunScreen::Ended(const Ending& ending) {
  const std::string next = ending.next_step.empty() ? "" : "; " + ending.next_step;
  const std::string detail = TerminalText(ending.detail);
  if (options_.quiet) {
    FlushHeld();
    return;
  }
  if (ending.kind == Ending::Kind::kSucceeded) {
    std::string words = "succeeded";
    if (!detail.empty()) words += " (" + detail + ")";
    words += next;
    if (options_.terminal && line_open_) {
      if (!held_.empty()) Append(std::string(kArrow) + ShortLine(held_));
      Append(std::string(kArrow) + words + "\n");
      return;
    }
    BreakLine();
    err_->Write(Prefix() + ": " + words + "\n");
    return;
  }
  const std::string words =
      ending.kind == Ending::Kind::kFailed ? " failed: " + detail : " cancelled";
  // A line that led nowhere makes room for the one that says why, if it is surely one row.
  if (options_.terminal && line_open_ && held_.empty() &&
      static_cast<int>(Columns(line_)) < options_.columns) {
    err_->Write(kEraseLine);
    line_open_ = false;
  }
  BreakLine();
  err_->Write(Prefix() + words + next + "\n");
}

}  // namespace berth::cli
