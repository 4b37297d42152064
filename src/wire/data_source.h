// What agents hand on and take, frame by frame: output, consoles, commands, files, connections. One
// room brings it, another uses it; this is all that either knows of the other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "berth/reason.h"
#include "berth/v1/agent.pb.h"

namespace berth::wire {

struct DataRequest {
  uint64_t stream = 0;  // of the agent that has it; 0: it is not connected
  std::string node;     // its name, for errors
  v1::OpenData open;    // what is wanted; without a token
};

// Threading: any thread. OnFrame and OnEnd one at a time, OnSent beside them; each may be called
// from within Next or Send.
class DataReceiver {
 public:
  virtual ~DataReceiver() = default;
  // Answers one Next. Never a frame without content, nor one with an error.
  virtual void OnFrame(v1::DataFromAgent frame) = 0;
  // Answers one Send: the frame is on its way, and the next may be sent. Not called after the end.
  virtual void OnSent() {}
  // The last call. OK: that was all. Else why it ends early, naming the node.
  virtual void OnEnd(absl::Status status, Reason reason) = 0;
};

// One channel to an agent. Nothing is fetched that was not asked for, and one frame at a time is on
// its way there: who is slow slows the other, and nothing piles up in between.
//
// Threading: any thread.
class DataChannel {
 public:
  virtual ~DataChannel() = default;
  // Asks for one frame more. REQUIRES: the last Next was answered.
  virtual void Next() = 0;
  // Says something to the agent. REQUIRES: Next was called before, and the last Send was answered.
  virtual void Send(v1::DataFromDaemon frame) = 0;
  // Nobody is there any more. The receiver may still get one call that was under way. Idempotent.
  virtual void Close() = 0;
};

// Threading: any thread.
class DataSource {
 public:
  virtual ~DataSource() = default;
  // Never null. Begins only with the first Next; errors come through the receiver.
  virtual std::shared_ptr<DataChannel> Open(const DataRequest& request,
                                            std::shared_ptr<DataReceiver> receiver) = 0;
};

}  // namespace berth::wire
