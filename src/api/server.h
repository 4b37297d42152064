// The daemon's gRPC server.
#pragma once

#include <grpcpp/impl/service_type.h>
#include <grpcpp/server.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "api/admin_service.h"
#include "api/authorize.h"
#include "api/feature_service.h"
#include "api/job_service.h"
#include "api/loop_port.h"
#include "api/node_service.h"
#include "api/open_calls.h"
#include "api/unix_listener.h"
#include "base/work_thread.h"
#include "state/output_tails.h"
#include "wire/data_source.h"

namespace berth::api {

struct ServerOptions {
  // An empty path: no Unix socket.
  UnixListenerOptions socket;
  // "127.0.0.1:7460"; a port of 0 takes a free one. Loopback only: whoever connects is believed.
  // Empty: no TCP.
  std::string insecure_listen;
  int64_t most_message_bytes = int64_t{4} << 20;
  JobService::Options jobs;
};

// What the server needs of the rest of the program. All of it outlives the server.
struct ServerParts {
  LoopPort& loop;
  Authorizer& authorizer;
  wire::DataSource& data;
  BlobReader blobs;
  AdminParts admin;
  // Served beside the server's own: AgentService.
  std::vector<grpc::Service*> services;
  state::OutputTails* tails = nullptr;  // null: none are kept
  FeatureBooks* features = nullptr;     // null: features are not read
  std::function<int64_t()> wall_ms;     // the time of day, for what people say of jobs
};

// Serves jobs, nodes and administration with health and reflection on a Unix socket, a loopback
// address, or both.
//
// Threading: one owner.
class Server {
 public:
  // Listens, and serves from when it returns. Errors name the socket or the address and what is
  // wrong with it: FailedPrecondition (in use), InvalidArgument (not loopback), NotFound (no such
  // folder).
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       ServerParts parts);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  // Where it listens on TCP, with its port: "127.0.0.1:41235". Empty: it does not.
  const std::string& tcp_address() const { return tcp_address_; }

  // For submissions from now on, as after a reload.
  void SetAdmission(const AdmissionOptions& options) { jobs_.SetAdmission(options); }

  // What grpc.health.v1 answers. It begins with NOT_SERVING.
  void SetHealthy(bool healthy);

  // NOT_SERVING, then no new connections, then the streams are ended; waits at most `grace` for
  // calls under way, and cancels what is left. Idempotent. The loop must still answer meanwhile:
  // stop it after this.
  void Stop(std::chrono::milliseconds grace);

 private:
  Server(const ServerOptions& options, ServerParts parts);

  absl::Status Listen(const ServerOptions& options);

  ServerParts parts_;
  base::WorkThread answers_;
  base::WorkThread snapshots_;
  OpenCalls open_calls_;
  JobService jobs_;
  NodeService nodes_;
  AdminService admin_;
  FeatureService features_;
  std::string tcp_address_;
  std::unique_ptr<grpc::Server> grpc_;
  std::unique_ptr<UnixListener> listener_;
  bool stopped_ = false;
};

}  // namespace berth::api
