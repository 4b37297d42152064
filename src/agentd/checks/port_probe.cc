#include "agentd/checks/port_probe.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "agentd/drivers/refusal_text.h"
#include "agentd/network/socket_in.h"

namespace berth::agentd {
namespace {

constexpr size_t kMostAnswer = 1024;
constexpr int kLeastGoodStatus = 200;
constexpr int kMostGoodStatus = 399;

// The status of "HTTP/1.1 200 OK\r\n..."; 0: it is none.
int StatusOf(const std::string& answer) {
  constexpr std::string_view kStart = "HTTP/1.";
  const size_t blank = answer.find(' ');
  if (answer.compare(0, kStart.size(), kStart) != 0 || blank == std::string::npos) return 0;
  int status = 0;
  for (size_t i = blank + 1; i < blank + 4 && i < answer.size(); ++i) {
    if (answer[i] < '0' || answer[i] > '9') return 0;
    status = status * 10 + (answer[i] - '0');
  }
  return status;
}

}  // namespace

PortProbe::PortProbe(EventLoop& loop, const base::Clock& clock, Target target, Done done)
    : loop_(loop),
      target_(std::move(target)),
      done_(std::move(done)),
      alive_(std::make_shared<PortProbe*>(this)) {
  socket_.reset(SocketIn(target_.network_namespace, AF_INET, SOCK_STREAM));
  if (!socket_.valid()) {
    Later("no socket could be made: " + ErrorText(-socket_.get()));
    return;
  }
  loop_.At(clock.MonotonicMs() + target_.timeout_ms, [alive = std::weak_ptr(alive_)] {
    if (const auto probe = alive.lock()) {
      (*probe)->End("no answer in " + std::to_string((*probe)->target_.timeout_ms) + " ms");
    }
  });
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(target_.port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
      errno != EINPROGRESS) {
    Later("no connection: " + ErrorText(errno));
    return;
  }
  watched_ = true;
  loop_.WatchWritable(socket_.get(), [this] { OnConnected(); });
}

PortProbe::~PortProbe() { CloseSocket(); }

void PortProbe::CloseSocket() {
  if (std::exchange(watched_, false)) loop_.Unwatch(socket_.get());
  socket_.reset();
}

void PortProbe::Later(std::string fault) {
  loop_.Post([alive = std::weak_ptr(alive_), fault = std::move(fault)] {
    if (const auto probe = alive.lock()) (*probe)->End(fault);
  });
}

void PortProbe::OnConnected() {
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    End("no connection: " + ErrorText(error));
    return;
  }
  if (!target_.http) {
    End("");
    return;
  }
  const std::string request = "GET " + (target_.path.empty() ? "/" : target_.path) +
                              " HTTP/1.1\r\nHost: localhost:" + std::to_string(target_.port) +
                              "\r\nUser-Agent: berth-agent\r\nConnection: close\r\n\r\n";
  // A socket that has just been connected takes this in one go.
  if (send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    End("the request could not be sent: " + ErrorText(errno));
    return;
  }
  loop_.Unwatch(socket_.get());
  loop_.Watch(socket_.get(), [this] { OnAnswer(); });
}

void PortProbe::OnAnswer() {
  char buffer[kMostAnswer];
  const ssize_t got = read(socket_.get(), buffer, sizeof(buffer));
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got > 0) answer_.append(buffer, static_cast<size_t>(got));
  const bool whole = answer_.find('\n') != std::string::npos;
  if (!whole && got > 0 && answer_.size() < kMostAnswer) return;
  const int status = StatusOf(answer_);
  if (status == 0) {
    End("the answer is not HTTP");
  } else if (status < kLeastGoodStatus || status > kMostGoodStatus) {
    End("the answer has status " + std::to_string(status));
  } else {
    End("");
  }
}

void PortProbe::End(std::string fault) {
  CloseSocket();
  alive_.reset();  // nothing that was posted or timed comes after this
  const Done done = std::move(done_);
  done(std::move(fault));
}

}  // namespace berth::agentd
