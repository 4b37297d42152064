// berth port-forward: a port of a task, here.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "base/quantities.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "cli/commands/commands.h"
#include "cli/one_task.h"
#include "cli/output/terminal_text.h"
#include "cli/rpc_status.h"

namespace berth::cli {
namespace {

constexpr std::size_t kPieceBytes = 64 << 10;
constexpr int64_t kMostPort = 65535;

struct PortForwardFlags {
  std::string id;
  std::string ports;
};

struct Ports {
  uint16_t local = 0;  // 0: a free one
  uint16_t remote = 0;
};

absl::StatusOr<Ports> ParsePorts(const std::string& text) {
  const std::size_t colon = text.find(':');
  const std::string remote = colon == std::string::npos ? text : text.substr(colon + 1);
  const std::string local = colon == std::string::npos ? text : text.substr(0, colon);
  const auto to = base::ParseCount(remote, 1, kMostPort);
  const auto from = local.empty()
                        ? absl::StatusOr<int64_t>(0)
                        : base::ParseCount(local, colon == std::string::npos ? 1 : 0, kMostPort);
  if (!to.ok() || !from.ok()) {
    return absl::InvalidArgumentError("\"" + text +
                                      "\" is no port: write REMOTE, or LOCAL:REMOTE, from 1 to "
                                      "65535, as 8888 or 9000:8888");
  }
  return Ports{static_cast<uint16_t>(*from), static_cast<uint16_t>(*to)};
}

absl::StatusOr<base::UniqueFd> Listen(uint16_t& port) {
  base::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int one = 1;
  socklen_t size = sizeof(address);
  if (!fd.valid() || setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
      bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(fd.get(), SOMAXCONN) != 0 ||
      getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return absl::FailedPreconditionError("cannot listen on 127.0.0.1:" + std::to_string(port) +
                                         ": " + std::strerror(errno) +
                                         "; another local port goes as LOCAL:REMOTE, and :REMOTE "
                                         "takes a free one");
  }
  port = ntohs(address.sin_port);
  return fd;
}

bool WriteAll(int fd, const std::string& bytes) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    const ssize_t sent = send(fd, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    at += static_cast<std::size_t>(sent);
  }
  return true;
}

// One accepted connection and its call, on two threads.
class Connection {
 public:
  Connection(Client& client, base::UniqueFd fd, const std::string& task, uint16_t port)
      : client_(client), fd_(std::move(fd)) {
    stream_ = client_.jobs().Forward(&context_);
    first_.set_task_id(task);
    first_.set_port(port);
    down_ = std::thread([this] { CopyDown(); });
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    context_.TryCancel();
    shutdown(fd_.get(), SHUT_RDWR);
    down_.join();
  }

  bool over() const { return over_; }
  // Why it broke; OK: it did not. REQUIRES: over().
  const absl::Status& status() const { return status_; }

 private:
  void CopyUp() {
    v1::ForwardRequest request;
    std::string piece(kPieceBytes, '\0');
    for (;;) {
      const ssize_t got = read(fd_.get(), piece.data(), piece.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      request.set_data(piece.data(), static_cast<std::size_t>(got));
      if (!stream_->Write(request)) return;
    }
    stream_->WritesDone();
  }

  void CopyDown() {
    stream_->Write(first_);
    v1::ForwardResponse response;
    if (stream_->Read(&response)) {
      std::thread up([this] { CopyUp(); });
      do {
        if (!WriteAll(fd_.get(), response.data())) context_.TryCancel();
      } while (stream_->Read(&response));
      shutdown(fd_.get(), SHUT_RDWR);
      up.join();
    }
    const grpc::Status status = stream_->Finish();
    if (!status.ok() && status.error_code() != grpc::StatusCode::CANCELLED) {
      status_ = client_.Explain(status);
    }
    shutdown(fd_.get(), SHUT_RDWR);
    over_ = true;
  }

  Client& client_;
  const base::UniqueFd fd_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ForwardRequest, v1::ForwardResponse>> stream_;
  v1::ForwardRequest first_;
  absl::Status status_;
  std::atomic<bool> over_ = false;
  std::thread down_;
};

absl::Status CheckRuns(Client& client, const std::string& id) {
  v1::GetTaskRequest request;
  request.set_task_id(id);
  const auto response = client.Call(client.jobs(), &v1::JobService::Stub::GetTask, request);
  if (!response.ok()) return response.status();
  if (response->task().state() == v1::TASK_STATE_RUNNING) return absl::OkStatus();
  return absl::FailedPreconditionError("task " + response->task().id() +
                                       " does not run; see 'berth describe " +
                                       response->task().id() + "'");
}

absl::StatusOr<int> RunPortForward(const PortForwardFlags& flags, Invocation& invocation) {
  BERTH_RETURN_IF_ERROR(invocation.RefuseNameFormat("port-forward"));
  if (flags.ports.empty()) {
    return absl::InvalidArgumentError(
        "which port? As in: berth port-forward 12.3 8888, or: berth port-forward 12.3 9000:8888");
  }
  BERTH_ASSIGN_OR_RETURN(Ports ports, ParsePorts(flags.ports));
  const base::UniqueFd interrupts = invocation.process().open_interrupts();
  BERTH_ASSIGN_OR_RETURN(const std::string task, OneTask(invocation, flags.id, "port-forward"));
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  BERTH_RETURN_IF_ERROR(CheckRuns(*client, task));
  BERTH_ASSIGN_OR_RETURN(const base::UniqueFd listener, Listen(ports.local));
  invocation.Print("127.0.0.1:" + std::to_string(ports.local) + " is port " +
                   std::to_string(ports.remote) + " of task " + task + "; Ctrl-C ends it\n");

  std::list<Connection> connections;
  while (true) {
    pollfd waiting[2] = {{listener.get(), POLLIN, 0}, {interrupts.get(), POLLIN, 0}};
    // A connection that is over is looked after within a second.
    if (poll(waiting, 2, connections.empty() ? -1 : 1000) < 0 && errno != EINTR) break;
    if (waiting[1].revents != 0) return 0;
    connections.remove_if([&](const Connection& connection) {
      if (!connection.over()) return false;
      if (!connection.status().ok()) {
        invocation.PrintError("berth: " + TerminalText(base::S(connection.status().message())) +
                              "\n");
      }
      return true;
    });
    if (waiting[0].revents == 0) continue;
    base::UniqueFd accepted(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (accepted.valid()) {
      connections.emplace_back(*client, std::move(accepted), task, ports.remote);
    }
  }
  return absl::ErrnoToStatus(errno, "cannot wait for connections");
}

}  // namespace

Action AddPortForward(CLI::App& app) {
  const auto flags = std::make_shared<PortForwardFlags>();
  app.add_option("ID", flags->id, "A running task (12.3), or a job of one (12); last");
  app.add_option("PORTS", flags->ports, "REMOTE, LOCAL:REMOTE, or :REMOTE for a free local port")
      ->type_name("[LOCAL:]REMOTE");
  app.footer(
      "Listens on 127.0.0.1 here, until Ctrl-C, and hands each connection on to the port of\n"
      "127.0.0.1 where the task runs.");
  return [flags](Invocation& invocation) { return RunPortForward(*flags, invocation); };
}

}  // namespace berth::cli
