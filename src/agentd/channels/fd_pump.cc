#include "agentd/channels/fd_pump.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace berth::agentd {
namespace {

constexpr size_t kPieceBytes = 64 << 10;

void MakeNonBlocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

}  // namespace

FdReader::FdReader(EventLoop& loop, base::UniqueFd fd, Callbacks callbacks)
    : loop_(loop), fd_(std::move(fd)), callbacks_(std::move(callbacks)) {
  MakeNonBlocking(fd_.get());
}

FdReader::~FdReader() {
  if (asked_) loop_.Unwatch(fd_.get());
}

void FdReader::Next() {
  if (asked_ || ended_) return;
  asked_ = true;
  loop_.Watch(fd_.get(), [this] { OnReadable(); });
  if (hurry_) OnReadable();
}

void FdReader::Hurry() {
  hurry_ = true;
  if (asked_) OnReadable();
}

void FdReader::OnReadable() {
  std::string data(kPieceBytes, '\0');
  const ssize_t got = read(fd_.get(), data.data(), data.size());
  if (got < 0 && (errno == EINTR || (errno == EAGAIN && !hurry_))) return;
  asked_ = false;
  loop_.Unwatch(fd_.get());
  if (got <= 0) {  // a terminal that nobody has open any more gives EIO
    ended_ = true;
    callbacks_.on_end();
    return;
  }
  data.resize(static_cast<size_t>(got));
  callbacks_.on_data(std::move(data));
}

FdWriter::FdWriter(EventLoop& loop, base::UniqueFd fd, std::function<void()> on_room)
    : loop_(loop), fd_(std::move(fd)), on_room_(std::move(on_room)) {
  MakeNonBlocking(fd_.get());
}

FdWriter::~FdWriter() {
  if (watched_) loop_.Unwatch(fd_.get());
}

void FdWriter::Write(std::string data) {
  data_ = std::move(data);
  at_ = 0;
  if (Push()) {
    on_room_();
    return;
  }
  watched_ = true;
  loop_.WatchWritable(fd_.get(), [this] { OnWritable(); });
}

void FdWriter::Close() {
  closing_ = true;
  if (!watched_) fd_.reset();
}

bool FdWriter::Push() {
  while (fd_.valid() && at_ < data_.size()) {
    const ssize_t written = write(fd_.get(), data_.data() + at_, data_.size() - at_);
    if (written > 0) {
      at_ += static_cast<size_t>(written);
    } else if (errno == EAGAIN) {
      return false;
    } else if (errno != EINTR) {
      break;
    }
  }
  return true;
}

void FdWriter::OnWritable() {
  if (!Push()) return;
  watched_ = false;
  loop_.Unwatch(fd_.get());
  if (closing_) fd_.reset();
  on_room_();
}

}  // namespace berth::agentd
