#include "agents/data_channels.h"

#include <grpcpp/alarm.h>

#include <atomic>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "base/uuid.h"
#include "wire/refusal.h"
#include "wire/values.h"

namespace berth::agents {
namespace {

Reason ReasonFrom(v1::ReasonCode code) {
  return v1::ReasonCode_IsValid(code) && code != v1::REASON_CODE_UNSPECIFIED
             ? static_cast<Reason>(code)
             : Reason::kOutputUnavailable;
}

}  // namespace

// The agent's end of a transfer: a call of AgentService.Data.
class DataSession final : public grpc::ServerBidiReactor<v1::DataFromAgent, v1::DataFromDaemon> {
 public:
  DataSession(DataChannels& channels, grpc::CallbackServerContext& context)
      : channels_(channels), context_(context) {}

  // REQUIRES: no read is under way.
  void ReadOn() { StartRead(&incoming_); }
  void End(const grpc::Status& status) {
    if (ended_.exchange(true)) return;
    Finish(status);
  }

  void OnReadDone(bool ok) override;
  void OnDone() override;

 private:
  DataChannels& channels_;
  grpc::CallbackServerContext& context_;
  v1::DataFromAgent incoming_;
  std::shared_ptr<DataTransfer> transfer_;  // null before the token; on gRPC's calls only
  std::atomic<bool> ended_ = false;
};

// One transfer, between its receiver and its session, each of which may go first.
class DataTransfer final : public std::enable_shared_from_this<DataTransfer> {
 public:
  DataTransfer(DataChannels& channels, const state::OutputRequest& request,
               std::shared_ptr<state::OutputReceiver> receiver)
      : channels_(channels),
        stream_(request.stream),
        node_(request.node),
        receiver_(std::move(receiver)) {
    open_.set_token(base::NewUuid());
    v1::ReadOutput& read = *open_.mutable_read_output();
    *read.mutable_key() = wire::ToProto(request.attempt);
    read.set_standard_output(request.standard_output);
    read.set_standard_error(request.standard_error);
    read.set_follow(request.follow);
    if (request.tail_bytes) read.set_tail_bytes(*request.tail_bytes);
  }

  // ---- for the receiver's side ----

  void Next() {
    {
      base::MutexLock lock(mutex_);
      if (ended_) return;
      if (invited_) {
        if (session_ == nullptr) return;  // it reads on by itself once the agent has dialled
        if (!reading_) {
          reading_ = true;
          session_->ReadOn();
        }
        return;
      }
      invited_ = true;
    }
    // An alarm keeps its callback until it goes itself: a strong pointer would keep both for ever.
    alarm_.Set(
        std::chrono::system_clock::now() + std::chrono::milliseconds(DataChannels::kDialDeadlineMs),
        [weak = weak_from_this()](bool due) {
          const auto self = due ? weak.lock() : nullptr;
          if (self == nullptr || self->channels_.Take(self->open_.token()) == nullptr) return;
          self->EndUnavailable("its agent did not open a data channel in time; try again");
        });
    if (!channels_.Invite(stream_, open_, shared_from_this())) {
      alarm_.Cancel();
      EndUnavailable(
          "its agent is not connected, and the output lies there; try again when 'berth get "
          "nodes' shows it ready");
    }
  }
  void Close() {
    if (channels_.Take(open_.token()) != nullptr) alarm_.Cancel();
    base::MutexLock lock(mutex_);
    ended_ = true;
    if (session_ != nullptr) session_->End(grpc::Status::OK);
  }

  // ---- for the session ----

  // The agent has dialled and waits to be read. False: nobody receives any more.
  bool Attach(DataSession* session) {
    alarm_.Cancel();
    base::MutexLock lock(mutex_);
    if (ended_) return false;
    session_ = session;
    reading_ = true;  // the first Next is still to be answered
    return true;
  }
  void Detach() {
    base::MutexLock lock(mutex_);
    session_ = nullptr;
  }
  void Deliver(v1::OutputChunk& chunk) {
    {
      base::MutexLock lock(mutex_);
      if (ended_) return;
      reading_ = false;
    }
    receiver_->OnPiece({.is_error = chunk.is_stderr(),
                        .offset = chunk.offset(),
                        .data = std::move(*chunk.mutable_data())});
  }
  void End(const absl::Status& status, Reason reason) {
    {
      base::MutexLock lock(mutex_);
      if (ended_) return;
      ended_ = true;
    }
    receiver_->OnEnd(status, reason);
  }
  void EndUnavailable(const std::string& what) {
    End(absl::UnavailableError("node \"" + node_ + "\": " + what), Reason::kOutputUnavailable);
  }

