#pragma once

#include <utility>

namespace berth::base {

// Owns a file descriptor and closes it. -1 owns none.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~UniqueFd() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }

  // Gives the descriptor up without closing it.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

  // Closes what it owns, if anything, and owns `fd`. What close() reports is dropped: whoever needs
  // to know that data arrived calls fsync() first. errno is left as it was.
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

}  // namespace berth::base
