#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "agentd/event_loop.h"
#include "base/clock.h"
#include "berth/v1/agent.grpc.pb.h"

namespace berth::agentd {

class DataCall;

// What serves one data channel: one class for each kind of request.
//
// Threading: the channels' thread only. Errors: told to berthd through DataCall::Fail().
class ChannelServer {
 public:
  virtual ~ChannelServer() = default;

  // The channel is dialled: it may be used from now on.
  virtual void Begin() = 0;
  // What was sent last is on its way; there is room for more.
  virtual void OnRoom() = 0;
  // Answers one DataCall::ReadOn().
  virtual void OnFrame(v1::DataFromDaemon frame) = 0;
  // The call is over: nobody is there any more. What was begun for it is to be ended.
  virtual void OnGone() = 0;
  // After OnGone(): nothing is left, and the server may go. One that is not done yet calls
  // DataCall::Settle() when it is.
  [[nodiscard]] virtual bool done() const = 0;
};

// One data channel that the agent has dialled, with its server. One message is on its way to berthd
// at a time, and nothing is read that the server did not ask for: who is slow slows the other.
//
// Threading: the channels' thread; gRPC's threads only post to it.
class DataCall final : public grpc::ClientBidiReactor<v1::DataFromAgent, v1::DataFromDaemon> {
 public:
  using Work = std::function<void(DataCall&)>;
  struct Surroundings {
    EventLoop& loop;
    const base::Clock& clock;
    // Runs work on the loop, unless the call of that number is gone by then.
    std::function<void(uint64_t id, Work work)> post;
    // Lets go of the call of that number.
    std::function<void(uint64_t id)> remove;
  };

  DataCall(const Surroundings& around, uint64_t id, const std::shared_ptr<grpc::Channel>& channel,
           std::string token);

  // Dials. `server` lives as long as the call.
  void Begin(std::unique_ptr<ChannelServer> server);

  // ---- for the server ----

  // Nothing is on its way, and the last message was not sent yet.
  [[nodiscard]] bool has_room() const { return !writing_ && !finished_; }
  // REQUIRES: has_room().
  void Send(v1::DataFromAgent message);
  // That was all, or, as the last message, why it ends early. Nothing may be sent after it.
  // REQUIRES: has_room().
  void Finish();
  void Fail(std::string error, v1::ReasonCode reason);
  // Asks for one frame. Harmless when one is asked for already.
  void ReadOn();
  // Breaks it off.
  void End();
  // The server is done, or may be.
  void Settle();
  // Runs work on the loop later, unless the call is gone by then.
  void Post(Work work) { around_.post(id_, std::move(work)); }

  [[nodiscard]] EventLoop& loop() const { return around_.loop; }
  [[nodiscard]] uint64_t id() const { return id_; }

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;
  void LetGo();
  void Listen();

  const Surroundings around_;
  const uint64_t id_;
  const std::string token_;
  const std::unique_ptr<v1::AgentService::Stub> stub_;
  std::unique_ptr<ChannelServer> server_;
  grpc::ClientContext context_;
  v1::DataFromDaemon incoming_;
  v1::DataFromAgent outgoing_;
  bool reading_ = false;
  bool writing_ = false;
  bool finished_ = false;
  bool held_ = true;
  bool listening_ = false;  // Listen() is due
  bool over_ = false;       // gRPC has let go of it
};

}  // namespace berth::agentd
