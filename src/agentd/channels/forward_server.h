#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agentd/channels/data_call.h"
#include "agentd/channels/fd_pump.h"
#include "base/unique_fd.h"
#include "berth/v1/agent.pb.h"

namespace berth::agentd {

// Begins a connection to a port of the loopback address of an attempt's network, a namespace's path
// or "" for the node's own; it may stand only later.
absl::StatusOr<base::UniqueFd> ConnectToLoopback(const std::string& network_namespace,
                                                 uint16_t port);

// Serves ForwardPort: one connection.
//
// Threading: the hub's thread. Errors: that nothing listens there names the port.
class ForwardServer final : public ChannelServer {
 public:
  using Connect = std::function<absl::StatusOr<base::UniqueFd>(uint16_t port)>;

  // `live`: the attempt runs.
  ForwardServer(DataCall& call, const v1::ForwardPort& request, bool live, std::string node_name,
                Connect connect);
  ~ForwardServer() override;

  void Begin() override;
  void OnRoom() override { Step(); }
  void OnFrame(v1::DataFromDaemon frame) override;
  void OnGone() override;
  [[nodiscard]] bool done() const override { return true; }

 private:
  void OnConnected();
  void OnWritten();
  void Refuse(v1::ReasonCode reason, const std::string& why);
  void Step();

  DataCall& call_;
  const uint16_t port_;
  const bool live_;
  const std::string node_name_;
  const Connect connect_;
  base::UniqueFd connecting_;
  std::unique_ptr<FdReader> from_;
  std::unique_ptr<FdWriter> to_;
  int socket_ = -1;  // from_'s
  bool open_to_tell_ = false;
  bool end_after_write_ = false;
  bool from_ended_ = false;
  std::string unsent_;
  std::string error_;
  v1::ReasonCode reason_ = v1::REASON_CODE_UNSPECIFIED;
};

}  // namespace berth::agentd
