// The agents' side of the wire: their streams, and the data channels that they dial.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agents/agent_link.h"
#include "agents/daemon_messages.h"
#include "agents/data_channels.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "berth/v1/agent.grpc.pb.h"
#include "state/output_tails.h"
#include "state/principal.h"

namespace berth::agents {

class AgentSession;

// Who a call comes from, and whether it may be an agent: PERMISSION_DENIED says why not.
using AgentAuthorizer =
    std::function<absl::StatusOr<state::Principal>(const grpc::CallbackServerContext& context)>;

// What a link has beside the loop. Each outlives it; null: it does without.
struct LinkParts {
  state::OutputTails* tails = nullptr;  // takes the ends of output that agents send
  const base::Clock* clock = nullptr;   // what agents' clocks are compared with
};

// Serves berth.v1.AgentService, turns what agents say into commands, and effects into what they are
// told.
//
// Threading: Deliver on the releasing thread; everything else on gRPC's. Streams are numbered from
// 1 and never again; a session lives in sessions_ for as long as gRPC may call it. Lock order: this
// link's, then a session's.
class GrpcAgentLink final : public AgentLink, public v1::AgentService::CallbackService {
 public:
  // `sink` outlives this, and every call is ended (the server is shut down) before it goes.
  GrpcAgentLink(AgentCommandSink& sink, AgentAuthorizer authorize, BlobReader blobs,
                const LinkParts& parts = {});
  ~GrpcAgentLink() override;

  // What agents hand on and take beside their streams.
  wire::DataSource& data() { return data_; }

  // Ends every stream, as when the daemon stops; agents dial again.
  void EndSessions();

  // ---- AgentLink ----
  void Deliver(std::vector<state::AgentEffect> effects) override;

  // ---- AgentService ----
  grpc::ServerBidiReactor<v1::AgentMessage, v1::DaemonMessage>* Connect(
      grpc::CallbackServerContext* context) override;
  grpc::ServerBidiReactor<v1::DataFromAgent, v1::DataFromDaemon>* Data(
      grpc::CallbackServerContext* context) override;

 private:
  friend class AgentSession;

  // Runs `f(session)` with the session kept alive; false when the stream is gone.
  template <typename F>
  bool WithSession(uint64_t stream, F&& f);
  // Posts a stream's command; when it is applied, the session may read on.
  absl::Status Post(uint64_t stream, state::Command command);
  // Keeps what a stream's node says of output; when there is room for more, it may read on.
  void Keep(uint64_t stream, const std::string& node, std::vector<state::OutputTail> tails);
  void PostClose(uint64_t stream);
  void Forget(uint64_t stream);

  template <typename Effect>
  void Deliver(Effect& effect) {
    messages_.Write(effect);
  }
  void Deliver(state::RefuseAgent& effect);

  AgentCommandSink& sink_;
  const AgentAuthorizer authorize_;
  const LinkParts parts_;
  DaemonMessages messages_;  // the releasing thread's
  DataChannels data_;

  base::Mutex mutex_;
  uint64_t next_stream_ BERTH_GUARDED_BY(mutex_) = 1;
  std::map<uint64_t, AgentSession*> sessions_ BERTH_GUARDED_BY(mutex_);
  // Streams whose end did not fit into the inbox: it is posted again before anything else is.
  std::vector<uint64_t> unposted_closes_ BERTH_GUARDED_BY(mutex_);
};

}  // namespace berth::agents
