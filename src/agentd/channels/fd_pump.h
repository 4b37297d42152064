#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "agentd/event_loop.h"
#include "base/unique_fd.h"

namespace berth::agentd {

// Reads a pipe, terminal or socket piece by piece, and only when asked to.
//
// Threading: the loop's. Errors: what cannot be read any more has ended.
class FdReader {
 public:
  // `on_data`: one piece, never empty; `on_end`: the last call.
  struct Callbacks {
    std::function<void(std::string data)> on_data;
    std::function<void()> on_end;
  };

  FdReader(EventLoop& loop, base::UniqueFd fd, Callbacks callbacks);
  FdReader(const FdReader&) = delete;
  FdReader& operator=(const FdReader&) = delete;
  ~FdReader();

  // Asks for one piece; harmless when one is asked for already.
  void Next();
  // Nobody will write any more: what is not there by now will not come.
  void Hurry();

  [[nodiscard]] bool ended() const { return ended_; }

 private:
  void OnReadable();

  EventLoop& loop_;
  base::UniqueFd fd_;
  const Callbacks callbacks_;
  bool asked_ = false;
  bool hurry_ = false;
  bool ended_ = false;
};

// Writes to a pipe, terminal or socket without waiting for it.
//
// Threading: the loop's. Errors: what nobody reads any more is dropped.
class FdWriter {
 public:
  // `on_room`: answers one Write(): all of it is written, or nobody will read it.
  FdWriter(EventLoop& loop, base::UniqueFd fd, std::function<void()> on_room);
  FdWriter(const FdWriter&) = delete;
  FdWriter& operator=(const FdWriter&) = delete;
  ~FdWriter();

  // REQUIRES: the last Write() was answered. May answer before it returns.
  void Write(std::string data);
  // Closes it when all is written.
  void Close();
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  // Writes what it can. True: nothing is left.
  bool Push();
  void OnWritable();

  EventLoop& loop_;
  base::UniqueFd fd_;
  const std::function<void()> on_room_;
  std::string data_;
  size_t at_ = 0;
  bool watched_ = false;
  bool closing_ = false;
};

}  // namespace berth::agentd
