#include <algorithm>
#include <limits>
#include <utility>

#include "api/errors.h"
#include "api/ids.h"
#include "api/relay_call.h"
#include "base/strings.h"
#include "berth/v1/scheduler.pb.h"
#include "wire/message_buffer.h"

namespace berth::api {
namespace {

using grpc::ByteBuffer;

constexpr size_t kMostDataBytes = 64 << 10;
constexpr int32_t kMostDimension = std::numeric_limits<uint16_t>::max();
constexpr int32_t kMostMode = 07777;
constexpr size_t kMostNameBytes = 255;

using Opened = std::variant<Interpreter::Opening, wire::Refusal>;
using Said = std::variant<v1::DataFromDaemon, wire::Refusal>;

template <typename Message>
std::optional<wire::Refusal> Parse(const ByteBuffer& bytes, Message& message) {
  ByteBuffer buffer(bytes);
  if (const absl::Status parsed = wire::ParseMessage(buffer, message); !parsed.ok()) {
    return wire::RefusalOf(parsed);
  }
  return std::nullopt;
}

std::optional<wire::Refusal> CheckData(const char* field, const std::string& data) {
  if (data.size() <= kMostDataBytes) return std::nullopt;
  return InvalidField(
      field, "has " + std::to_string(data.size()) + " bytes; at most 65536 go into one message");
}

std::optional<wire::Refusal> CheckNoNul(const std::string& field, const std::string& text) {
  if (text.find('\0') == std::string::npos) return std::nullopt;
  return InvalidField(field, "has a NUL byte");
}

// Which task, and what for.
std::optional<wire::Refusal> ReadTask(const std::string& task_id, const char* act, bool must_run,
                                      Interpreter::Opening& opening) {
  const auto object = ParseObjectRef(task_id, Attempts::kAllowed);
  if (!object.ok()) return InvalidField("task_id", base::S(object.status().message()));
  opening.locate = {.object = *object, .act = act, .must_run = must_run};
  return std::nullopt;
}

// What Exec and Attach have in common: input, its end, and window sizes. 0 in one dimension leaves
// that as it is.
class Typing {
 public:
  template <typename Request>
  Said Read(const Request& request) {
    if (auto refusal = CheckData("stdin_data", request.stdin_data())) return *std::move(refusal);
    if (auto refusal = ReadWindow(request)) return *std::move(refusal);
    v1::DataFromDaemon frame;
    frame.set_data(request.stdin_data());
    if (request.rows() != 0 || request.columns() != 0) *frame.mutable_window() = window_;
    if (request.stdin_closed() && !closed_) {
      frame.set_end_of_input(true);
      closed_ = true;
    }
    return frame;
  }

  template <typename Request>
  std::optional<wire::Refusal> ReadWindow(const Request& request) {
    for (const auto& [field, value] :
         {std::pair("rows", request.rows()), std::pair("columns", request.columns())}) {
      if (value < 0 || value > kMostDimension) {
        return InvalidField(field, "is " + std::to_string(value) + "; it is from 0 to " +
                                       std::to_string(kMostDimension));
      }
    }
    if (request.rows() != 0) window_.set_rows(request.rows());
    if (request.columns() != 0) window_.set_columns(request.columns());
    return std::nullopt;
  }

  const v1::WindowSize& window() const { return window_; }
  bool Close() { return !std::exchange(closed_, true); }

