#include "cli/console_session.h"

#include <poll.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "cli/output/terminal_text.h"
#include "cli/patience.h"
#include "cli/raw_terminal.h"
#include "cli/rpc_status.h"
#include "cli/typing.h"

namespace berth::cli {
namespace {

using ConsoleStream = grpc::ClientReaderWriter<v1::AttachRequest, v1::AttachResponse>;

class Session {
 public:
  Session(Invocation& invocation, Client& client, const ConsoleOptions& options)
      : invocation_(invocation),
        process_(invocation.process()),
        client_(client),
        options_(options),
        dialogue_(process_.in_is_terminal && process_.on_terminal) {}

  absl::StatusOr<ConsoleResult> Run() {
    Patience patience(*process_.clock);
    while (true) {
      heard_ = false;
      const absl::Status status = RunLeg();
      if (left_) return Result(*left_);
      if (status.ok() || process_.out->failed()) return Result(ConsoleResult::End::kEnded);
      if (!was_open_ || !IsPassing(status)) return status;
      if (heard_) patience.Renew();
      if (patience.Miss()) {
        invocation_.PrintError("berth: " + base::S(status.message()) + "; trying again\n");
      }
      if (patience.IsOver()) return status;
      if (InterruptedWhileWaiting()) return Result(ConsoleResult::End::kLeft);
    }
  }

 private:
  ConsoleResult Result(ConsoleResult::End end) const { return {end, cancelled_}; }

  bool InterruptedWhileWaiting() const {
    pollfd waiting = {options_.interrupt_fd, POLLIN, 0};
    return poll(&waiting, 1, static_cast<int>(kRetryPause.count())) > 0;
  }

  absl::Status RunLeg() {
    grpc::ClientContext context;
    context_ = &context;
    stream_ = client_.jobs().Attach(&context);
    v1::AttachRequest first;
    first.set_task_id(options_.task_id);
    if (const auto size = SizeOfTerminal(process_.stdin_fd)) {
      first.set_rows(size->rows);
      first.set_columns(size->columns);
    }
    // After a break all of it is sent anew, and what was shown is skipped.
    if (options_.from_start || was_open_) {
      first.set_tail_bytes(std::numeric_limits<int64_t>::max());
    }
    stream_->Write(first);
    v1::AttachResponse response;
    if (stream_->Read(&response)) {
      was_open_ = true;
      heard_ = true;
      Attend(response);
    }
    keys_.reset();
    const absl::Status status = client_.Explain(stream_->Finish());
    stream_.reset();
    context_ = nullptr;
    return status;
  }

  // From the first answer, which says what the console is, to the end.
  void Attend(v1::AttachResponse& response) {
    const bool terminal = response.console() == v1::CONSOLE_TERMINAL;
    const bool raw = terminal && process_.in_is_terminal && !options_.no_input;
    if (raw && !std::exchange(greeted_, true)) {
      invocation_.PrintError("berth: ctrl-p ctrl-q detaches and leaves the task running\n");
    }
    const RawTerminal own(raw ? process_.stdin_fd : -1, RawTerminal::Mode::kRaw);
    Typing typing(
        {.input_fd = options_.no_input ? -1 : process_.stdin_fd,
         .window_fd = options_.window_fd,
         .terminal_fd = process_.stdin_fd,
         .interrupt_fd = options_.interrupt_fd,
         .detach_keys = raw},
        {.on_input = [this](std::string typed) { return OnTyped(std::move(typed)); },
         .on_input_end =
             [this] {
               v1::AttachRequest request;
               request.set_stdin_closed(true);
               stream_->Write(request);
             },
         .on_window =
             [this](const TerminalSize& size) {
               v1::AttachRequest request;
               request.set_rows(size.rows);
               request.set_columns(size.columns);
               stream_->Write(request);
             },
         .on_detach = [this] { Leave(ConsoleResult::End::kDetached); },
         // With a terminal of the task's own Ctrl-C is a key: whoever sends a signal ends us.
         .on_interrupt =
             [this, raw] {
               raw ? Leave(ConsoleResult::End::kLeft) : Do(dialogue_.OnInterrupt());
             }});
    do {
      Show(response);
      if (process_.out->failed()) context_->TryCancel();
    } while (stream_->Read(&response));
  }

  void Show(const v1::AttachResponse& response) {
    if (response.data().empty()) return;
    const std::size_t which = response.stream() == v1::OUTPUT_STREAM_STDERR ? 1 : 0;
    std::string_view bytes = response.data();
    const int64_t shown = std::max<int64_t>(next_[which] - response.offset(), 0);
    if (shown >= static_cast<int64_t>(bytes.size())) return;
    bytes.remove_prefix(static_cast<std::size_t>(shown));
    next_[which] = response.offset() + static_cast<int64_t>(response.data().size());
    (which == 1 ? process_.err : process_.out)->Write(bytes);
  }

  // ---- on the typing thread ----

  bool OnTyped(std::string typed) {
    if (dialogue_.asking()) {
      for (const char key : typed) Do(dialogue_.OnKey(key));
      return !left_;
    }
    v1::AttachRequest request;
    request.set_stdin_data(std::move(typed));
    return stream_->Write(request);
  }

  void Do(InterruptDialogue::Step step) {
    switch (step) {
      case InterruptDialogue::Step::kNothing:
        return;
      case InterruptDialogue::Step::kAsk:
        keys_.emplace(process_.stdin_fd, RawTerminal::Mode::kKeys);
        invocation_.PrintError("\nberth: detach (d) or cancel (c)? Ctrl-C again cancels: ");
        return;
      case InterruptDialogue::Step::kDetach:
        invocation_.PrintError("d\n");
        Leave(ConsoleResult::End::kDetached);
        return;
      case InterruptDialogue::Step::kCancel: {
        keys_.reset();
        invocation_.PrintError("\nberth: cancelling; Ctrl-C again leaves it to itself\n");
        cancelled_ = true;
        const absl::Status status = options_.cancel();
        if (!status.ok()) {
          invocation_.PrintError(
              "berth: it is not cancelled: " + TerminalText(base::S(status.message())) + "\n");
        }
        return;
      }
      case InterruptDialogue::Step::kLeave:
        Leave(ConsoleResult::End::kLeft);
        return;
    }
  }

  void Leave(ConsoleResult::End end) {
    left_ = end;
    context_->TryCancel();
  }

  Invocation& invocation_;
  const Process& process_;
  Client& client_;
  const ConsoleOptions& options_;
  grpc::ClientContext* context_ = nullptr;
  std::unique_ptr<ConsoleStream> stream_;
  bool was_open_ = false;
  bool heard_ = false;
  bool greeted_ = false;
  std::array<int64_t, 2> next_ = {0, 0};  // of standard output and error

  // The typing thread's while there is one.
  InterruptDialogue dialogue_;
  std::optional<RawTerminal> keys_;
  std::optional<ConsoleResult::End> left_;
  bool cancelled_ = false;
};

}  // namespace

absl::StatusOr<ConsoleResult> RunConsole(Invocation& invocation, Client& client,
                                         const ConsoleOptions& options) {
  return Session(invocation, client, options).Run();
}

}  // namespace berth::cli