 private:
  DataChannels& channels_;
  const uint64_t stream_;
  const std::string node_;
  const std::shared_ptr<state::OutputReceiver> receiver_;
  v1::OpenData open_;
  grpc::Alarm alarm_;
  base::Mutex mutex_;
  DataSession* session_ BERTH_GUARDED_BY(mutex_) = nullptr;
  bool invited_ BERTH_GUARDED_BY(mutex_) = false;
  bool reading_ BERTH_GUARDED_BY(mutex_) = false;  // a read of the session is under way
  bool ended_ BERTH_GUARDED_BY(mutex_) = false;
};

namespace {

// What the receiver's side holds; dropping it closes.
class TransferHandle final : public state::OutputTransfer {
 public:
  explicit TransferHandle(std::shared_ptr<DataTransfer> transfer)
      : transfer_(std::move(transfer)) {}
  ~TransferHandle() override { transfer_->Close(); }

  void Next() override { transfer_->Next(); }
  void Close() override { transfer_->Close(); }

 private:
  const std::shared_ptr<DataTransfer> transfer_;
};

}  // namespace

void DataSession::OnReadDone(bool ok) {
  if (!ok) {
    if (transfer_ != nullptr) {
      if (context_.IsCancelled()) {
        transfer_->EndUnavailable("the connection to its agent broke while reading");
      } else {
        transfer_->End(absl::OkStatus(), Reason::kNone);
      }
    }
    End(grpc::Status::OK);
    return;
  }
  if (transfer_ == nullptr) {
    auto transfer = channels_.Take(incoming_.token());
    if (transfer == nullptr || !transfer->Attach(this)) {
      End(wire::ToGrpcStatus({.code = absl::StatusCode::kNotFound,
                              .reason = Reason::kNotFound,
                              .message = "nobody waits for this data channel"}));
      return;
    }
    transfer_ = std::move(transfer);
  }
  if (!incoming_.error().empty()) {
    transfer_->End(absl::UnavailableError(incoming_.error()), ReasonFrom(incoming_.reason()));
    End(grpc::Status::OK);
    return;
  }
  if (incoming_.has_output() && !incoming_.output().data().empty()) {
    v1::OutputChunk chunk = std::move(*incoming_.mutable_output());
    incoming_.Clear();
    transfer_->Deliver(chunk);  // the receiver's Next reads on
  } else {
    incoming_.Clear();
    ReadOn();
  }
}

void DataSession::OnDone() {
  if (transfer_ != nullptr) {
    transfer_->Detach();
    transfer_->EndUnavailable("the connection to its agent broke while reading");
  }
  delete this;
}

DataChannels::DataChannels(Inviter invite) : invite_(std::move(invite)) {}

DataChannels::~DataChannels() = default;

std::shared_ptr<state::OutputTransfer> DataChannels::Open(
    const state::OutputRequest& request, std::shared_ptr<state::OutputReceiver> receiver) {
  return std::make_shared<TransferHandle>(
      std::make_shared<DataTransfer>(*this, request, std::move(receiver)));
}

grpc::ServerBidiReactor<v1::DataFromAgent, v1::DataFromDaemon>* DataChannels::Serve(
    grpc::CallbackServerContext* context) {
  auto* session = new DataSession(*this, *context);
  session->ReadOn();
  return session;
}

bool DataChannels::Invite(uint64_t stream, const v1::OpenData& open,
                          std::shared_ptr<DataTransfer> transfer) {
  {
    base::MutexLock lock(mutex_);
    invited_.emplace(open.token(), std::move(transfer));
  }
  if (stream != 0 && invite_(stream, open)) return true;
  Take(open.token());
  return false;
}

std::shared_ptr<DataTransfer> DataChannels::Take(const std::string& token) {
  base::MutexLock lock(mutex_);
  const auto it = invited_.find(token);
  if (it == invited_.end()) return nullptr;
  auto transfer = std::move(it->second);
  invited_.erase(it);
  return transfer;
}

}  // namespace berth::agents