 private:
  v1::WindowSize window_;
  bool closed_ = false;
};

v1::OutputStream StreamOf(const v1::OutputChunk& output) {
  return output.is_stderr() ? v1::OUTPUT_STREAM_STDERR : v1::OUTPUT_STREAM_STDOUT;
}

class ExecInterpreter final : public Interpreter {
 public:
  Opened Open(const ByteBuffer& first) override {
    v1::ExecRequest request;
    Opening opening;
    if (auto refusal = Parse(first, request)) return *std::move(refusal);
    if (auto refusal = ReadTask(request.task_id(), "exec", true, opening)) {
      return *std::move(refusal);
    }
    if (request.command().empty() || request.command(0).empty()) {
      return InvalidField("command", "is required: the program and its arguments");
    }
    for (int i = 0; i < request.command_size(); ++i) {
      if (auto refusal = CheckNoNul("command[" + std::to_string(i) + "]", request.command(i))) {
        return *std::move(refusal);
      }
    }
    auto said = typing_.Read(request);
    if (auto* refusal = std::get_if<wire::Refusal>(&said)) return std::move(*refusal);
    opening.first = std::move(std::get<v1::DataFromDaemon>(said));
    opening.first.clear_window();
    v1::ExecCommand& exec = *opening.open.mutable_exec();
    *exec.mutable_command() = request.command();
    exec.set_terminal(request.tty());
    *exec.mutable_window() = typing_.window();
    return opening;
  }
  Said FromClient(const ByteBuffer& message) override {
    v1::ExecRequest request;
    if (auto refusal = Parse(message, request)) return *std::move(refusal);
    return typing_.Read(request);
  }
  std::optional<v1::DataFromDaemon> EndOfClient() override {
    if (!typing_.Close()) return std::nullopt;
    v1::DataFromDaemon frame;
    frame.set_end_of_input(true);
    return frame;
  }
  std::optional<ByteBuffer> FromAgent(v1::DataFromAgent frame) override {
    v1::ExecResponse response;
    if (frame.has_command_ended()) {
      response.set_exit_code(frame.command_ended().exit_code());
    } else if (frame.has_output()) {
      response.set_stream(StreamOf(frame.output()));
      response.set_data(std::move(*frame.mutable_output()->mutable_data()));
    } else {
      return std::nullopt;
    }
    return wire::ToBuffer(response);
  }

 private:
  Typing typing_;
};

class AttachInterpreter final : public Interpreter {
 public:
  Opened Open(const ByteBuffer& first) override {
    v1::AttachRequest request;
    Opening opening;
    if (auto refusal = Parse(first, request)) return *std::move(refusal);
    if (auto refusal = ReadTask(request.task_id(), "attach", true, opening)) {
      return *std::move(refusal);
    }
    if (request.has_tail_bytes() && request.tail_bytes() < 0) {
      return InvalidField("tail_bytes",
                          "is " + std::to_string(request.tail_bytes()) + "; it cannot be negative");
    }
    auto said = typing_.Read(request);
    if (auto* refusal = std::get_if<wire::Refusal>(&said)) return std::move(*refusal);
    opening.first = std::move(std::get<v1::DataFromDaemon>(said));
    opening.first.clear_window();
    v1::AttachConsole& attach = *opening.open.mutable_attach();
    if (request.rows() != 0 || request.columns() != 0) *attach.mutable_window() = typing_.window();
    if (request.has_tail_bytes()) attach.set_tail_bytes(request.tail_bytes());
    return opening;
  }
  Said FromClient(const ByteBuffer& message) override {
    v1::AttachRequest request;
    if (auto refusal = Parse(message, request)) return *std::move(refusal);
    return typing_.Read(request);
  }
  std::optional<ByteBuffer> FromAgent(v1::DataFromAgent frame) override {
    v1::AttachResponse response;
    if (frame.has_output()) {
      response.set_stream(StreamOf(frame.output()));
      response.set_offset(frame.output().offset());
      response.set_data(std::move(*frame.mutable_output()->mutable_data()));
    } else if (frame.open()) {
      response.set_console(frame.console());
    } else {
      return std::nullopt;
    }
    return wire::ToBuffer(response);
  }

