#include "agentd/channels/command_process.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "shim/shim_process.h"

namespace berth::agentd {
namespace {

constexpr char kEndOfFile = 4;  // Ctrl-D, the terminal's character for it

absl::Status Cannot(const char* what) {
  return absl::ErrnoToStatus(errno, base::A(std::string("cannot ") + what));
}

absl::StatusOr<base::UniqueFd> InMemory(const std::string& bytes) {
  base::UniqueFd fd(memfd_create("berth-spec", MFD_CLOEXEC));
  if (!fd.valid()) return Cannot("make a file in memory");
  if (write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    return Cannot("write a file in memory");
  }
  return fd;
}

}  // namespace

CommandProcess::CommandProcess(EventLoop& loop, Callbacks callbacks)
    : loop_(loop), callbacks_(std::move(callbacks)) {}

CommandProcess::~CommandProcess() {
  if (control_watched_) loop_.Unwatch(control_.get());
  if (pidfd_.valid()) loop_.Unwatch(pidfd_.get());
}

FdReader::Callbacks CommandProcess::ReaderCallbacks(bool is_error) {
  return {[this, is_error](std::string data) { callbacks_.on_output(is_error, std::move(data)); },
          [this] { callbacks_.on_output_end(); }};
}

absl::Status CommandProcess::OpenPipes(const shim::TaskSpec&, base::UniqueFd (&theirs)[3]) {
  base::UniqueFd ours[3];
  for (int i = 0; i < 3; ++i) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return Cannot("make a pipe");
    (i == 0 ? theirs : ours)[i].reset(ends[0]);
    (i == 0 ? ours : theirs)[i].reset(ends[1]);
  }
  input_ = std::make_unique<FdWriter>(loop_, std::move(ours[0]), callbacks_.on_room);
  output_ = std::make_unique<FdReader>(loop_, std::move(ours[1]), ReaderCallbacks(false));
  error_ = std::make_unique<FdReader>(loop_, std::move(ours[2]), ReaderCallbacks(true));
  return absl::OkStatus();
}

absl::Status CommandProcess::OpenTerminal(const shim::TaskSpec& spec, base::UniqueFd (&theirs)[3]) {
  terminal_ = true;
  base::UniqueFd holder(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  const int unlocked = 0;
  if (!holder.valid() || ioctl(holder.get(), TIOCSPTLCK, &unlocked) != 0) {
    return Cannot("make a terminal");
  }
  theirs[0].reset(ioctl(holder.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!theirs[0].valid()) return Cannot("open a terminal");
  // Programs open it anew by its name.
  if (spec.user && fchown(theirs[0].get(), spec.user->uid, spec.user->gid) != 0) {
    return Cannot("give a terminal to the task's user");
  }
  base::UniqueFd writing(fcntl(holder.get(), F_DUPFD_CLOEXEC, 0));
  if (!writing.valid()) return Cannot("copy a descriptor");
  input_ = std::make_unique<FdWriter>(loop_, std::move(writing), callbacks_.on_room);
  output_ = std::make_unique<FdReader>(loop_, std::move(holder), ReaderCallbacks(false));
  Resize(spec.rows, spec.columns);
  return absl::OkStatus();
}

std::optional<CannotStart> CommandProcess::Start(
    const std::string& shim_program, const std::variant<shim::TaskSpec, CannotStart>& prepared) {
  if (const auto* refused = std::get_if<CannotStart>(&prepared)) return *refused;
  const absl::Status status = Launch(shim_program, std::get<shim::TaskSpec>(prepared));
  if (status.ok()) return std::nullopt;
  return CannotStart{v1::REASON_CODE_DRIVER_ERROR, base::S(status.message())};
}

absl::Status CommandProcess::Launch(const std::string& shim_program, const shim::TaskSpec& spec) {
  spec_ = shim::EncodeSpec(spec);
  if (spec_.empty()) {
    return absl::InvalidArgumentError("an argument of the command has a NUL byte inside");
  }
  BERTH_ASSIGN_OR_RETURN(const base::UniqueFd spec_fd, InMemory(spec_));
  base::UniqueFd theirs[3];
  BERTH_RETURN_IF_ERROR(spec.console == shim::ConsoleKind::kTerminal ? OpenTerminal(spec, theirs)
                                                                     : OpenPipes(spec, theirs));
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return Cannot("make a socket");
  }
  control_.reset(ends[0]);
  const base::UniqueFd their_control(ends[1]);
  const int error = shim::StartCommand(shim_program,
                                       {.input = theirs[0].get(),
                                        .output = theirs[terminal_ ? 0 : 1].get(),
                                        .error = theirs[terminal_ ? 0 : 2].get(),
                                        .control = their_control.get(),
                                        .spec = spec_fd.get()},
                                       pid_);
  if (error != 0) {
    return absl::ErrnoToStatus(error, base::A("cannot start the shim " + shim_program));
  }
  pidfd_.reset(shim::OpenPidFd(pid_));
  if (!pidfd_.valid()) {
    // Out of descriptors: a command that nobody watches must not run.
    const int why = -pidfd_.release();
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    return absl::ErrnoToStatus(why, "cannot watch the command");
  }
  loop_.Watch(control_.get(), [this] { OnControl(); });
  control_watched_ = true;
  loop_.Watch(pidfd_.get(), [this] { OnExit(); });
  return absl::OkStatus();
}

void CommandProcess::Type(std::string data) { input_->Write(std::move(data)); }

void CommandProcess::EndInput() {
  if (terminal_) {
    input_->Write(std::string(1, kEndOfFile));
  } else {
    input_->Close();
    callbacks_.on_room();
  }
}

void CommandProcess::Resize(uint16_t rows, uint16_t columns) {
  winsize size = {};
  size.ws_row = rows;
  size.ws_col = columns;
  if (terminal_) ioctl(input_->fd(), TIOCSWINSZ, &size);
}

void CommandProcess::NextOutput(bool is_error) {
  if (FdReader* reader = is_error ? error_.get() : output_.get()) reader->Next();
}

bool CommandProcess::output_ended() const {
  return output_->ended() && (error_ == nullptr || error_->ended());
}

void CommandProcess::Kill() {
  // The shim hears the end of this direction, and says over the other how the command ended.
  if (!std::exchange(killed_, true) && control_.valid()) shutdown(control_.get(), SHUT_WR);
}

void CommandProcess::OnControl() {
  for (;;) {
    shim::StatusRecord record;
    const ssize_t got = recv(control_.get(), &record, sizeof(record), MSG_DONTWAIT);
    if (got == 0) {  // the shim is gone: its pidfd says so too
      if (std::exchange(control_watched_, false)) loop_.Unwatch(control_.get());
      return;
    }
    if (got < 0) return;
    if (got != sizeof(record)) continue;
    if (shim::IsWhole(record, shim::StatusKind::kStart) && !killed_) callbacks_.on_start(record);
    if (shim::IsWhole(record, shim::StatusKind::kEnd)) {
      ended_ = true;
      end_ = record;
    }
  }
}

void CommandProcess::OnExit() {
  OnControl();
  loop_.Unwatch(pidfd_.get());
  pidfd_.reset();
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  callbacks_.on_exit(ended_ ? &end_ : nullptr);
  // Whatever of its output is still in a pipe is all there will be.
  output_->Hurry();
  if (error_ != nullptr) error_->Hurry();
}

}  // namespace berth::agentd
