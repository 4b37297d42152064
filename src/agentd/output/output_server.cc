#include "agentd/output/output_server.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "agentd/channels/console_input.h"
#include "agentd/drivers/process_driver.h"
#include "agentd/drivers/spec_file.h"
#include "agentd/output/output_marks.h"
#include "agentd/output/output_reader.h"
#include "base/strings.h"

namespace berth::agentd {
namespace {

constexpr size_t kChunkBytes = 64 << 10;

}  // namespace

// One request.
class OutputServer::Reading final : public ChannelServer {
 public:
  Reading(OutputServer& server, DataCall& call, const v1::OpenData& request, bool known, bool live)
      : server_(server),
        call_(call),
        request_(WhatToRead(request)),
        key_(FromProto(request_.key())),
        known_(known),
        live_(live),
        marks_([&store = server.store_, key = key_] { return store.OpenMarks(key); }) {
    if (request.has_attach()) {
      window_ = request.attach().window();
      console_ = std::make_unique<ConsoleInput>(call.loop(), [this] { call_.ReadOn(); });
    }
    const v1::ReadOutput& read = request_;
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

  ~Reading() override { server_.Remove(*this); }

  void Begin() override {
    server_.readings_.insert(this);
    if (console_ != nullptr && !OpenConsole()) return Step();
    call_.ReadOn();
    if (follows()) server_.Watch(*this);
  }
  void OnRoom() override { Step(); }
  void OnFrame(v1::DataFromDaemon frame) override {
    if (console_ != nullptr) {
      console_->Take(std::move(frame));
    } else {
      call_.End();  // whatever is said to a reader means that nobody reads any more
    }
  }
  void OnGone() override {}
  [[nodiscard]] bool done() const override { return true; }

  // Sends the next piece, or the end, unless a write is under way or there is nothing yet.
  void Step() {
    if (!call_.has_room()) return;
    if (refused_) return call_.Fail(refused_->message, refused_->reason);
    if (open_to_tell_ != v1::CONSOLE_UNSPECIFIED) {
      v1::DataFromAgent message;
      message.set_open(true);
      message.set_console(std::exchange(open_to_tell_, v1::CONSOLE_UNSPECIFIED));
      call_.Send(std::move(message));
      return;
    }
    // The stream that was written to first. What has no mark has its file's time; both are of the
    // same clock.
    marks_.Refresh();
    Stream* first = nullptr;
    OutputMarks::Span span;
    for (Stream& stream : streams_) {
      const std::optional<int64_t> offset = stream.reader.Peek(stream.until);
      if (!offset) continue;
      const OutputMarks::Span here =
          marks_.Of(stream.is_stderr, *offset)
              .value_or(OutputMarks::Span{stream.until, stream.reader.modified_unix_ms()});
      // At the same time, in turns: one loud stream does not starve the other.
      if (first == nullptr || here.unix_ms < span.unix_ms ||
          (here.unix_ms == span.unix_ms && last_is_stderr_ &&
           *last_is_stderr_ != stream.is_stderr)) {
        first = &stream;
        span = here;
      }
    }
    std::optional<OutputReader::Chunk> chunk;
    if (first != nullptr) {
      chunk = first->reader.Next(kChunkBytes, std::min(first->until, span.until));
    }
    if (chunk) {
      v1::DataFromAgent message;
      v1::OutputChunk& output = *message.mutable_output();
      output.set_is_stderr(first->is_stderr);
      output.set_offset(chunk->offset);
      output.set_data(std::move(chunk->data));
      output.set_unix_ms(span.unix_ms);
      last_is_stderr_ = first->is_stderr;
      sent_any_ = true;
      call_.Send(std::move(message));
      return;
    }
    if (follows()) return;
    const std::string missing = WhyNothing();
    missing.empty() ? call_.Finish() : call_.Fail(missing, v1::REASON_CODE_OUTPUT_UNAVAILABLE);
  }

  void Ended() {
    live_ = false;
    Step();
  }

  [[nodiscard]] const AttemptKey& key() const { return key_; }
  [[nodiscard]] int watch() const { return watch_; }
  void set_watch(int watch) { watch_ = watch; }
  [[nodiscard]] bool follows() const { return request_.follow() && live_; }

 private:
  struct Stream {
    bool is_stderr;
    OutputReader reader;
    int64_t until = 0;
  };

  // An attached reader follows what both streams say from now on.
  static v1::ReadOutput WhatToRead(const v1::OpenData& request) {
    if (!request.has_attach()) return request.read_output();
    v1::ReadOutput read;
    *read.mutable_key() = request.attach().key();
    read.set_standard_output(true);
    read.set_standard_error(true);
    read.set_follow(true);
    read.set_tail_bytes(request.attach().tail_bytes());
    return read;
  }

  // False: there is none to type into, and refused_ says why.
  bool OpenConsole() {
    const auto refuse = [&](v1::ReasonCode reason, const std::string& why) {
      refused_ = {reason, "attempt " + ToString(key_) + ": " + why};
      return false;
    };
    const absl::StatusOr<std::string> bytes = server_.store_.ReadSpec(key_);
    if (!live_ || !bytes.ok()) {
      return refuse(v1::REASON_CODE_TASK_NOT_RUNNING, "it does not run there");
    }
    const SpecFile file(*bytes);
    if (file.fault() != nullptr) return refuse(v1::REASON_CODE_DRIVER_ERROR, file.fault());
    const shim::ConsoleKind kind = file.view().header->console;
    if (kind == shim::ConsoleKind::kNone) {
      return refuse(v1::REASON_CODE_NO_CONSOLE,
                    "it has no console: submit it with --pty or -i to type into it; 'berth logs -f'"
                    " shows what it writes, and 'berth exec' runs a command beside it");
    }
    const absl::Status connected = console_->Connect(server_.store_.Directory(key_));
    if (!connected.ok()) {
      return refuse(v1::REASON_CODE_TASK_NOT_RUNNING, base::S(connected.message()));
    }
    open_to_tell_ = kind == shim::ConsoleKind::kTerminal ? v1::CONSOLE_TERMINAL : v1::CONSOLE_PIPE;
    if (window_.rows() == 0 && window_.columns() == 0) return true;
    v1::DataFromDaemon window;
    *window.mutable_window() = window_;
    console_->Take(std::move(window));
    return true;
  }

  // Why an attempt without any output has none, when that is not because it wrote none.
  std::string WhyNothing() const {
    if (sent_any_ || known_ || !server_.store_.MayHaveExpired(key_)) return {};
    return "the output of attempt " + ToString(key_) +
           " is no longer on its node: it is kept for 7 days";
  }

  OutputServer& server_;
  DataCall& call_;
  const v1::ReadOutput request_;
  const AttemptKey key_;
  const bool known_;
  bool live_;
  std::vector<Stream> streams_;
  OutputMarks marks_;
  std::optional<bool> last_is_stderr_;  // of what was sent
  bool sent_any_ = false;
  int watch_ = -1;
  // Of one that is attached.
  std::unique_ptr<ConsoleInput> console_;
  v1::WindowSize window_;
  v1::Console open_to_tell_ = v1::CONSOLE_UNSPECIFIED;
  std::optional<CannotStart> refused_;
};

OutputServer::OutputServer(const AttemptStore& store, ChannelHub& hub)
    : store_(store), hub_(hub), inotify_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  if (inotify_.valid()) hub_.loop().Watch(inotify_.get(), [this] { OnFileChanges(); });
}

OutputServer::~OutputServer() {
  if (inotify_.valid()) hub_.loop().Unwatch(inotify_.get());
}

void OutputServer::Open(v1::OpenData request, bool known, bool live) {
  {
    base::MutexLock lock(mutex_);
    served_.insert(
        FromProto(request.has_attach() ? request.attach().key() : request.read_output().key()));
  }
  const std::string token = request.token();
  hub_.Open(token, [this, request = std::move(request), known, live](DataCall& call) {
    return std::make_unique<Reading>(*this, call, request, known, live);
  });
}

bool OutputServer::Serves(const AttemptKey& key) const {
  base::MutexLock lock(mutex_);
  return served_.count(key) > 0;
}

void OutputServer::Changed(const AttemptKey& key, bool ended) {
  hub_.Post([this, key, ended] {
    for (Reading* reading : readings_) {
      if (reading->key() != key) continue;
      if (reading->follows()) Watch(*reading);  // its directory may not have been there before
      if (ended) {
        reading->Ended();
      } else {
        reading->Step();
      }
    }
  });
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
  for (Reading* reading : readings_) {
    for (const int watch : changed) {
      if (reading->watch() != watch) continue;
      reading->Step();
      break;
    }
  }
}

void OutputServer::Watch(Reading& reading) {
  if (!inotify_.valid()) return;
  // One watch per directory: for a second reading of it the kernel gives the same number.
  reading.set_watch(inotify_add_watch(inotify_.get(), store_.Directory(reading.key()).c_str(),
                                      IN_MODIFY | IN_CREATE | IN_ONLYDIR));
}

void OutputServer::Remove(Reading& reading) {
  readings_.erase(&reading);
  {
    base::MutexLock lock(mutex_);
    served_.erase(served_.find(reading.key()));
  }
  if (reading.watch() < 0) return;
  for (const Reading* other : readings_) {
    if (other->watch() == reading.watch()) return;
  }
  inotify_rm_watch(inotify_.get(), reading.watch());
}

}  // namespace berth::agentd
