#include "cli/log_printer.h"

#include "absl/time/time.h"

namespace berth::cli {
namespace {

std::string TimestampText(int64_t unix_ms) {
  if (unix_ms == 0) return "-";
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ", absl::FromUnixMillis(unix_ms),
                          absl::UTCTimeZone());
}

}  // namespace

void LogPrinter::Print(const std::string& task, const LogMerger::Text& text) {
  if (!text.notice.empty()) {
    process_.err->Write("berth: " + task + ": " + text.notice + "\n");
    return;
  }
  ByteSink& sink = text.is_stderr ? *process_.err : *process_.out;
  if (!style_.prefix && !style_.timestamps) {
    sink.Write(text.data);
    return;
  }
  const std::string name = task + (text.is_stderr ? "/2" : "/1");
  if (!open_.empty() && open_ != name) open_sink_->Write("\n");
  std::string head = style_.prefix ? task + ": " : "";
  if (style_.timestamps) head += TimestampText(text.unix_ms) + " ";
  bool begins = open_ != name;
  std::string out;
  for (size_t at = 0; at < text.data.size();) {
    const size_t newline = text.data.find('\n', at);
    const size_t next = newline == std::string::npos ? text.data.size() : newline + 1;
    if (begins) out += head;
    out.append(text.data, at, next - at);
    begins = newline != std::string::npos;
    at = next;
  }
  sink.Write(out);
  open_ = begins ? "" : name;
  open_sink_ = &sink;
}

void LogPrinter::Finish() {
  if (!open_.empty()) open_sink_->Write("\n");
  open_.clear();
}

}  // namespace berth::cli
