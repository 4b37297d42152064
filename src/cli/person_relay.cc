#include "cli/person_relay.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace berth::cli {
namespace {

// More of a person's impatience than this tells nothing new.
constexpr std::size_t kMostQueued = 64;

}  // namespace

PersonRelay::PersonRelay(int interrupt_fd, int key_fd, grpc::CompletionQueue* queue,
                         std::function<void(const Said&)> on_said)
    : interrupt_fd_(interrupt_fd), key_fd_(key_fd), queue_(queue), on_said_(std::move(on_said)) {
  if (interrupt_fd_ < 0) return;
  wake_ = base::UniqueFd(eventfd(0, EFD_CLOEXEC));
  BERTH_CHECK(wake_.valid()) << "eventfd: errno " << errno;
  thread_ = std::thread([this] { Wait(); });
}

void PersonRelay::Ask(bool ask) {
  if (!thread_.joinable()) return;
  asks_ = ask;
  Wake();
}

void PersonRelay::Stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  Wake();
  thread_.join();
}

void PersonRelay::Proceed(bool ok) {
  Said said;
  {
    base::MutexLock lock(mutex_);
    if (said_.empty()) return;
    said = said_.front();
    said_.pop_front();
  }
  // An alarm that is cancelled by the end of the program says nothing.
  if (ok) on_said_(said);
}

void PersonRelay::Wake() {
  const uint64_t one = 1;
  BERTH_CHECK(write(wake_.get(), &one, sizeof(one)) == sizeof(one));
}

void PersonRelay::Wait() {
  while (alarms_.size() < kMostQueued) {
    std::array<pollfd, 3> waiting = {
        {{wake_.get(), POLLIN, 0}, {interrupt_fd_, POLLIN, 0}, {asks_ ? key_fd_ : -1, POLLIN, 0}}};
    while (poll(waiting.data(), waiting.size(), -1) < 0 && errno == EINTR) {
    }
    std::array<char, sizeof(signalfd_siginfo)> record = {};
    if (waiting[0].revents != 0) {
      if (stopping_ || read(wake_.get(), record.data(), record.size()) <= 0) return;
    } else if (waiting[1].revents != 0) {
      // A signalfd gives one record a read, a pipe what there is.
      const ssize_t got = read(interrupt_fd_, record.data(), record.size());
      if (got <= 0) return;
      signalfd_siginfo signal = {};
      if (got == sizeof(signal)) std::memcpy(&signal, record.data(), sizeof(signal));
      Say({.interrupt = true, .termination = signal.ssi_signo != 0 && signal.ssi_signo != SIGINT});
    } else if (waiting[2].revents != 0) {
      if (read(key_fd_, record.data(), 1) <= 0) return;
      Say({.key = record[0]});
    }
  }
}

void PersonRelay::Say(const Said& said) {
  {
    base::MutexLock lock(mutex_);
    said_.push_back(said);
  }
  alarms_.emplace_back().Set(queue_, gpr_now(GPR_CLOCK_MONOTONIC), static_cast<Event*>(this));
}

}  // namespace berth::cli
