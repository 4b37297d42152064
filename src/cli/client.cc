#include "cli/client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <thread>
#include <utility>

#include "base/quantities.h"
#include "base/unique_fd.h"
#include "cli/rpc_status.h"

namespace berth::cli {
namespace {

// A watch that is silent for this long is dialled again: a connection may be dead without either
// end knowing.
constexpr auto kWatchDeadline = std::chrono::hours(1);
// Output that is dialled again starts anew, which costs more.
constexpr auto kLogsDeadline = std::chrono::hours(24);

constexpr std::string_view kUnix = "unix:";

absl::Status RefuseAddress(const std::string& address, const std::string& why) {
  return absl::InvalidArgumentError("server address \"" + address + "\" " + why +
                                    ": write unix:/path/to/berthd.sock or host:port, in --server "
                                    "or BERTH_SERVER");
}

absl::Status CheckAddress(const std::string& address) {
  if (address.starts_with(kUnix)) {
    const std::string path = address.substr(kUnix.size());
    if (!path.starts_with('/')) return RefuseAddress(address, "has no absolute path");
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
      return RefuseAddress(address, "has a path of more than " +
                                        std::to_string(sizeof(sockaddr_un::sun_path) - 1) +
                                        " bytes");
    }
    return absl::OkStatus();
  }
  const std::size_t colon = address.rfind(':');
  if (address.find("://") != std::string::npos) return RefuseAddress(address, "is a URL");
  if (colon == std::string::npos || colon == 0)
    return RefuseAddress(address, "names no host and port");
  if (!base::ParseCount(address.substr(colon + 1), 1, 65'535).ok()) {
    return RefuseAddress(address, "has no port from 1 to 65535");
  }
  if (address.find_first_of(" \t\n/") != std::string::npos)
    return RefuseAddress(address, "is no address");
  return absl::OkStatus();
}

// Why a Unix socket cannot be reached, from the system itself: gRPC's own words bury it.
std::string UnixSocketTrouble(const std::string& path) {
  const base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un socket_address = {};
  socket_address.sun_family = AF_UNIX;
  path.copy(socket_address.sun_path, sizeof(socket_address.sun_path) - 1);
  if (fd.valid() && connect(fd.get(), reinterpret_cast<const sockaddr*>(&socket_address),
                            sizeof(socket_address)) == 0) {
    return "";
  }
  return std::strerror(errno);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Client::Create(const std::string& address,
                                                       absl::Duration timeout,
                                                       const base::Clock* clock) {
  if (absl::Status status = CheckAddress(address); !status.ok()) return status;
  return std::unique_ptr<Client>(new Client(address, timeout, clock));
}

Client::Client(std::string address, absl::Duration timeout, const base::Clock* clock)
    : address_(std::move(address)), timeout_(timeout), clock_(clock) {
  grpc::ChannelArguments arguments;
  // A daemon that starts again is found soon.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  // In spite of its name, what one attempt may take: a daemon that is busy needs its time.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 10'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  // Berth's own answers are bounded by the server; a list of nodes may be larger than the default.
  arguments.SetMaxReceiveMessageSize(-1);
  // Nothing between us and berthd: no proxy, no service configuration from DNS.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  const std::shared_ptr<grpc::Channel> channel =
      grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), arguments);
  jobs_ = v1::JobService::NewStub(channel);
  nodes_ = v1::NodeService::NewStub(channel);
  admin_ = v1::AdminService::NewStub(channel);
  features_ = v1::FeatureService::NewStub(channel);
}

void Client::SetUnaryDeadline(grpc::ClientContext& context) const {
  context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout_));
}

void Client::SetWatchDeadline(grpc::ClientContext& context) const {
  context.set_deadline(std::chrono::system_clock::now() + kWatchDeadline);
}

void Client::SetLogsDeadline(grpc::ClientContext& context) const {
  context.set_deadline(std::chrono::system_clock::now() + kLogsDeadline);
}

absl::Status Client::Repeat(const std::function<grpc::Status(grpc::ClientContext&)>& call) const {
  const int64_t give_up_ms = clock_->MonotonicMs() + absl::ToInt64Milliseconds(timeout_);
  while (true) {
    grpc::ClientContext context;
    SetUnaryDeadline(context);
    const grpc::Status answer = call(context);
    if (answer.ok()) return absl::OkStatus();
    absl::Status status = Explain(answer);
    const std::optional<int64_t> delay_ms = RetryDelayMs(status);
    if (answer.error_code() != grpc::StatusCode::RESOURCE_EXHAUSTED || !delay_ms ||
        clock_->MonotonicMs() + *delay_ms >= give_up_ms) {
      return status;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(*delay_ms));
  }
}

absl::Status Client::Explain(const grpc::Status& answer) const {
  const absl::Status status = FromGrpc(answer);
  switch (answer.error_code()) {
    case grpc::StatusCode::UNAVAILABLE: {
      if (!ReasonOf(status).empty()) return status;  // berthd itself said so
      std::string trouble = address_.starts_with(kUnix)
                                ? UnixSocketTrouble(address_.substr(kUnix.size()))
                                : answer.error_message();
      // It can be reached now, so the connection broke during the call.
      if (trouble.empty()) trouble = "the connection broke (" + answer.error_message() + ")";
      return WithMessage(status, "cannot reach berthd at " + address_ + ": " + trouble +
                                     "; is berthd running? set BERTH_SERVER or --server");
    }
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return WithMessage(status, "berthd at " + address_ + " gave no answer within " +
                                     base::FormatExactDuration(timeout_) +
                                     "; is it overloaded? --request-timeout waits longer");
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      if (ReasonOf(status) != "INBOX_FULL") return status;
      return WithMessage(status, answer.error_message() + "; berthd is busy, try again");
    case grpc::StatusCode::UNIMPLEMENTED:
      if (!ReasonOf(status).empty()) return status;
      return WithMessage(status, "berthd at " + address_ + " does not know this call (" +
                                     answer.error_message() +
                                     "): is it older than this client? compare with 'berth "
                                     "version'");
    default:
      return status;
  }
}

}  // namespace berth::cli
