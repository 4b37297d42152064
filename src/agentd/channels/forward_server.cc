#include "agentd/channels/forward_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "agentd/drivers/refusal_text.h"
#include "agentd/network/socket_in.h"
#include "base/strings.h"

namespace berth::agentd {
absl::StatusOr<base::UniqueFd> ConnectToLoopback(const std::string& network_namespace,
                                                 uint16_t port) {
  base::UniqueFd fd(SocketIn(network_namespace, AF_INET, SOCK_STREAM));
  if (!fd.valid()) return absl::ErrnoToStatus(-fd.get(), "cannot make a socket");
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
      errno != EINPROGRESS) {
    return absl::ErrnoToStatus(errno, "cannot connect");
  }
  return fd;
}

ForwardServer::ForwardServer(DataCall& call, const v1::ForwardPort& request, bool live,
                             std::string node_name, Connect connect)
    : call_(call),
      port_(static_cast<uint16_t>(request.port())),
      live_(live),
      node_name_(std::move(node_name)),
      connect_(std::move(connect)) {}

ForwardServer::~ForwardServer() { OnGone(); }

void ForwardServer::Begin() {
  if (!live_) return Refuse(v1::REASON_CODE_TASK_NOT_RUNNING, "the task does not run there");
  absl::StatusOr<base::UniqueFd> fd = connect_(port_);
  if (!fd.ok()) return Refuse(v1::REASON_CODE_NETWORK_FAILED, base::S(fd.status().message()));
  connecting_ = *std::move(fd);
  call_.loop().WatchWritable(connecting_.get(), [this] { OnConnected(); });
}

void ForwardServer::OnConnected() {
  call_.loop().Unwatch(connecting_.get());
  base::UniqueFd fd = std::move(connecting_);
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) {
    return Refuse(v1::REASON_CODE_NETWORK_FAILED,
                  "nothing answers at port " + std::to_string(port_) + " there (" +
                      ErrorText(error) + "); does the task listen on 127.0.0.1 or all addresses?");
  }
  base::UniqueFd writing(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!writing.valid()) return Refuse(v1::REASON_CODE_DRIVER_ERROR, ErrorText(errno));
  socket_ = fd.get();
  to_ = std::make_unique<FdWriter>(call_.loop(), std::move(writing), [this] { OnWritten(); });
  from_ = std::make_unique<FdReader>(call_.loop(), std::move(fd),
                                     FdReader::Callbacks{[this](std::string data) {
                                                           unsent_ = std::move(data);
                                                           Step();
                                                         },
                                                         [this] {
                                                           from_ended_ = true;
                                                           Step();
                                                         }});
  open_to_tell_ = true;
  from_->Next();
  call_.ReadOn();
  Step();
}

void ForwardServer::OnFrame(v1::DataFromDaemon frame) {
  if (!frame.data().empty()) {
    end_after_write_ = frame.end_of_input();
    to_->Write(std::move(*frame.mutable_data()));
  } else if (frame.end_of_input()) {
    end_after_write_ = true;
    OnWritten();
  } else {
    call_.ReadOn();
  }
}

void ForwardServer::OnWritten() {
  if (std::exchange(end_after_write_, false)) {
    shutdown(socket_, SHUT_WR);
  }
  call_.ReadOn();
}

void ForwardServer::OnGone() {
  if (!connecting_.valid()) return;
  call_.loop().Unwatch(connecting_.get());
  connecting_.reset();
}

void ForwardServer::Refuse(v1::ReasonCode reason, const std::string& why) {
  reason_ = reason;
  error_ = "node \"" + node_name_ + "\": " + why;
  Step();
}

void ForwardServer::Step() {
  if (!call_.has_room()) return;
  if (!error_.empty()) {
    call_.Fail(error_, reason_);
  } else if (std::exchange(open_to_tell_, false)) {
    v1::DataFromAgent message;
    message.set_open(true);
    call_.Send(std::move(message));
  } else if (!unsent_.empty()) {
    v1::DataFromAgent message;
    message.set_data(std::exchange(unsent_, {}));
    call_.Send(std::move(message));
    from_->Next();
  } else if (from_ended_) {
    // What the task would still read it gets no more: few protocols half-close this way round.
    call_.Finish();
  }
}

}  // namespace berth::agentd
