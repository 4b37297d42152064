#include "agents/data_channels.h"

#include <grpcpp/alarm.h>

#include <chrono>
#include <utility>

#include "base/uuid.h"
#include "wire/refusal.h"

namespace berth::agents {
namespace {

// The code of an agent's error, which sends only a reason.
absl::StatusCode CodeOf(Reason reason) {
  switch (reason) {
    case Reason::kNotFound:
      return absl::StatusCode::kNotFound;
    case Reason::kNotAllowed:
      return absl::StatusCode::kPermissionDenied;
    case Reason::kInvalidField:
    case Reason::kJobTooLarge:
      return absl::StatusCode::kInvalidArgument;
    case Reason::kFieldNotHonoured:
      return absl::StatusCode::kUnimplemented;
    case Reason::kOutputUnavailable:
    case Reason::kNodeNotReady:
      return absl::StatusCode::kUnavailable;
    case Reason::kInboxFull:
      return absl::StatusCode::kResourceExhausted;
    default:
      return absl::StatusCode::kFailedPrecondition;
  }
}

}  // namespace

// The agent's end of a transfer: a call of AgentService.Data.
class DataSession final : public grpc::ServerBidiReactor<v1::DataFromAgent, v1::DataFromDaemon> {
 public:
  DataSession(DataChannels& channels, grpc::CallbackServerContext& context)
      : channels_(channels), context_(context) {}

  // REQUIRES: no read is under way.
  void ReadOn() { StartRead(&incoming_); }
  // REQUIRES: no write is under way, and End was not called.
  void Write(v1::DataFromDaemon frame) {
    outgoing_ = std::move(frame);
    StartWrite(&outgoing_);
  }
  // Once. REQUIRES: no write is under way.
  void End(const grpc::Status& status) { Finish(status); }
  // Makes what is under way come to an end.
  void Break() { context_.TryCancel(); }

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone() override;

 private:
  DataChannels& channels_;
  grpc::CallbackServerContext& context_;
  v1::DataFromAgent incoming_;
  v1::DataFromDaemon outgoing_;
  std::shared_ptr<DataTransfer> transfer_;  // null before the token; on gRPC's calls only
};

// One transfer, between its receiver and its session, each of which may go first.
class DataTransfer final : public std::enable_shared_from_this<DataTransfer> {
 public:
  DataTransfer(DataChannels& channels, const wire::DataRequest& request,
               std::shared_ptr<wire::DataReceiver> receiver)
      : channels_(channels),
        stream_(request.stream),
        node_(request.node),
        receiver_(std::move(receiver)),
        unavailable_(request.open.has_read_output() ? Reason::kOutputUnavailable
                                                    : Reason::kNodeNotReady),
        open_(request.open) {
    open_.set_token(base::NewUuid());
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
      EndUnavailable(unavailable_ == Reason::kOutputUnavailable
                         ? "its agent is not connected, and the output lies there; try again when "
                           "'berth get nodes' shows it ready"
                         : "its agent is not connected; try again when 'berth get nodes' shows it "
                           "ready");
    }
  }
  void Send(v1::DataFromDaemon frame) {
    base::MutexLock lock(mutex_);
    if (ended_) return;
    if (session_ == nullptr) {  // until the agent has dialled
      unsent_ = std::move(frame);
      has_unsent_ = true;
      return;
    }
    writing_ = true;
    session_->Write(std::move(frame));
  }
  void Close() {
    if (channels_.Take(open_.token()) != nullptr) alarm_.Cancel();
    base::MutexLock lock(mutex_);
    ended_ = true;
    EndSession();
  }

  // ---- for the session ----

  // The agent has dialled and waits to be read. False: nobody is there any more.
  bool Attach(DataSession* session) {
    alarm_.Cancel();
    base::MutexLock lock(mutex_);
    if (ended_) return false;
    session_ = session;
    reading_ = true;  // the first Next is still to be answered
    if (std::exchange(has_unsent_, false)) {
      writing_ = true;
      session_->Write(std::move(unsent_));
    }
    return true;
  }
  void Deliver(v1::DataFromAgent frame) {
    {
      base::MutexLock lock(mutex_);
      if (ended_) return;
      reading_ = false;
    }
    receiver_->OnFrame(std::move(frame));
  }
  void Sent(bool ok) {
    {
      base::MutexLock lock(mutex_);
      writing_ = false;
      if (ended_) return EndSession();
      if (!ok) return;  // the read says why
    }
    receiver_->OnSent();
  }
  // Nothing more comes from the session.
  void End(const absl::Status& status, Reason reason) {
    bool first = false;
    {
      base::MutexLock lock(mutex_);
      first = !std::exchange(ended_, true);
      EndSession();
    }
    if (first) receiver_->OnEnd(status, reason);
  }
  void EndUnavailable(const std::string& what) {
    End(absl::UnavailableError("node \"" + node_ + "\": " + what), unavailable_);
  }
  // gRPC has let go of it.
  void Detach() {
    base::MutexLock lock(mutex_);
    session_ = nullptr;
  }

