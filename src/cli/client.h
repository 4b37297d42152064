#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "berth/v1/admin.grpc.pb.h"
#include "berth/v1/features.grpc.pb.h"
#include "berth/v1/scheduler.grpc.pb.h"

namespace berth::cli {

// What is asked for of a list at once.
inline constexpr int kPageSize = 1000;

// berthd, as the commands call it: one channel, dialled by the first call.
//
// Every call has a deadline. A full server (RESOURCE_EXHAUSTED) is asked again when it says, within
// that deadline. Errors name the server and what to do next; ReasonOf, FieldOf read their details.
//
// Threading: one thread at a time.
class Client {
 public:
  // `address`: "unix:/absolute/path" or "host:port"; InvalidArgument for anything else. Does no
  // input or output.
  static absl::StatusOr<std::unique_ptr<Client>> Create(const std::string& address,
                                                        absl::Duration timeout,
                                                        const base::Clock* clock);

  v1::JobService::Stub& jobs() { return *jobs_; }
  v1::NodeService::Stub& nodes() { return *nodes_; }
  v1::AdminService::Stub& admin() { return *admin_; }
  v1::FeatureService::Stub& features() { return *features_; }

  // One unary call: client.Call(client.jobs(), &v1::JobService::Stub::GetJob, request).
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(Stub& stub,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const Request& request) {
    Response response;
    const absl::Status status = Repeat([&](grpc::ClientContext& context) {
      response.Clear();
      return (stub.*method)(&context, request, &response);
    });
    if (!status.ok()) return status;
    return response;
  }

  // Sets the deadline of a unary call, or of one leg of a stream that is dialled again.
  void SetUnaryDeadline(grpc::ClientContext& context) const;
  void SetWatchDeadline(grpc::ClientContext& context) const;
  void SetLogsDeadline(grpc::ClientContext& context) const;

  // A failed call's status, with the server's name and what to do next in its message.
  absl::Status Explain(const grpc::Status& status) const;

  const std::string& address() const { return address_; }
  absl::Duration timeout() const { return timeout_; }

 private:
  Client(std::string address, absl::Duration timeout, const base::Clock* clock);

  absl::Status Repeat(const std::function<grpc::Status(grpc::ClientContext&)>& call) const;

  const std::string address_;
  const absl::Duration timeout_;
  const base::Clock* const clock_;
  std::unique_ptr<v1::JobService::Stub> jobs_;
  std::unique_ptr<v1::NodeService::Stub> nodes_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
  std::unique_ptr<v1::FeatureService::Stub> features_;
};

}  // namespace berth::cli
