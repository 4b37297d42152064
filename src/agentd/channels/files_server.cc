#include "agentd/channels/files_server.h"

#include <charconv>
#include <cstring>
#include <utility>

#include "base/strings.h"
#include "base/utf8.h"

namespace berth::agentd {
namespace {

constexpr size_t kMostFilesErrorBytes = 4096;

v1::ReasonCode ReasonOf(int exit_code) {
  switch (exit_code) {
    case files::kNotFound:
      return v1::REASON_CODE_NOT_FOUND;
    case files::kNotAllowed:
      return v1::REASON_CODE_NOT_ALLOWED;
    default:
      return v1::REASON_CODE_DRIVER_ERROR;
  }
}

}  // namespace

FilesServer::FilesServer(DataCall& call, Work work)
    : call_(call),
      work_(std::move(work)),
      process_(call.loop(),
               {.on_start = [this](const shim::StatusRecord& start) { OnStart(start); },
                .on_output = [this](bool is_error,
                                    std::string data) { OnOutput(is_error, std::move(data)); },
                .on_output_end = [this] { Step(); },
                .on_room = [this] { OnRoomForInput(); },
                .on_exit = [this](const shim::StatusRecord* end) { OnExit(end); }}) {}

void FilesServer::Begin() {
  if (const auto refused = process_.Start(work_.shim_program, work_.prepare())) Refuse(*refused);
}

void FilesServer::Refuse(const CannotStart& why) {
  over_ = true;
  concluded_ = true;
  last_.set_error(why.message);
  last_.set_reason(why.reason);
  Step();
}

void FilesServer::OnStart(const shim::StatusRecord& start) {
  if (start.step != shim::StartStep::kStarted) {
    Refuse(work_.explain(start, process_.spec()));
    return;
  }
  open_to_tell_ = work_.writes;
  call_.ReadOn();
  process_.NextOutput(false);
  process_.NextOutput(true);
  Step();
}

void FilesServer::OnOutput(bool is_error, std::string data) {
  if (is_error) {
    if (error_text_.size() < kMostFilesErrorBytes) error_text_ += data;
    process_.NextOutput(true);
    return;
  }
  unsent_ += data;
  if (!work_.writes && !has_header_) TakeHeader();
  if (work_.writes || !has_header_) {
    process_.NextOutput(false);  // a number, or part of a header: it is kept
  } else {
    Step();
  }
}

void FilesServer::TakeHeader() {
  if (unsent_.size() < sizeof(header_)) return;
  std::memcpy(&header_, unsent_.data(), sizeof(header_));
  unsent_.erase(0, sizeof(header_));
  has_header_ = true;
  header_to_tell_ = true;
}

void FilesServer::OnFrame(v1::DataFromDaemon frame) {
  if (!work_.writes) {
    call_.ReadOn();
  } else if (!frame.data().empty()) {
    end_after_room_ = frame.end_of_input();
    process_.Type(std::move(*frame.mutable_data()));
  } else if (frame.end_of_input()) {
    process_.EndInput();
  } else {
    call_.ReadOn();
  }
}

void FilesServer::OnRoomForInput() {
  if (std::exchange(end_after_room_, false)) {
    process_.EndInput();
  } else {
    call_.ReadOn();
  }
}

void FilesServer::OnExit(const shim::StatusRecord* end) {
  over_ = true;
  exit_code_ = end == nullptr || end->signal != 0 ? files::kFailed : end->exit_code;
  Step();
  call_.Settle();
}

// All that it wrote is here.
void FilesServer::Conclude() {
  if (std::exchange(concluded_, true)) return;
  while (!error_text_.empty() && error_text_.back() == '\n') error_text_.pop_back();
  int64_t written = 0;
  const bool told =
      std::from_chars(unsent_.data(), unsent_.data() + unsent_.size(), written).ec == std::errc();
  if (exit_code_ == 0 && (work_.writes ? told : has_header_)) {
    if (work_.writes) last_.set_written_bytes(written);
    unsent_.clear();
    return;
  }
  unsent_.clear();
  if (error_text_.empty()) error_text_ = "the work on its files ended without saying why";
  last_.set_error("node \"" + work_.node_name + "\": " + base::ToValidUtf8(error_text_));
  last_.set_reason(ReasonOf(exit_code_));
}

void FilesServer::Step() {
  if (!call_.has_room()) return;
  if (std::exchange(open_to_tell_, false)) {
    v1::DataFromAgent message;
    message.set_open(true);
    call_.Send(std::move(message));
    return;
  }
  if (std::exchange(header_to_tell_, false)) {
    v1::DataFromAgent message;
    message.mutable_path()->set_size_bytes(header_.size);
    message.mutable_path()->set_mode(static_cast<int32_t>(header_.mode));
    message.mutable_path()->set_archive(header_.archive != 0);
    call_.Send(std::move(message));
    if (unsent_.empty()) process_.NextOutput(false);
    return;
  }
  if (!work_.writes && has_header_ && !unsent_.empty()) {
    v1::DataFromAgent message;
    message.set_data(std::exchange(unsent_, {}));
    call_.Send(std::move(message));
    process_.NextOutput(false);
    return;
  }
  if (!over_ || (!concluded_ && !process_.output_ended())) return;
  Conclude();
  if (!last_.error().empty()) {
    call_.Fail(last_.error(), last_.reason());
  } else if (!work_.writes || std::exchange(last_sent_, true)) {
    call_.Finish();
  } else {
    call_.Send(last_);
  }
}

}  // namespace berth::agentd