 private:
  // A call that ends while a write is under way would leave gRPC with both: the write goes first.
  void EndSession() BERTH_REQUIRES(mutex_) {
    if (session_ == nullptr || session_ended_) return;
    if (writing_) {
      session_->Break();
      return;
    }
    session_ended_ = true;
    session_->End(grpc::Status::OK);
  }

  DataChannels& channels_;
  const uint64_t stream_;
  const std::string node_;
  const std::shared_ptr<wire::DataReceiver> receiver_;
  const Reason unavailable_;
  v1::OpenData open_;
  grpc::Alarm alarm_;
  base::Mutex mutex_;
  DataSession* session_ BERTH_GUARDED_BY(mutex_) = nullptr;
  v1::DataFromDaemon unsent_ BERTH_GUARDED_BY(mutex_);
  bool has_unsent_ BERTH_GUARDED_BY(mutex_) = false;
  bool invited_ BERTH_GUARDED_BY(mutex_) = false;
  bool reading_ BERTH_GUARDED_BY(mutex_) = false;  // a read of the session is under way
  bool writing_ BERTH_GUARDED_BY(mutex_) = false;  // a write of it is
  bool ended_ BERTH_GUARDED_BY(mutex_) = false;    // for the receiver
  bool session_ended_ BERTH_GUARDED_BY(mutex_) = false;
};

namespace {

// What the receiver's side holds; dropping it closes.
class TransferHandle final : public wire::DataChannel {
 public:
  explicit TransferHandle(std::shared_ptr<DataTransfer> transfer)
      : transfer_(std::move(transfer)) {}
  ~TransferHandle() override { transfer_->Close(); }

  void Next() override { transfer_->Next(); }
  void Send(v1::DataFromDaemon frame) override { transfer_->Send(std::move(frame)); }
  void Close() override { transfer_->Close(); }

 private:
  const std::shared_ptr<DataTransfer> transfer_;
};

// Whether a frame says anything beside its token.
bool HasContent(const v1::DataFromAgent& frame) {
  return frame.has_output() ? !frame.output().data().empty() : frame.ByteSizeLong() > 0;
}

}  // namespace

void DataSession::OnReadDone(bool ok) {
  if (!ok) {
    if (transfer_ == nullptr) {
      End(grpc::Status::OK);
    } else if (context_.IsCancelled()) {
      transfer_->EndUnavailable("the connection to its agent broke");
    } else {
      transfer_->End(absl::OkStatus(), Reason::kNone);
    }
    return;
  }
  if (transfer_ == nullptr) {
    transfer_ = channels_.Take(incoming_.token());
    if (transfer_ == nullptr || !transfer_->Attach(this)) {
      transfer_ = nullptr;
      End(wire::ToGrpcStatus({.code = absl::StatusCode::kNotFound,
                              .reason = Reason::kNotFound,
                              .message = "nobody waits for this data channel"}));
      return;
    }
  }
  if (!incoming_.error().empty()) {
    const Reason said = wire::ReasonFrom(incoming_.reason());
    const Reason reason = said == Reason::kNone ? Reason::kOutputUnavailable : said;
    transfer_->End(absl::Status(CodeOf(reason), incoming_.error()), reason);
    return;
  }
  v1::DataFromAgent frame;
  frame.Swap(&incoming_);
  frame.clear_token();
  if (HasContent(frame)) {
    transfer_->Deliver(std::move(frame));  // the receiver's Next reads on
  } else {
    ReadOn();
  }
}

void DataSession::OnWriteDone(bool ok) { transfer_->Sent(ok); }

void DataSession::OnDone() {
  if (transfer_ != nullptr) {
    transfer_->Detach();
    transfer_->EndUnavailable("the connection to its agent broke");
  }
  delete this;
}

DataChannels::DataChannels(Inviter invite) : invite_(std::move(invite)) {}

DataChannels::~DataChannels() = default;

std::shared_ptr<wire::DataChannel> DataChannels::Open(
    const wire::DataRequest& request, std::shared_ptr<wire::DataReceiver> receiver) {
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
