// Calls that are relayed to the agent that has a task: exec, attach, forward, files.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "api/authorize.h"
#include "api/loop_port.h"
#include "api/open_calls.h"
#include "base/mutex.h"
#include "base/work_thread.h"
#include "berth/v1/agent.pb.h"
#include "scheduler/reply.h"
#include "state/commands.h"
#include "wire/data_source.h"
#include "wire/refusal.h"

namespace berth::api {

// How one kind of call is put to an agent: turns what the client says into frames, and frames into
// what the client hears.
//
// Threading: its call's; messages one at a time in each direction.
class Interpreter {
 public:
  struct Opening {
    state::LocateOutput locate;
    v1::OpenData open;  // without the attempt's key
    // Goes to the agent after it, of the first message; empty: nothing.
    v1::DataFromDaemon first;
  };

  virtual ~Interpreter() = default;

  virtual std::variant<Opening, wire::Refusal> Open(const grpc::ByteBuffer& first) = 0;
  // Every later message.
  virtual std::variant<v1::DataFromDaemon, wire::Refusal> FromClient(
      const grpc::ByteBuffer& message);
  // The client has said all it will; nothing: that means nothing to the agent.
  virtual std::optional<v1::DataFromDaemon> EndOfClient() { return std::nullopt; }
  // Nothing: this frame is not for the client.
  virtual std::optional<grpc::ByteBuffer> FromAgent(v1::DataFromAgent frame) = 0;
};

std::unique_ptr<Interpreter> InterpretExec();
std::unique_ptr<Interpreter> InterpretAttach();
std::unique_ptr<Interpreter> InterpretForward();
std::unique_ptr<Interpreter> InterpretReadFile();
std::unique_ptr<Interpreter> InterpretWriteFile();

// One such call: asks the loop where the task is and whether the caller may, and then relays both
// ways. Either way the next message is taken when the last was passed on, so that whoever is slow
// slows the other and nothing piles up here.
//
// Each takes up processes and descriptors of a node's, and memory here. So that nobody uses those
// up for all, a principal has no more than kMostOfPrincipal open at once in this process, and an
// attempt no more than kMostOfAttempt; one that would be more is refused with RESOURCE_EXHAUSTED.
// Operators' count for the attempt only: they look after all the tasks there are.
//
// Lifetime: as WatchCall.
class RelayCall : public wire::DataReceiver,
                  public StreamingCall,
                  public std::enable_shared_from_this<RelayCall> {
 public:
  struct Surroundings {
    LoopPort& loop;
    const Authorizer& authorizer;
    base::WorkThread& answers;  // outlives the server
    OpenCalls& open_calls;
    wire::DataSource& data;
  };

  static constexpr size_t kMostOfPrincipal = 64;
  static constexpr size_t kMostOfAttempt = 32;

  static grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* ForBoth(
      const Surroundings& around, std::unique_ptr<Interpreter> interpreter,
      grpc::CallbackServerContext* context);
  // The client says one thing only.
  static grpc::ServerWriteReactor<grpc::ByteBuffer>* ForReader(
      const Surroundings& around, std::unique_ptr<Interpreter> interpreter,
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request);
  // The client hears one thing only, at the end.
  static grpc::ServerReadReactor<grpc::ByteBuffer>* ForWriter(
      const Surroundings& around, std::unique_ptr<Interpreter> interpreter,
      grpc::CallbackServerContext* context, grpc::ByteBuffer* response);

  void OnFrame(v1::DataFromAgent frame) override;
  void OnSent() override;
  void OnEnd(absl::Status status, Reason reason) override;
  void End(const wire::Refusal& refusal) override;

 protected:
  RelayCall(const Surroundings& around, std::unique_ptr<Interpreter> interpreter, std::string peer);

  // ---- of the kind of stream ----

  // Reads into incoming_.
  virtual void BeginRead() = 0;
  // Writes outgoing_; false: it was taken without a write.
  virtual bool BeginWrite() = 0;
  virtual void BeginFinish(const grpc::Status& status) = 0;

  // Keeps it alive until Gone(). `first`: null when it is still to be read.
  void Begin(const grpc::ByteBuffer* first);
  void ReadDone(bool ok);
  void WriteDone(bool ok);
  void Cancelled();
  void Gone();

  grpc::ByteBuffer incoming_;  // gRPC's while a read is under way
  grpc::ByteBuffer outgoing_;  // gRPC's while a write is

 private:
  std::optional<wire::Refusal> Locate(const grpc::ByteBuffer& first);
  void OnLocated(const scheduler::Reply& reply);
  // Keeps its place among those that are open until it ends. False: `place` is null, as none was
  // left.
  bool Occupy(std::shared_ptr<void> place);
  void ReadOn();
  void Send(v1::DataFromDaemon frame);
  void EndWith(grpc::Status status) BERTH_REQUIRES(mutex_);
  // Finishes when it is time to; gives its places back and closes the channel then.
  void Move();

  const Surroundings around_;
  const std::unique_ptr<Interpreter> interpreter_;
  const std::string peer_;
  Interpreter::Opening opening_;  // constant once the loop is asked

  base::Mutex mutex_;
  std::shared_ptr<RelayCall> self_ BERTH_GUARDED_BY(mutex_);  // until Gone
  std::shared_ptr<wire::DataChannel> channel_ BERTH_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<void>> places_ BERTH_GUARDED_BY(mutex_);
  bool opened_ BERTH_GUARDED_BY(mutex_) = false;  // the first message was read
  bool writing_ BERTH_GUARDED_BY(mutex_) = false;
  bool client_ended_ BERTH_GUARDED_BY(mutex_) = false;
  std::optional<grpc::Status> ending_ BERTH_GUARDED_BY(mutex_);
  bool finished_ BERTH_GUARDED_BY(mutex_) = false;
};

}  // namespace berth::api
