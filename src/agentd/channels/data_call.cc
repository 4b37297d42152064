#include "agentd/channels/data_call.h"

#include <grpcpp/channel.h>

#include <utility>

#include "base/logging.h"

namespace berth::agentd {
namespace {

constexpr int64_t kListenMs = 2000;

}  // namespace

DataCall::DataCall(const Surroundings& around, uint64_t id,
                   const std::shared_ptr<grpc::Channel>& channel, std::string token)
    : around_(around),
      id_(id),
      token_(std::move(token)),
      stub_(v1::AgentService::NewStub(channel)) {}

void DataCall::Begin(std::unique_ptr<ChannelServer> server) {
  server_ = std::move(server);
  stub_->async()->Data(&context_, this);
  AddHold();
  StartCall();
  v1::DataFromAgent first;
  first.set_token(token_);
  Send(std::move(first));
  server_->Begin();
}

void DataCall::Send(v1::DataFromAgent message) {
  outgoing_ = std::move(message);
  writing_ = true;
  StartWrite(&outgoing_);
}

void DataCall::Finish() {
  finished_ = true;
  StartWritesDone();
  ReadOn();  // until berthd has heard it all and ends the call
}

void DataCall::Fail(std::string error, v1::ReasonCode reason) {
  finished_ = true;
  outgoing_.Clear();
  outgoing_.set_error(std::move(error));
  outgoing_.set_reason(reason);
  StartWriteLast(&outgoing_, grpc::WriteOptions());
  ReadOn();
}

void DataCall::ReadOn() {
  if (reading_ || !held_) return;
  reading_ = true;
  StartRead(&incoming_);
}

void DataCall::End() {
  context_.TryCancel();
  finished_ = true;
  ReadOn();  // what is left unread would keep gRPC from letting go
}

void DataCall::Settle() {
  if (over_ && server_->done()) around_.remove(id_);
}

void DataCall::LetGo() {
  if (std::exchange(held_, false)) RemoveHold();
}

// Of a call that ends while nothing is read or written nobody is told. A message without content
// finds out.
void DataCall::Listen() {
  if (listening_ || finished_) return;
  listening_ = true;
  around_.loop.At(around_.clock.MonotonicMs() + kListenMs, [post = around_.post, id = id_] {
    post(id, [](DataCall& call) {
      call.listening_ = false;
      if (call.finished_ || call.reading_ || call.writing_) return;
      call.Send({});
    });
  });
}

void DataCall::OnReadDone(bool ok) {
  around_.post(id_, [ok](DataCall& call) {
    call.reading_ = false;
    if (!ok) {  // berthd has ended the call, or it broke
      call.finished_ = true;
      call.LetGo();
    } else if (call.finished_) {
      call.ReadOn();
    } else {
      v1::DataFromDaemon frame;
      frame.Swap(&call.incoming_);
      call.Listen();
      call.server_->OnFrame(std::move(frame));
    }
  });
}

void DataCall::OnWriteDone(bool ok) {
  around_.post(id_, [ok](DataCall& call) {
    call.writing_ = false;
    if (!ok) {
      call.End();
    } else if (!call.finished_) {
      call.Listen();
      call.server_->OnRoom();
    }
  });
}

void DataCall::OnDone(const grpc::Status& status) {
  if (!status.ok() && status.error_code() != grpc::StatusCode::CANCELLED) {
    BERTH_LOG_DEBUG("data channel: {}", status.error_message());
  }
  // A copy: the call may be gone before post returns.
  const auto post = around_.post;
  post(id_, [](DataCall& call) {
    call.over_ = true;
    call.finished_ = true;
    call.server_->OnGone();
    call.Settle();
  });
}

}  // namespace berth::agentd