 private:
  Typing typing_;
};

class ForwardInterpreter final : public Interpreter {
 public:
  Opened Open(const ByteBuffer& first) override {
    v1::ForwardRequest request;
    Opening opening;
    if (auto refusal = Parse(first, request)) return *std::move(refusal);
    if (auto refusal = ReadTask(request.task_id(), "forward", true, opening)) {
      return *std::move(refusal);
    }
    if (request.port() < 1 || request.port() > std::numeric_limits<uint16_t>::max()) {
      return InvalidField("port",
                          "is " + std::to_string(request.port()) + "; it is from 1 to 65535");
    }
    if (auto refusal = CheckData("data", request.data())) return *std::move(refusal);
    opening.open.mutable_forward()->set_port(request.port());
    opening.first.set_data(request.data());
    return opening;
  }
  Said FromClient(const ByteBuffer& message) override {
    v1::ForwardRequest request;
    if (auto refusal = Parse(message, request)) return *std::move(refusal);
    if (auto refusal = CheckData("data", request.data())) return *std::move(refusal);
    v1::DataFromDaemon frame;
    frame.set_data(request.data());
    return frame;
  }
  std::optional<v1::DataFromDaemon> EndOfClient() override {
    v1::DataFromDaemon frame;
    frame.set_end_of_input(true);
    return frame;
  }
  std::optional<ByteBuffer> FromAgent(v1::DataFromAgent frame) override {
    if (!frame.open() && frame.data().empty()) return std::nullopt;
    v1::ForwardResponse response;
    response.set_data(std::move(*frame.mutable_data()));
    return wire::ToBuffer(response);
  }
};

class ReadFileInterpreter final : public Interpreter {
 public:
  Opened Open(const ByteBuffer& first) override {
    v1::ReadFileRequest request;
    Opening opening;
    if (auto refusal = Parse(first, request)) return *std::move(refusal);
    if (auto refusal = ReadTask(request.task_id(), "read_file", false, opening)) {
      return *std::move(refusal);
    }
    if (request.path().empty()) return InvalidField("path", "is required");
    if (auto refusal = CheckNoNul("path", request.path())) return *std::move(refusal);
    opening.open.mutable_read_path()->set_path(request.path());
    return opening;
  }
  std::optional<ByteBuffer> FromAgent(v1::DataFromAgent frame) override {
    v1::FileChunk chunk;
    if (frame.has_path()) {
      chunk.set_mode(frame.path().mode());
      chunk.set_archive(frame.path().archive());
      chunk.set_size_bytes(frame.path().size_bytes());
    } else if (frame.data().empty()) {
      return std::nullopt;
    }
    chunk.set_offset(offset_);
    offset_ += static_cast<int64_t>(frame.data().size());
    chunk.set_data(std::move(*frame.mutable_data()));
    return wire::ToBuffer(chunk);
  }

 private:
  int64_t offset_ = 0;
};

class WriteFileInterpreter final : public Interpreter {
 public:
  Opened Open(const ByteBuffer& first) override {
    v1::WriteFileRequest request;
    Opening opening;
    if (auto refusal = Parse(first, request)) return *std::move(refusal);
    if (auto refusal = ReadTask(request.task_id(), "write_file", false, opening)) {
      return *std::move(refusal);
    }
    if (request.path().empty()) return InvalidField("path", "is required");
    if (auto refusal = CheckNoNul("path", request.path())) return *std::move(refusal);
    if (auto refusal = CheckNoNul("name", request.name())) return *std::move(refusal);
    if (request.name().size() > kMostNameBytes || request.name().find('/') != std::string::npos ||
        request.name() == "." || request.name() == "..") {
      return InvalidField("name", "is no name of a file: at most 255 bytes, without a \"/\"");
    }
    if (request.mode() < 0 || request.mode() > kMostMode) {
      return InvalidField("mode", "is no permission bits: from 0 to 07777");
    }
    if (auto refusal = CheckData("data", request.data())) return *std::move(refusal);
    v1::WritePath& write = *opening.open.mutable_write_path();
    write.set_path(request.path());
    write.set_mode(request.mode());
    write.set_archive(request.archive());
    write.set_name(request.name());
    opening.first.set_data(request.data());
    return opening;
  }
  Said FromClient(const ByteBuffer& message) override {
    v1::WriteFileRequest request;
    if (auto refusal = Parse(message, request)) return *std::move(refusal);
    if (auto refusal = CheckData("data", request.data())) return *std::move(refusal);
    v1::DataFromDaemon frame;
    frame.set_data(request.data());
    return frame;
  }
  std::optional<v1::DataFromDaemon> EndOfClient() override {
    v1::DataFromDaemon frame;
    frame.set_end_of_input(true);
    return frame;
  }
  std::optional<ByteBuffer> FromAgent(v1::DataFromAgent frame) override {
    if (!frame.has_written_bytes()) return std::nullopt;
    v1::WriteFileResponse response;
    response.set_bytes(frame.written_bytes());
    return wire::ToBuffer(response);
  }
};

}  // namespace

std::unique_ptr<Interpreter> InterpretExec() { return std::make_unique<ExecInterpreter>(); }
std::unique_ptr<Interpreter> InterpretAttach() { return std::make_unique<AttachInterpreter>(); }
std::unique_ptr<Interpreter> InterpretForward() { return std::make_unique<ForwardInterpreter>(); }
std::unique_ptr<Interpreter> InterpretReadFile() { return std::make_unique<ReadFileInterpreter>(); }
std::unique_ptr<Interpreter> InterpretWriteFile() {
  return std::make_unique<WriteFileInterpreter>();
}

}  // namespace berth::api
