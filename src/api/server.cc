#include "api/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <mutex>
#include <optional>
#include <utility>

#include "base/host_port.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/unique_fd.h"

namespace berth::api {
namespace {

// Clients and agents may ping an idle connection this often.
constexpr int kMostFrequentPingMs = 10'000;
// gRPC's callbacks run on threads of the library; these are for its one synchronous service,
// reflection.
constexpr int kMostThreads = 8;

struct TcpAddress {
  std::string host;  // as gRPC wants it: [::1] in brackets
  in6_addr v6{};
  in_addr v4{};
  bool is_v6 = false;
  uint16_t port = 0;
};

absl::StatusOr<TcpAddress> ParseLoopback(const std::string& text) {
  const auto parsed = base::ParseHostPort(text);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError("listen " + base::S(parsed.status().message()));
  }
  if (!base::IsLoopback(parsed->host)) {
    return absl::InvalidArgumentError(
        "listen \"" + text +
        "\": without TLS only a loopback address may be used, as 127.0.0.1:7460");
  }
  TcpAddress address;
  address.port = parsed->port;
  address.host = parsed->host == "localhost" ? "127.0.0.1" : parsed->host;
  address.is_v6 = ::inet_pton(AF_INET, address.host.c_str(), &address.v4) != 1;
  if (address.is_v6) {
    ::inet_pton(AF_INET6, address.host.c_str(), &address.v6);
    address.host = "[" + address.host + "]";
  }
  return address;
}

// Why nothing can listen there; gRPC itself only says that it cannot. OK: somebody could by now.
absl::Status WhyNot(const std::string& text, const TcpAddress& address) {
  const base::UniqueFd probe(
      ::socket(address.is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int one = 1;
  ::setsockopt(probe.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(address.port);
  v4.sin_addr = address.v4;
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(address.port);
  v6.sin6_addr = address.v6;
  const int bound = address.is_v6
                        ? ::bind(probe.get(), reinterpret_cast<const sockaddr*>(&v6), sizeof(v6))
                        : ::bind(probe.get(), reinterpret_cast<const sockaddr*>(&v4), sizeof(v4));
  if (bound == 0 && ::listen(probe.get(), 1) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "listen " + text + ": " + ::strerror(errno) +
      (errno == EADDRINUSE ? "; stop what listens there, or set another port in berthd.yaml" : ""));
}

// Process-wide, before the first server is built.
void InitGrpcOnce() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      ServerParts parts) {
  std::unique_ptr<Server> server(new Server(options, std::move(parts)));
  BERTH_RETURN_IF_ERROR(server->Listen(options));
  return server;
}

Server::Server(const ServerOptions& options, ServerParts parts)
    : parts_(std::move(parts)),
      answers_("answers"),
      snapshots_("save-snapshot"),
      jobs_({.loop = parts_.loop,
             .authorizer = parts_.authorizer,
             .answers = answers_,
             .open_calls = open_calls_,
             .tails = parts_.tails},
            parts_.data, parts_.blobs, options.jobs),
      nodes_({.loop = parts_.loop,
              .authorizer = parts_.authorizer,
              .answers = answers_,
              .open_calls = open_calls_},
             parts_.data),
      admin_({.loop = parts_.loop,
              .authorizer = parts_.authorizer,
              .answers = answers_,
              .open_calls = open_calls_},
             parts_.admin, snapshots_),
      features_({.loop = parts_.loop,
                 .authorizer = parts_.authorizer,
                 .answers = answers_,
                 .open_calls = open_calls_},
                parts_.features, parts_.wall_ms) {}

Server::~Server() { Stop(std::chrono::milliseconds(0)); }

absl::Status Server::Listen(const ServerOptions& options) {
  InitGrpcOnce();
  grpc::ServerBuilder builder;
  int port = 0;
  std::optional<TcpAddress> tcp;
  if (!options.insecure_listen.empty()) {
    BERTH_ASSIGN_OR_RETURN(tcp, ParseLoopback(options.insecure_listen));
    builder.AddListeningPort(tcp->host + ":" + std::to_string(tcp->port),
                             grpc::InsecureServerCredentials(), &port);
  }
  std::unique_ptr<UnixListener> listener;
  if (!options.socket.path.empty()) {
    BERTH_ASSIGN_OR_RETURN(listener, UnixListener::Open(options.socket));
  }

  builder.SetMaxReceiveMessageSize(static_cast<int>(options.most_message_bytes));
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 1);
  builder.SetResourceQuota(grpc::ResourceQuota("berthd").SetMaxThreads(kMostThreads));
  // Two daemons on one port must know of each other.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kMostFrequentPingMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.RegisterService(&jobs_);
  builder.RegisterService(&nodes_);
  builder.RegisterService(&admin_);
  builder.RegisterService(&features_);
  for (grpc::Service* service : parts_.services) builder.RegisterService(service);
  grpc_ = builder.BuildAndStart();
  if (grpc_ == nullptr || (tcp && port == 0)) {
    grpc_ = nullptr;
    if (tcp) BERTH_RETURN_IF_ERROR(WhyNot(options.insecure_listen, *tcp));
    return absl::UnavailableError("the gRPC server does not start" +
                                  (tcp ? " on " + options.insecure_listen : ""));
  }
  if (tcp) tcp_address_ = tcp->host + ":" + std::to_string(port);
  SetHealthy(false);

  listener_ = std::move(listener);
  if (listener_ != nullptr) {
    listener_->Start([this](base::UniqueFd connection, const PeerCredentials& peer) {
      parts_.authorizer.NoteConnection(connection.get(), peer);
      grpc::AddInsecureChannelFromFd(grpc_.get(), connection.release());
    });
  }
  return absl::OkStatus();
}

void Server::SetHealthy(bool healthy) { grpc_->GetHealthCheckService()->SetServingStatus(healthy); }

void Server::Stop(std::chrono::milliseconds grace) {
  if (std::exchange(stopped_, true)) return;
  if (grpc_ != nullptr) {
    SetHealthy(false);
    if (listener_ != nullptr) listener_->Stop();
    open_calls_.EndAll();
    grpc_->Shutdown(std::chrono::system_clock::now() + grace);
  }
  answers_.Stop();
  snapshots_.Stop();
}

}  // namespace berth::api
