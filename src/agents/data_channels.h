// Channels to agents for what does not fit into their streams: output, consoles, commands, files,
// connections. Each is dialled by the agent when it is told to.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "berth/v1/agent.grpc.pb.h"
#include "wire/data_source.h"

namespace berth::agents {

class DataTransfer;

// Threading: any thread.
class DataChannels final : public wire::DataSource {
 public:
  // Tells the agent behind a stream to dial; false when the stream is gone.
  using Inviter = std::function<bool(uint64_t stream, const v1::OpenData& open)>;

  explicit DataChannels(Inviter invite);
  ~DataChannels() override;

  // An agent that does not dial within kDialDeadlineMs of the first Next counts as not connected.
  std::shared_ptr<wire::DataChannel> Open(const wire::DataRequest& request,
                                          std::shared_ptr<wire::DataReceiver> receiver) override;

  // Serves one call of AgentService.Data.
  grpc::ServerBidiReactor<v1::DataFromAgent, v1::DataFromDaemon>* Serve(
      grpc::CallbackServerContext* context);

  // Tells the agent to dial, and waits for it under this token; false when it is not connected.
  bool Invite(uint64_t stream, const v1::OpenData& open, std::shared_ptr<DataTransfer> transfer);
  // The transfer that waits under a token, once: nullptr for any other token.
  std::shared_ptr<DataTransfer> Take(const std::string& token);

  static constexpr int64_t kDialDeadlineMs = 10'000;

 private:
  const Inviter invite_;
  base::Mutex mutex_;
  std::map<std::string, std::shared_ptr<DataTransfer>> invited_ BERTH_GUARDED_BY(mutex_);
};

}  // namespace berth::agents
