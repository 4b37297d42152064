#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "cli/berth_cli.h"
#include "cli/byte_sink.h"
#include "cli/output/terminal_text.h"
#include "cli/process.h"

namespace berth::testing {

// When a test begins, in Unix time: 2026-01-01 00:00:00 UTC.
inline constexpr int64_t kStart = 1'767'225'600'000;

// Keeps what is written, also in a record that it shares with another sink.
class MemorySink final : public cli::ByteSink {
 public:
  explicit MemorySink(std::string* screen) : screen_(screen) {}

  void Write(std::string_view bytes) override {
    if (text.size() + bytes.size() > room) {
      failed_ = true;
      return;
    }
    text += bytes;
    *screen_ += bytes;
  }
  bool failed() const override { return failed_; }

  std::string text;
  // What fits before the reader goes away.
  std::size_t room = SIZE_MAX;

 private:
  std::string* const screen_;
  bool failed_ = false;
};

// The machine's monotonic time, and a wall clock that stands still, so that ages are always the
// same.
class FixedWallClock final : public base::Clock {
 public:
  std::int64_t MonotonicMs() const override { return system_.MonotonicMs(); }
  std::int64_t WallMs() const override { return 1'767'225'600'000 + 90'000; }

 private:
  base::SystemClock system_;
};

struct CliResult {
  int code = 0;
  std::string out;
  std::string err;
  // Both, in the order in which they were written.
  std::string screen;
};

// Runs `berth` in this process: a test is its terminal, its environment and the person at Ctrl-C.
class CliHarness {
 public:
  explicit CliHarness(std::string server) {
    environment["BERTH_SERVER"] = std::move(server);
    int fds[2] = {-1, -1};
    BERTH_CHECK(pipe(fds) == 0);
    interrupt_read_ = base::UniqueFd(fds[0]);
    interrupt_write_ = base::UniqueFd(fds[1]);
  }

  CliResult Run(const std::vector<std::string>& arguments) {
    CliResult result;
    MemorySink out(&result.screen);
    MemorySink err(&result.screen);
    out.room = out_room;
    cli::Process process;
    process.out = &out;
    process.err = &err;
    process.on_terminal = terminal;
    process.out_is_terminal = terminal;
    process.columns = terminal ? 100 : 0;
    process.clock = &clock_;
    process.environment = [this](const std::string& name) -> std::optional<std::string> {
      const auto at = environment.find(name);
      if (at == environment.end()) return std::nullopt;
      return at->second;
    };
    process.working_directory = []() -> absl::StatusOr<std::string> { return "/home/ada"; };
    process.read_stdin = [this](std::size_t most) -> absl::StatusOr<std::string> {
      return stdin_text.substr(0, most);
    };
    process.become = [this](const std::string& program, const std::vector<std::string>& words) {
      became = {program};
      became.insert(became.end(), words.begin(), words.end());
      return absl::NotFoundError(program + " is not there, as the test has it");
    };
    process.in_is_terminal = stdin_is_terminal;
    process.stdin_fd = stdin_fd;
    process.open_window_changes = [] { return base::UniqueFd(); };
    process.open_interrupts = [this] { return base::UniqueFd(dup(interrupt_read_.get())); };
    result.code = cli::RunBerthCli(arguments, process);
    result.out = std::move(out.text);
    result.err = std::move(err.text);
    return result;
  }

  // Ctrl-C. From any thread.
  void Interrupt() { BERTH_CHECK(write(interrupt_write_.get(), "i", 1) == 1); }

  std::map<std::string, std::string> environment;
  std::string stdin_text;
  // Standard input of what is typed into; -1: there is none.
  int stdin_fd = -1;
  bool stdin_is_terminal = false;
  bool terminal = false;
  // The program that took this one's place, and its arguments.
  std::vector<std::string> became;
  std::size_t out_room = SIZE_MAX;

 private:
  FixedWallClock clock_;
  base::UniqueFd interrupt_read_;
  base::UniqueFd interrupt_write_;
};

// What a golden file says of runs, one after the other.
class Transcript {
 public:
  // `masks`: texts that differ from run to run, and what stands for them.
  explicit Transcript(std::map<std::string, std::string> masks) : masks_(std::move(masks)) {}

  void Add(const std::vector<std::string>& arguments, const CliResult& result) {
    text_ += "$ berth";
    for (const std::string& argument : arguments) {
      const std::string shown = cli::TerminalText(argument);
      const bool plain = !shown.empty() && shown.find(' ') == std::string::npos;
      text_ += plain ? " " + shown : " '" + shown + "'";
    }
    text_ += "\n" + result.out;
    if (!result.err.empty()) text_ += "[standard error]\n" + result.err;
    text_ += "[exit " + std::to_string(result.code) + "]\n\n";
  }

  std::string text() const {
    std::string masked = text_;
    for (const auto& [what, by] : masks_) {
      for (std::size_t at = masked.find(what); at != std::string::npos; at = masked.find(what)) {
        masked.replace(at, what.size(), by);
      }
    }
    return masked;
  }

 private:
  const std::map<std::string, std::string> masks_;
  std::string text_;
};

// The text of tests/cli/golden/NAME.txt. With BERTH_UPDATE_GOLDEN set it is first replaced by
// `actual`: look at the difference before you commit it.
inline std::string Golden(const std::string& name, const std::string& actual) {
  const std::string path = "tests/cli/golden/" + name + ".txt";
  if (std::getenv("BERTH_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << actual;
  std::ifstream file(path);
  BERTH_CHECK(file.good()) << path << " is not there: run with BERTH_UPDATE_GOLDEN=1";
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace berth::testing
