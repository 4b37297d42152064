#pragma once

#include <cstdint>
#include <string>

#include "cli/log_merger.h"
#include "cli/process.h"

namespace berth::cli {

// Writes what tasks wrote: as it is, standard output to standard output and error to error, or each
// line behind its task's name and its time.
//
// Threading: one thread.
class LogPrinter {
 public:
  struct Style {
    bool prefix = false;
    bool timestamps = false;
  };

  // `process` outlives it.
  LogPrinter(const Process& process, const Style& style) : process_(process), style_(style) {}

  // `task`: its name. A line that another one's cuts is ended first; not when bytes are to be
  // written as they are.
  void Print(const std::string& task, const LogMerger::Text& text);
  // After the last.
  void Finish();

 private:
  const Process& process_;
  const Style style_;
  std::string open_;  // whose line has not ended; empty: nobody's
  ByteSink* open_sink_ = nullptr;
};

}  // namespace berth::cli
