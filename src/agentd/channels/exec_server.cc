#include "agentd/channels/exec_server.h"

#include <utility>

#include "agentd/window_dimension.h"

namespace berth::agentd {
namespace {

constexpr int kSignalled = 128;  // as a shell says it

}  // namespace

ExecServer::ExecServer(DataCall& call, Work work, std::function<void(ExecServer&)> on_gone)
    : call_(call),
      work_(std::move(work)),
      on_gone_(std::move(on_gone)),
      process_(call.loop(),
               {.on_start = [this](const shim::StatusRecord& start) { OnStart(start); },
                .on_output =
                    [this](bool is_error, std::string data) {
                      unsent_[is_error ? 1 : 0] = std::move(data);
                      Step();
                    },
                .on_output_end = [this] { Step(); },
                .on_room =
                    [this] {
                      if (std::exchange(end_after_room_, false)) {
                        process_.EndInput();
                      } else {
                        call_.ReadOn();
                      }
                    },
                .on_exit = [this](const shim::StatusRecord* end) { OnExit(end); }}) {}

ExecServer::~ExecServer() { on_gone_(*this); }

void ExecServer::Begin() {
  if (const auto refused = process_.Start(work_.shim_program, work_.prepare())) Refuse(*refused);
}

void ExecServer::Refuse(const CannotStart& why) {
  over_ = true;
  last_.set_error(why.message);
  last_.set_reason(why.reason);
  Step();
}

void ExecServer::OnStart(const shim::StatusRecord& start) {
  if (start.step != shim::StartStep::kStarted) {
    Refuse(work_.explain(start, process_.spec()));
    return;
  }
  open_to_tell_ = true;
  call_.ReadOn();
  process_.NextOutput(false);
  process_.NextOutput(true);
  Step();
}

void ExecServer::OnExit(const shim::StatusRecord* end) {
  if (!over_) {
    over_ = true;
    if (end != nullptr) {
      last_.mutable_command_ended()->set_exit_code(end->signal != 0 ? kSignalled + end->signal
                                                                    : end->exit_code);
    } else {
      last_.set_error("the command's shim ended without saying how the command did");
      last_.set_reason(v1::REASON_CODE_DRIVER_ERROR);
    }
  }
  Step();
  call_.Settle();
}

void ExecServer::OnFrame(v1::DataFromDaemon frame) {
  if (frame.has_window()) {
    process_.Resize(WindowDimension(frame.window().rows()),
                    WindowDimension(frame.window().columns()));
  }
  if (!frame.data().empty()) {
    end_after_room_ = frame.end_of_input();
    process_.Type(std::move(*frame.mutable_data()));
  } else if (frame.end_of_input()) {
    process_.EndInput();
  } else {
    call_.ReadOn();
  }
}

void ExecServer::Step() {
  if (!call_.has_room()) return;
  if (std::exchange(open_to_tell_, false)) {
    v1::DataFromAgent message;
    message.set_open(true);
    call_.Send(std::move(message));
    return;
  }
  for (int tried = 0; tried < 2; ++tried) {
    const bool is_error = std::exchange(error_first_, !error_first_);
    std::string& data = unsent_[is_error ? 1 : 0];
    if (data.empty()) continue;
    v1::DataFromAgent message;
    message.mutable_output()->set_is_stderr(is_error);
    message.mutable_output()->set_data(std::exchange(data, {}));
    call_.Send(std::move(message));
    process_.NextOutput(is_error);
    return;
  }
  if (!over_) return;
  if (!last_.error().empty()) {
    call_.Fail(last_.error(), last_.reason());
  } else if (process_.output_ended()) {
    if (std::exchange(last_sent_, true)) {
      call_.Finish();
    } else {
      call_.Send(last_);
    }
  }
}

}  // namespace berth::agentd
