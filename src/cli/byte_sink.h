#pragma once

#include <string_view>

namespace berth::cli {

// Where bytes go: standard output, standard error, or a test's memory.
//
// Threading: one thread at a time.
class ByteSink {
 public:
  virtual ~ByteSink() = default;

  // Writes all of it, now: nothing is buffered. After a failure (the reader is gone, the disk is
  // full) later bytes are dropped; see failed().
  virtual void Write(std::string_view bytes) = 0;

  // Whether a write has failed.
  virtual bool failed() const = 0;
};

// Writes to a file descriptor that somebody else owns. SIGPIPE must be ignored.
class FdSink final : public ByteSink {
 public:
  explicit FdSink(int fd) : fd_(fd) {}

  void Write(std::string_view bytes) override;
  bool failed() const override { return failed_; }

 private:
  const int fd_;
  bool failed_ = false;
};

}  // namespace berth::cli
