#include "agentd/output/output_server.h"

#include <grpcpp/grpcpp.h>
#include <pthread.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "agentd/output/output_reader.h"
#include "base/logging.h"
#include "berth/v1/agent.grpc.pb.h"

namespace berth::agentd {
namespace {

constexpr size_t kChunkBytes = 64 << 10;

}  // namespace

// One request. The server's thread decides what to send; gRPC's threads only post back to it.
class OutputServer::Channel
    : public grpc::ClientBidiReactor<v1::DataFromAgent, v1::DataFromDaemon> {
 public:
  Channel(OutputServer& server, uint64_t id, v1::OpenData request, bool known, bool live)
      : server_(server),
        id_(id),
        request_(std::move(request)),
        key_(FromProto(request_.read_output().key())),
        known_(known),
        live_(live),
        stub_(v1::AgentService::NewStub(server.channel_)) {
    const v1::ReadOutput& read = request_.read_output();
    const auto tail =
        read.has_tail_bytes() ? std::optional<int64_t>(read.tail_bytes()) : std::nullopt;
    for (const bool is_stderr : {false, true}) {
      if (!(is_stderr ? read.standard_error() : read.standard_output())) continue;
      const auto open = [&store = server_.store_, key = key_, is_stderr] {
        return store.OpenOutput(key, is_stderr);
      };
      streams_.push_back({is_stderr, OutputReader(open, tail)});
    }
    for (Stream& stream : streams_) {
      // Without follow, a task that writes faster than berthd reads must not keep this up forever.
      stream.until = read.follow() ? std::numeric_limits<int64_t>::max() : stream.reader.size();
    }
  }

  void Begin() {
    stub_->async()->Data(&context_, this);
    AddHold();
    StartRead(&incoming_);
    StartCall();
    outgoing_.set_token(request_.token());
    Write();
    if (follows()) server_.Watch(*this);
  }

  // Sends the next piece, or the end, unless a write is under way or there is nothing yet.
  void Step() {
    if (writing_ || finished_) return;
    outgoing_.Clear();
    for (size_t tried = 0; tried < streams_.size(); ++tried) {
      // In turns: one loud stream does not starve the other.
      Stream& stream = streams_[next_stream_++ % streams_.size()];
      std::optional<OutputReader::Chunk> chunk = stream.reader.Next(kChunkBytes, stream.until);
      if (!chunk) continue;
      v1::OutputChunk& output = *outgoing_.mutable_output();
      output.set_is_stderr(stream.is_stderr);
      output.set_offset(chunk->offset);
      output.set_data(std::move(chunk->data));
      sent_any_ = true;
      Write();
      return;
    }
    if (follows()) return;
    finished_ = true;
    const std::string missing = WhyNothing();
    if (!missing.empty()) {
      outgoing_.set_error(missing);
      outgoing_.set_reason(v1::REASON_CODE_OUTPUT_UNAVAILABLE);
      StartWriteLast(&outgoing_, grpc::WriteOptions());
    } else {
      StartWritesDone();
    }
    LetGo();
  }

  void Ended() {
    live_ = false;
    Step();
  }

  void End() {
    context_.TryCancel();
    finished_ = true;
    LetGo();
  }

  [[nodiscard]] const AttemptKey& key() const { return key_; }
  [[nodiscard]] int watch() const { return watch_; }
  void set_watch(int watch) { watch_ = watch; }
  [[nodiscard]] bool follows() const { return request_.read_output().follow() && live_; }

 private:
  struct Stream {
    bool is_stderr;
    OutputReader reader;
    int64_t until = 0;
  };

  void Write() {
    writing_ = true;
    StartWrite(&outgoing_);
  }

  void LetGo() {
    if (std::exchange(held_, false)) RemoveHold();
  }

  // Why an attempt without any output has none, when that is not because it wrote none.
  std::string WhyNothing() const {
    if (sent_any_ || known_ || !server_.store_.MayHaveExpired(key_)) return {};
    return "the output of attempt " + ToString(key_) +
           " is no longer on its node: it is kept for 7 days";
  }

  void OnReadDone(bool ok) override {
    // Anything that berthd says here means that nobody reads any more.
    Post([](Channel& channel) { channel.End(); });
    if (ok) StartRead(&incoming_);
  }

  void OnWriteDone(bool ok) override {
    Post([ok](Channel& channel) {
      channel.writing_ = false;
      if (ok) channel.Step();
    });
  }

  void OnDone(const grpc::Status& status) override {
    if (!status.ok() && status.error_code() != grpc::StatusCode::CANCELLED) {
      BERTH_LOG_DEBUG("data channel of attempt {}: {}", ToString(key_), status.error_message());
    }
    server_.loop_.Post([&server = server_, id = id_] { server.Remove(id); });
  }

  template <typename Work>
  void Post(Work work) {
    server_.loop_.Post([&server = server_, id = id_, work = std::move(work)] {
      const auto channel = server.channels_.find(id);
      if (channel != server.channels_.end()) work(*channel->second);
    });
  }

  OutputServer& server_;
  const uint64_t id_;
  const v1::OpenData request_;
  const AttemptKey key_;
  const bool known_;
  bool live_;
  const std::unique_ptr<v1::AgentService::Stub> stub_;
  grpc::ClientContext context_;
  v1::DataFromDaemon incoming_;
  v1::DataFromAgent outgoing_;
  std::vector<Stream> streams_;
  size_t next_stream_ = 0;
  bool writing_ = false;
  bool finished_ = false;
  bool held_ = true;
  bool sent_any_ = false;
  int watch_ = -1;
};

OutputServer::OutputServer(const AttemptStore& store, const base::Clock& clock,
                           std::shared_ptr<grpc::Channel> channel)
    : store_(store), channel_(std::move(channel)), loop_(clock) {}

OutputServer::~OutputServer() {
  if (!thread_.joinable()) return;
  // Channels end one after another as gRPC lets go of them; the last one ends the loop.
  loop_.Post([this] {
    loop_.set_end_of_turn([this] {
      if (channels_.empty()) loop_.Stop();
    });
    for (const auto& [id, channel] : channels_) channel->End();
  });
  thread_.join();
}

void OutputServer::Open(v1::OpenData request, bool known, bool live) {
  if (!request.has_read_output()) return;  // of a kind that a newer berthd has
  {
    base::MutexLock lock(mutex_);
    served_.insert(FromProto(request.read_output().key()));
  }
  if (!thread_.joinable()) {
    thread_ = std::thread([this] { Begin(); });
    pthread_setname_np(thread_.native_handle(), "output");
  }
  loop_.Post([this, request = std::move(request), known, live]() mutable {
    const uint64_t id = next_id_++;
    auto channel = std::make_unique<Channel>(*this, id, std::move(request), known, live);
    Channel& opened = *channel;
    channels_.emplace(id, std::move(channel));
    opened.Begin();
  });
}

bool OutputServer::Serves(const AttemptKey& key) const {
  base::MutexLock lock(mutex_);
  return served_.count(key) > 0;
}

void OutputServer::Changed(const AttemptKey& key, bool ended) {
  if (!thread_.joinable()) return;
  loop_.Post([this, key, ended] {
    for (const auto& [id, channel] : channels_) {
      if (channel->key() != key) continue;
      if (channel->follows()) Watch(*channel);  // its directory may not have been there before
      if (ended) {
        channel->Ended();
      } else {
        channel->Step();
      }
    }
  });
}

void OutputServer::Begin() {
  inotify_.reset(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (inotify_.valid()) loop_.Watch(inotify_.get(), [this] { OnFileChanges(); });
  loop_.Run();
}

void OutputServer::OnFileChanges() {
  alignas(inotify_event) char buffer[16 << 10];
  std::vector<int> changed;
  for (;;) {
    const ssize_t got = read(inotify_.get(), buffer, sizeof(buffer));
    if (got <= 0) break;
    for (const char* at = buffer; at < buffer + got;) {
      inotify_event event;
      std::memcpy(&event, at, sizeof(event));
      if (changed.empty() || changed.back() != event.wd) changed.push_back(event.wd);
      at += sizeof(event) + event.len;
    }
  }
  for (const auto& [id, channel] : channels_) {
    for (const int watch : changed) {
      if (channel->watch() != watch) continue;
      channel->Step();
      break;
    }
  }
}

void OutputServer::Watch(Channel& channel) {
  if (!inotify_.valid()) return;
  // One watch per directory: for a second channel on it the kernel gives the same number.
  channel.set_watch(inotify_add_watch(inotify_.get(), store_.Directory(channel.key()).c_str(),
                                      IN_MODIFY | IN_CREATE | IN_ONLYDIR));
}

void OutputServer::Remove(uint64_t id) {
  const auto removed = channels_.find(id);
  if (removed == channels_.end()) return;
  const int watch = removed->second->watch();
  const AttemptKey key = removed->second->key();
  channels_.erase(removed);
  {
    base::MutexLock lock(mutex_);
    served_.erase(served_.find(key));
  }
  if (watch < 0) return;
  for (const auto& [other_id, other] : channels_) {
    if (other->watch() == watch) return;
  }
  inotify_rm_watch(inotify_.get(), watch);
}

}  // namespace berth::agentd
